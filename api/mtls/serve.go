package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Serve answers HTTP/1, HTTP/2 and gRPC until ctx ends. Streams are cut off
// then; calls that are being answered have a second to end.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *zap.Logger) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC on loopback
	server := &http.Server{
		Handler: handler, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:    zap.NewStdLog(log),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	var group errgroup.Group
	stop := context.AfterFunc(ctx, func() { group.Go(func() error { return shutdown(server) }) })
	err := server.Serve(listener)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(fmt.Errorf("serve: %w", err), server.Close())
	}
	return group.Wait()
}

// shutdown waits a moment for the handlers, whose context has ended.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
