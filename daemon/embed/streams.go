package embed

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams ends those that clients have open, watches and keepalives, when the member is
// closed: etcd waits for them, seven seconds long, and answers no keepalive meanwhile. A
// lease of ten seconds hardly lasts for as long, so that who lives by one would be lost
// by every restart in good order, and by none of those with SIGKILL.
type streams struct {
	closing context.Context
	end     context.CancelFunc
}

func newStreams() streams {
	closing, end := context.WithCancel(context.Background())
	return streams{closing, end}
}

// intercept is a grpc.StreamServerInterceptor. Clients take its error as a connection
// that was lost: they come again.
func (s streams) intercept(srv any, in grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(in.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	err := handler(srv, ending{in, ctx})
	if s.closing.Err() != nil {
		return status.Error(codes.Unavailable, "the member is being closed")
	}
	return err
}

type ending struct {
	grpc.ServerStream
	ctx context.Context
}

func (e ending) Context() context.Context { return e.ctx }
