package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/api/mtls"
)

// maxLogChunk bounds one message of a worker.
const maxLogChunk = 1 << 20

// errNeedsTLS means that a worker serves its output by TLS, and that the daemon has
// no certificates for it.
var errNeedsTLS = errors.New("the worker serves its output by TLS: give the daemon --tls-cert, --tls-key and --tls-ca")

// logClients reach workers' log services: those of this machine as they say, the
// others by mutual TLS only.
type logClients struct {
	plain, secure *http.Client // secure is nil without certificates
}

func newLogClients(files mtls.Files) (*logClients, error) {
	plain, err := mtls.Transport(mtls.Files{})
	if err != nil {
		return nil, err
	}
	c := &logClients{plain: &http.Client{Transport: plain}}
	if files.IsZero() {
		return c, nil
	}
	secure, err := mtls.Transport(files)
	if err != nil {
		return nil, err
	}
	c.secure = &http.Client{Transport: secure}
	return c, nil
}

// logClient reads from one worker.
type logClient struct {
	rpc berthv1connect.WorkerServiceClient
}

// at does not talk to an address in the clear that is not of this machine.
func (c *logClients) at(address string) (*logClient, error) {
	host, says := strings.CutPrefix(address, mtls.Scheme)
	local := mtls.Loopback(host)
	h, url := c.plain, "http://"+host
	switch {
	case local && !says:
	case c.secure != nil:
		h, url = c.secure, mtls.Scheme+host
	case local:
		return nil, connect.NewError(connect.CodeFailedPrecondition, errNeedsTLS)
	default:
		return nil, mtls.ErrNotLoopback
	}
	return &logClient{rpc: berthv1connect.NewWorkerServiceClient(h, url, connect.WithReadMaxBytes(maxLogChunk))}, nil
}

func (c *logClient) read(ctx context.Context, m *berthv1.ReadLogRequest, send func(*berthv1.LogsResponse) error) error {
	stream, err := c.rpc.ReadLog(ctx, m)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // its error is stream.Err's
	for stream.Receive() {
		r := stream.Msg()
		if err := send(&berthv1.LogsResponse{
			Stream: m.GetStream(), Data: r.GetData(), Offset: r.GetOffset(), Attempt: m.GetAttempt(), Gap: r.GetGap(),
		}); err != nil {
			return err
		}
	}
	return stream.Err()
}
