package worker

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/logfile"
)

// writeLog writes an attempt's stdout, and ends it unless live.
func writeLog(t *testing.T, l *Logs, id berth.RequestID, attempt int64, text string) (done func()) {
	t.Helper()
	dir, done, err := l.Begin(id, attempt)
	if err != nil {
		t.Fatal(err)
	}
	w, err := logfile.Open(dir, Stdout, logfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return done
}

func newLogs(t *testing.T) *Logs {
	t.Helper()
	l, err := NewLogs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLogs_Open(t *testing.T) {
	l := newLogs(t)
	writeLog(t, l, "r1", 1, "first")()
	done := writeLog(t, l, "r1", 2, "second")
	read := func(attempt int64, follow bool) string {
		t.Helper()
		r, err := l.Open("r1", attempt, Stdout, logfile.ReaderOptions{Follow: follow})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var all strings.Builder
		for {
			c, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				return all.String()
			}
			if err != nil {
				t.Fatal(err)
			}
			all.Write(c.Data)
			if follow {
				done() // the follower ends with the attempt
			}
		}
	}
	if got := read(1, false); got != "first" {
		t.Errorf("attempt 1: %q", got)
	}
	if got := read(0, true); got != "second" {
		t.Errorf("newest attempt: %q", got)
	}
	for _, bad := range []struct {
		id      berth.RequestID
		attempt int64
		stream  string
	}{{"r1", 3, Stdout}, {"r2", 0, Stdout}, {"../r1", 1, Stdout}, {"r1", 1, "../x"}} {
		if _, err := l.Open(bad.id, bad.attempt, bad.stream, logfile.ReaderOptions{}); err == nil {
			t.Errorf("%+v was opened", bad)
		}
	}
	if _, err := l.Open("r2", 0, Stdout, logfile.ReaderOptions{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("unknown request: %v, want ErrNoLog", err)
	}
}

func TestLogs_PurgeKeepsLive(t *testing.T) {
	l := newLogs(t)
	done := writeLog(t, l, "r1", 1, "x")
	writeLog(t, l, "r1", 2, "y")()
	later := time.Now().Add(time.Hour)
	if n, err := l.Purge(Retention{MaxAge: time.Minute}, later); n != 1 || err != nil {
		t.Fatalf("removed %d, %v; want 1", n, err)
	}
	if _, err := l.Open("r1", 1, Stdout, logfile.ReaderOptions{}); err != nil {
		t.Errorf("the output of what runs: %v", err)
	}
	done()
	if n, err := l.Purge(Retention{MaxAge: time.Minute}, later); n != 1 || err != nil {
		t.Errorf("after its end removed %d, %v; want 1", n, err)
	}
}

func TestSurplus(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(id string, ago time.Duration, bytes int64) kept {
		return kept{key: taskKey{berth.RequestID(id), 1}, bytes: bytes, last: now.Add(-ago)}
	}
	all := []kept{at("c", 1*time.Second, 10), at("a", 3*time.Second, 10), at("b", 2*time.Second, 10)}
	tests := []struct {
		name string
		r    Retention
		want string
	}{
		{"all within", Retention{MaxAge: time.Minute, MaxBytes: 30, MaxAttempts: 3}, ""},
		{"age", Retention{MaxAge: 1500 * time.Millisecond, MaxBytes: 100, MaxAttempts: 9}, "ab"},
		{"bytes", Retention{MaxAge: time.Minute, MaxBytes: 29, MaxAttempts: 9}, "a"},
		{"count", Retention{MaxAge: time.Minute, MaxBytes: 100, MaxAttempts: 1}, "ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, k := range surplus(append([]kept(nil), all...), tt.r, now) {
				got += string(k.key.id)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
