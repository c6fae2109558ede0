package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// ErrNotLoopback means that an address beyond loopback was given without
// certificates.
var ErrNotLoopback = errors.New("an address beyond loopback needs mutual TLS: give a certificate, its key and a CA")

// ErrSocketInUse means that another process serves the unix socket.
var ErrSocketInUse = errors.New("another process serves this socket")

// Listen opens loopback, or another address with mutual TLS. An empty one is a
// free port of loopback. With files, loopback has TLS too.
func Listen(ctx context.Context, address string, files Files) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	if files.IsZero() && !Loopback(address) {
		return nil, fmt.Errorf("listen on %s: %w", address, ErrNotLoopback)
	}
	var config *tls.Config
	if !files.IsZero() {
		var err error
		if config, err = files.Server(); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	return listener, nil
}

// Scheme stands before the address of who has TLS on loopback.
const Scheme = "https://"

// Advertised is the address of a listener made with files, as others dial it. Beyond
// loopback TLS goes without saying.
func Advertised(l net.Listener, files Files) string {
	address := l.Addr().String()
	if !files.IsZero() && Loopback(address) {
		return Scheme + address
	}
	return address
}

// Loopback does not look names up: a name's address may change.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ListenUnix opens a socket that its owner and group may use. One that a killed
// process left is taken over; one that is served is ErrSocketInUse.
func ListenUnix(ctx context.Context, path string) (net.Listener, error) {
	listener, err := listenUnix(ctx, path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	conn, dialErr := new(net.Dialer).DialContext(ctx, "unix", path)
	if dialErr == nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, ErrSocketInUse), conn.Close())
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("listen on %s: %w", path, dialErr)
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("remove the socket that a killed process left: %w", err)
	}
	return listenUnix(ctx, path)
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), listener.Close())
	}
	return listener, nil
}
