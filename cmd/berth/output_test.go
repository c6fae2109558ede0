package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// terminalFor is a terminal that nobody looks at, and that does not tell its width.
func terminalFor(t *testing.T) *os.File {
	t.Helper()
	t.Setenv("TERM", "xterm")
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Only a terminal has lines that are too short: what a program reads is whole, on one line.
func TestFit(t *testing.T) {
	long := "waits:\n" + strings.Repeat("no room ", 30)
	whole := strings.Join(strings.Fields(long), " ")
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cut := terminalFor(t)
	for name, tt := range map[string]struct {
		w    io.Writer
		want string
	}{
		"a pipe": {&bytes.Buffer{}, whole}, "a file": {file, whole}, "a terminal": {cut, whole[:79] + "…"},
	} {
		if got := fit(tt.w, long, 80); got != tt.want {
			t.Errorf("%s gets %q, want %q", name, got, tt.want)
		}
	}
}

// The tables of what waits, and of workers, are whole where they are no terminal's.
func TestList_Whole(t *testing.T) {
	withLocal(t, func(s *shell) {
		why := strings.Repeat("because of this ", 20)
		s.want(exitGood, "", "cordon", "--message", why, "w-1")
		s.want(exitGood, "", "submit", "-q", "--id", "a", "--label", "x=y", "--constraint", "zone="+strings.Repeat("z", 60)+"-a", "--", "true")
		s.want(exitGood, strings.TrimSpace(why), "workers")
		if r := s.do("list"); !strings.Contains(r.out, "z-a") || strings.Contains(r.out, "…") {
			t.Errorf("a list that no terminal shows:\n%s", r.out)
		}
	})
}

// What does not quite fit is not told to be as large as what is asked for.
func TestTenthsOf(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 512: "512B", 1024: "1.0KiB", 1536: "1.5KiB", 64 << 20: "64MiB", 80 << 30: "80GiB", 85520809984: "79.6GiB", 1<<40 - 1: "1023.9GiB", 3 << 39: "1.5TiB",
	} {
		if got := tenthsOf(n); got != want {
			t.Errorf("%d bytes are shown as %s, want %s", n, got, want)
		}
	}
}
