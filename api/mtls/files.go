package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Files name a certificate, its key, and the authority that certifies the
// others. All three or none.
type Files struct {
	Cert, Key, CA string
}

// ErrIncomplete means that some of the three files are named and some are not.
var ErrIncomplete = errors.New("mutual TLS needs all three files: a certificate, its key and a CA")

// IsZero says whether no file is named.
func (f Files) IsZero() bool { return f == Files{} }

// Check reads the files once, so that a mistake is told at the start.
func (f Files) Check() error {
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return ErrIncomplete
	}
	_, err := f.certificate()
	return errors.Join(err, f.checkCA())
}

func (f Files) checkCA() error {
	_, err := f.authorities()
	return err
}

// Server demands a certificate of whoever connects. The certificate is read
// anew for each handshake: a renewed one needs no restart. The authority is not.
func (f Files) Server() (*tls.Config, error) {
	pool, err := f.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.certificate() },
	}, nil
}

// Client shows its certificate, and trusts the authority only.
func (f Files) Client() (*tls.Config, error) {
	pool, err := f.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.certificate() },
	}, nil
}

func (f Files) load() (*x509.CertPool, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	return f.authorities()
}

func (f Files) certificate() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &cert, nil
}

func (f Files) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the CA: %s has no certificate", f.CA)
	}
	return pool, nil
}
