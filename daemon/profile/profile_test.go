package profile_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth/daemon/profile"
)

func get(ctx context.Context, h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, profile.Path+path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		return 0, err.Error()
	}
	return w.Code, string(body)
}

func TestHandler(t *testing.T) {
	h := profile.Handler()
	gzip := "\x1f\x8b"
	for _, tt := range []struct {
		path  string
		code  int
		begin string
	}{
		{"profile?seconds=1", 200, gzip},
		{"mutex?seconds=1", 200, gzip},
		{"block?seconds=1", 200, gzip},
		{"trace?seconds=1", 200, "go 1."},
		{"heap", 200, gzip},
		{"allocs", 200, gzip},
		{"goroutine", 200, gzip},
		{"goroutine?debug=2", 200, "goroutine "},
		{"profile?seconds=0", 400, `seconds "0"`},
		{"profile?seconds=-5", 400, "seconds"},
		{"trace?seconds=61", 400, "1 to 60"},
		{"mutex?seconds=99999999999999999999", 400, ""},
		{"block?seconds=soon", 400, ""},
		{"heap?seconds=1", 400, "of a moment"},
		{"", 404, ""},
		{"cmdline", 404, ""},
		{"threadcreate", 404, ""},
	} {
		if code, body := get(t.Context(), h, tt.path); code != tt.code || !strings.HasPrefix(body, tt.begin) && !strings.Contains(body, tt.begin) {
			t.Errorf("%s: %d, %.60q; want %d, %q", tt.path, code, body, tt.code, tt.begin)
		}
	}
	if n := runtime.SetMutexProfileFraction(-1); n != 0 {
		t.Errorf("locks are sampled, one in %d, when no profile is taken", n)
	}
	if code, _ := get(t.Context(), h, "nothing"); code != 404 {
		t.Error(code)
	}
}

// One is taken at a time, and one whose reader is gone makes way at once.
func TestHandler_OneAtATime(t *testing.T) {
	h := profile.Handler()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil { // until it is the first
			get(ctx, h, "profile?seconds=60")
		}
	}()
	for { // until it is taken
		code, body := get(t.Context(), h, "mutex?seconds=1")
		if code == http.StatusConflict && strings.Contains(body, "one at a time") {
			break
		}
	}
	if code, _ := get(t.Context(), h, "heap"); code != 200 {
		t.Errorf("heap meanwhile: %d", code)
	}
	cancel()
	select {
	case <-over:
	case <-time.After(30 * time.Second):
		t.Fatal("a profile goes on though nobody reads it")
	}
	if code, body := get(t.Context(), h, "profile?seconds=1"); code != 200 {
		t.Errorf("afterwards: %d %s", code, body)
	}
}
