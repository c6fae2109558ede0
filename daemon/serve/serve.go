package serve

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/api/berth/v1/berthv1connect"
	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/daemon"
)

// maxMessageBytes bounds one message: the largest submission, with what JSON
// adds to it.
const maxMessageBytes = berth.MaxRequestsPerCall*berth.MaxRequestBytes + 16<<20

// callTimeout bounds a call that says no deadline of its own. An outcome that is
// unknown in the store is settled again and again: a call must end all the same.
const callTimeout = time.Minute

// Options of the service. Zero fields mean the defaults.
type Options struct {
	// Workers are the files by which log readers reach workers beyond loopback.
	Workers mtls.Files
	Log     *zap.Logger
}

// service implements berthv1connect.BerthServiceHandler.
type service struct {
	berthv1connect.UnimplementedBerthServiceHandler
	d    *daemon.Daemon
	logs *logClients
	log  *zap.Logger
}

// New is the handler of the API.
func New(d *daemon.Daemon, opts Options) (http.Handler, error) {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	logs, err := newLogClients(opts.Workers)
	if err != nil {
		return nil, fmt.Errorf("certificates for the output of workers: %w", err)
	}
	s := &service{d: d, logs: logs, log: opts.Log}
	mux := http.NewServeMux()
	mux.Handle(berthv1connect.NewBerthServiceHandler(s,
		connect.WithReadMaxBytes(maxMessageBytes),
		boundedGzip(maxMessageBytes),
		connect.WithCodec(boundedProto{}),
		connect.WithCodec(strictJSON{"json"}), connect.WithCodec(strictJSON{"json; charset=utf-8"}),
		connect.WithInterceptors(boundCalls{}, tellErrors{opts.Log}, tellRefusals{}),
		connect.WithRecover(s.recovered),
	))
	return localOnly(mux), nil
}

// localOnly refuses what a browser was tricked into sending to loopback: a page
// of another site, or a name that was made to point here. Programs send neither
// an Origin nor a strange Host.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || (r.TLS == nil && !plainHost(r.Host)) {
			http.Error(w, "this service is not for pages of other sites", http.StatusForbidden)
			return
		}
		if r.ContentLength > maxMessageBytes { // before any of it is read
			http.Error(w, fmt.Sprintf("the request is %d bytes; allowed: at most %d", r.ContentLength, maxMessageBytes), http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainHost is an address, localhost, or what clients send on a unix socket.
func plainHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "" || host == "localhost" || host == "berth" || net.ParseIP(host) != nil
}
