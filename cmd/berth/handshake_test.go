package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/mtls/mtlstest"
	"github.com/berthd/berth/client"
)

func TestTroubleAt(t *testing.T) {
	files := mtlstest.New(t)
	l, err := mtls.Listen(t.Context(), "", files)
	if err != nil {
		t.Fatal(err)
	}
	serve := &http.Server{Handler: http.NotFoundHandler()} //nolint:gosec // of a test
	go func() { _ = serve.Serve(l) }()
	defer func() { _ = serve.Close() }()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	config := func(f mtls.Files) *tls.Config {
		c, err := f.Client()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	secure := l.Addr().String()
	clear := plain.Listener.Addr().String()
	for _, tt := range []struct {
		name, address string
		config        *tls.Config
		want          string
	}{
		{"in the clear to TLS", secure, nil, "serves TLS: does it need --certs?"},
		{"as it should be", secure, config(files), ""},
		{"with another authority", secure, config(mtlstest.New(t)), "do --certs fit?"},
		{"in the clear to no TLS", clear, nil, ""},
		{"TLS to no TLS", clear, config(files), "does not serve TLS"},
		{"nobody there", "127.0.0.1:1", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := troubleAt(t.Context(), tt.address, tt.config, "--certs"); !strings.HasSuffix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestUnanswered(t *testing.T) {
	if !unanswered(&client.UnreachableError{Err: errors.New("x")}) || unanswered(&client.CallError{Code: client.CodeNotFound}) || unanswered(net.ErrClosed) {
		t.Error("only what is about reaching somebody is looked into")
	}
}
