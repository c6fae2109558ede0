package mtls_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/mtls/mtlstest"
)

func TestServe_MutualTLS(t *testing.T) {
	files := mtlstest.New(t)
	listener, err := mtls.Listen(t.Context(), "127.0.0.1:0", files)
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	ended := make(chan error, 1)
	go func() { ended <- mtls.Serve(t.Context(), listener, handler, zap.NewNop()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	get := func(config *tls.Config) (*http.Response, error) {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
		if err != nil {
			return nil, err
		}
		return response, response.Body.Close()
	}
	config, err := files.Client()
	if err != nil {
		t.Fatal(err)
	}
	response, err := get(config)
	if err != nil {
		t.Fatalf("with a certificate: %v", err)
	}
	if response.ProtoMajor != 2 {
		t.Errorf("speaks %s, want HTTP/2: gRPC needs it", response.Proto)
	}
	stranger, err := mtlstest.New(t).Client()
	if err != nil {
		t.Fatal(err)
	}
	stranger.RootCAs = config.RootCAs
	for name, config := range map[string]*tls.Config{
		"no certificate": {RootCAs: config.RootCAs, MinVersion: tls.VersionTLS13}, "a stranger's": stranger,
	} {
		if response, err := get(config); err == nil {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
}
