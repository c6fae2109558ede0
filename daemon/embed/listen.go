package embed

import (
	"fmt"
	"net"

	"github.com/berthd/berth/api/mtls"
)

// checkListen refuses what would be open to others without certificates.
func (o Options) checkListen() error {
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		return fmt.Errorf("etcd listen address %q: %w", o.Listen, err)
	}
	if !mtls.Loopback(o.Listen) {
		return fmt.Errorf("etcd listen address %q is not loopback; allowed: 127.0.0.1, ::1, localhost", o.Listen)
	}
	if o.ListenTLS == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(o.ListenTLS); err != nil {
		return fmt.Errorf("etcd listen address %q: %w", o.ListenTLS, err)
	}
	if o.ListenTLS == o.Listen {
		return fmt.Errorf("etcd listen address %q is given twice: with and without TLS", o.Listen)
	}
	if o.TLS.IsZero() {
		return fmt.Errorf("etcd listen address %q: %w", o.ListenTLS, mtls.ErrNotLoopback)
	}
	if err := o.TLS.Check(); err != nil {
		return fmt.Errorf("etcd listen address %q: %w", o.ListenTLS, err)
	}
	return nil
}

// listening tells which listener is the local one, and which, if any, the
// other: etcd keeps them in no order.
func listening(listeners []net.Listener, local string) (at, remote string) {
	for _, l := range listeners {
		address := l.Addr().String()
		if at == "" && opened(l.Addr(), local) {
			at = address
		} else {
			remote = address
		}
	}
	return at, remote
}

// opened says whether asking for address may have opened at.
func opened(at net.Addr, address string) bool {
	tcp, ok := at.(*net.TCPAddr)
	host, port, err := net.SplitHostPort(address)
	if !ok || err != nil {
		return false
	}
	if host == "localhost" {
		host = tcp.IP.String()
	}
	return tcp.IP.Equal(net.ParseIP(host)) && (port == "0" || port == fmt.Sprint(tcp.Port))
}
