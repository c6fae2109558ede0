package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/etcdstore"
)

// What a connection fails of is not told by those who try it again and again: a TLS
// server that is addressed in the clear resets it, and a certificate that does not fit
// ends in a deadline. So what did not answer is asked once more, for TLS alone.

// handshakeWithin is for each step: this is after a failure, and only to say more.
const handshakeWithin = time.Second

// handshake tries TLS with an address; nil: the other side takes it.
func handshake(ctx context.Context, address string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	if err := conn.SetReadDeadline(time.Now().Add(handshakeWithin)); err != nil {
		return err
	}
	// In TLS 1.3 the refusal of our certificate comes behind the handshake.
	if _, err = conn.Read(make([]byte, 1)); refusedByOther(err) {
		return err
	}
	return nil
}

// refusedByOther says whether the other side ended it with an alert of TLS.
func refusedByOther(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

// troubleAt says what is wrong with TLS at an address that did not answer, or nothing;
// config is nil for who addressed it in the clear.
func troubleAt(ctx context.Context, address string, config *tls.Config, flags string) string {
	if config == nil {
		err := handshake(ctx, address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // nothing is sent
		if err == nil || refusedByOther(err) {
			return fmt.Sprintf("%s serves TLS: does it need %s?", address, flags)
		}
		return ""
	}
	err := handshake(ctx, address, config)
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return address + " does not serve TLS"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || refusedByOther(err) {
		return fmt.Sprintf("TLS with %s: %v; do %s fit?", address, err, flags)
	}
	return ""
}

// diagnosisKey is where a verb leaves how to find out why it was not answered.
const diagnosisKey = "diagnosis"

// diagnosis is what can be said of an error that is about reaching somebody.
func diagnosis(ctx context.Context, app *cli.App, err error) string {
	find, ok := app.Metadata[diagnosisKey].(func(context.Context) string)
	if !ok || !unanswered(err) {
		return ""
	}
	return find(ctx)
}

func unanswered(err error) bool {
	if _, ok := errors.AsType[*client.UnreachableError](err); ok || etcdstore.Unreachable(err) {
		return true
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	ce, ok := errors.AsType[*client.CallError](err)
	return ok && (ce.Code == client.CodeUnavailable || ce.Code == "unknown" || ce.Code == "deadline_exceeded")
}

// diagnoseDaemons is for addresses of daemons.
func diagnoseDaemons(c *cli.Context, addresses string, files mtls.Files) {
	c.App.Metadata[diagnosisKey] = func(ctx context.Context) string {
		var config *tls.Config
		if !files.IsZero() {
			var err error
			if config, err = files.Client(); err != nil {
				return ""
			}
		}
		for address := range strings.SplitSeq(addresses, ",") {
			if _, _, err := net.SplitHostPort(address); err != nil {
				continue // a socket
			}
			if text := troubleAt(ctx, address, config, "--tls-cert, --tls-key and --tls-ca"); text != "" {
				return text
			}
		}
		return ""
	}
}

// diagnoseStore is for endpoints of etcd.
func diagnoseStore(c *cli.Context, endpoints []string) {
	c.App.Metadata[diagnosisKey] = func(ctx context.Context) string {
		for _, e := range endpoints {
			u, err := url.Parse(e)
			if err != nil {
				continue
			}
			flags := "--etcd-ca, --etcd-cert and --etcd-key"
			var config *tls.Config
			if u.Scheme == "https" {
				config = etcdTLS(c)
			} else {
				flags = "https:// before its address, and " + flags
			}
			if text := troubleAt(ctx, u.Host, config, flags); text != "" {
				return text
			}
		}
		return ""
	}
}

// etcdTLS is what the flags say; that its files can be read was seen before.
func etcdTLS(c *cli.Context) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pem, err := os.ReadFile(c.String("etcd-ca")); err == nil {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(pem)
	}
	if cert, err := tls.LoadX509KeyPair(c.String("etcd-cert"), c.String("etcd-key")); err == nil {
		config.Certificates = []tls.Certificate{cert}
	}
	return config
}
