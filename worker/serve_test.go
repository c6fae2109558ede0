package worker

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
)

func TestListen_Refuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	tests := []struct {
		name, address string
		files         TLSFiles
		want          error
	}{
		{"everywhere", "0.0.0.0:0", TLSFiles{}, ErrNotLoopback},
		{"every address", ":0", TLSFiles{}, ErrNotLoopback},
		{"a name", "example.com:0", TLSFiles{}, ErrNotLoopback},
		{"a certificate without CA", "0.0.0.0:0", TLSFiles{CertFile: missing, KeyFile: missing}, ErrNotLoopback},
		{"missing files", "127.0.0.1:0", TLSFiles{CertFile: missing, KeyFile: missing, CAFile: missing}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Listen(t.Context(), tt.address, tt.files)
			if err == nil {
				t.Fatalf("listens on %s", l.Addr())
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestServe(t *testing.T) {
	listener, err := Listen(t.Context(), "", TLSFiles{})
	if err != nil {
		t.Fatal(err)
	}
	follows := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		close(follows)
		<-r.Context().Done() // a follower: ended by the end of the agent
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, listener, handler, zap.NewNop()) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	receive(t, follows, "request")
	stop()
	if err := receive(t, ended, "end"); err != nil {
		t.Errorf("Serve: %v", err)
	}
}
