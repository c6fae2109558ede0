package worker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// TLSFiles are the agent's certificate and key, and the authority that those who
// read its logs must be certified by.
type TLSFiles struct {
	CertFile, KeyFile, CAFile string
}

// ErrNotLoopback means that an address beyond loopback was given without
// certificates.
var ErrNotLoopback = errors.New("an address beyond loopback needs mutual TLS: give a certificate, its key and a CA")

// Listen opens the address of the log service: loopback, or with mutual TLS. An
// empty one is a free port of loopback. With files, loopback has TLS too.
func Listen(ctx context.Context, address string, files TLSFiles) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	if files == (TLSFiles{}) && !loopback(address) {
		return nil, fmt.Errorf("listen on %s: %w", address, ErrNotLoopback)
	}
	var config *tls.Config
	if files != (TLSFiles{}) {
		var err error
		if config, err = files.config(); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for log readers: %w", err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	return listener, nil
}

// loopback does not look names up: a name's address may change.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f TLSFiles) config() (*tls.Config, error) {
	if f.CertFile == "" || f.KeyFile == "" || f.CAFile == "" {
		return nil, ErrNotLoopback
	}
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	pem, err := os.ReadFile(f.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the CA: %s has no certificate", f.CAFile)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		NextProtos: []string{"h2", "http/1.1"},
	}, nil
}

// Serve answers log readers until ctx ends. The followers of logs are cut off
// then: they have nothing that would have to be finished.
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
		return errors.Join(fmt.Errorf("serve logs: %w", err), server.Close())
	}
	return group.Wait()
}

// shutdown waits a moment for the handlers, whose ctx has ended.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
