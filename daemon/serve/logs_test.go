package serve_test

import (
	"errors"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/mtls/mtlstest"
	"github.com/berthd/berth/client"
)

// A worker with certificates serves its output by TLS on loopback, too.
func TestLogs_TLSOnLoopback(t *testing.T) {
	files := mtlstest.New(t)
	c, _ := siteWith(t, files, files)
	submit(t, c, &berthv1.Request{Id: "r", Command: []string{"echo", "tls"}, Resources: &berthv1.Demand{CpuMilli: 1}})
	until(t, c, "r", "SUCCEEDED")
	if got := logsOf(t, c, &berthv1.LogsRequest{Id: "r"}); got != "out:tls\n" {
		t.Errorf("output %q", got)
	}
}

func TestLogs_DaemonWithoutCertificates(t *testing.T) {
	c, _ := siteWith(t, mtls.Files{}, mtlstest.New(t))
	submit(t, c, &berthv1.Request{Id: "r", Command: []string{"echo", "tls"}, Resources: &berthv1.Demand{CpuMilli: 1}})
	until(t, c, "r", "SUCCEEDED")
	err := c.Logs(t.Context(), &berthv1.LogsRequest{Id: "r"}, func(*berthv1.LogsResponse) error { return nil })
	ce, ok := errors.AsType[*client.CallError](err)
	if !ok || ce.Code != client.CodeFailedPrecondition || !strings.Contains(ce.Message, "--tls-cert") {
		t.Errorf("%v, want what the daemon lacks", err)
	}
}
