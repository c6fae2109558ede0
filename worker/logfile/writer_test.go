package logfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func mustOpen(t *testing.T, dir, name string, opts Options) *Writer {
	t.Helper()
	w, err := Open(dir, name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func mustWrite(t *testing.T, w *Writer, p []byte) {
	t.Helper()
	if n, err := w.Write(p); n != len(p) || err != nil {
		t.Fatalf("Write = %d, %v, want %d, nil", n, err, len(p))
	}
}

func TestOpen_BadInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := []struct {
		name string
		log  string
		opts Options
		want string
	}{
		{"empty name", "", Options{}, "log name"},
		{"path", "a/b", Options{}, "log name"},
		{"hidden", ".x", Options{}, "log name"},
		{"small files", "x", Options{MaxBytes: MinMaxBytes - 1}, "MaxBytes 4095: want at least 4096"},
		{"negative size", "x", Options{MaxBytes: -1}, "MaxBytes -1"},
		{"one file", "x", Options{MaxFiles: 1}, "MaxFiles 1: want at least 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Open(dir, tt.log, tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := Open(filepath.Join(dir, "absent"), "x", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open in an absent directory = %v, want ErrNotExist", err)
	}
}

func TestWriter_CapsTotal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096, MaxFiles: 3})
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 1000 {
		mustWrite(t, w, line)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if len(entries) != 3 || total > 3*4096 {
		t.Errorf("%d files of %d bytes in all, want 3 of at most %d", len(entries), total, 3*4096)
	}
	if got := w.Offset(); got != 100_000 {
		t.Errorf("Offset = %d, want 100000", got)
	}
}

func TestWriter_GoesOnAfterReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []byte
	for i := range 10 {
		w := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096, MaxFiles: 4})
		if got := w.Offset(); got != int64(len(want)) {
			t.Fatalf("Offset after %d reopenings = %d, want %d", i, got, len(want))
		}
		part := bytes.Repeat([]byte{byte('a' + i)}, 1000)
		mustWrite(t, w, part)
		want = append(want, part...)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := readAll(t, dir, "stdout", 0); !bytes.Equal(got, want) {
		t.Errorf("read %d bytes back, want the %d written", len(got), len(want))
	}
}

// A crash between a rotation's rename and the next file's creation.
func TestWriter_CrashInRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096})
	mustWrite(t, w, bytes.Repeat([]byte("a"), 4096))
	if err := os.Rename(filepath.Join(dir, "stdout.log"), filepath.Join(dir, "stdout.log.0")); err != nil {
		t.Fatal(err)
	}
	if got := len(readAll(t, dir, "stdout", 0)); got != 4096 {
		t.Errorf("read %d bytes, want 4096", got)
	}
	again := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096})
	if got := again.Offset(); got != 4096 {
		t.Errorf("Offset = %d, want 4096", got)
	}
}

func TestWriter_AfterClose(t *testing.T) {
	t.Parallel()
	w := mustOpen(t, t.TempDir(), "stdout", Options{})
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Errorf("Close twice = %v", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close = %v, want ErrClosed", err)
	}
}

// The disk fills, output is dropped without an error to the writer, and when
// there is room again a line says how much was lost.
func TestWriter_FullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 40<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	w := mustOpen(t, dir, "stdout", Options{})
	for range 10 {
		mustWrite(t, w, bytes.Repeat([]byte("y"), 8<<10))
	}
	if !errors.Is(w.Err(), unix.ENOSPC) {
		t.Errorf("Err = %v, want ENOSPC", w.Err())
	}
	dropped := w.Dropped()
	if kept := w.Offset(); dropped != 80<<10-kept {
		t.Errorf("Dropped = %d with %d of %d kept", dropped, kept, 80<<10)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, w, []byte("back\n"))
	if w.Err() != nil {
		t.Errorf("Err = %v with room again, want nil", w.Err())
	}
	got := string(readAll(t, dir, "stdout", 0))
	_, end, _ := strings.Cut(got, "\n")
	if want := "[berth: 57344 bytes of output dropped: no space left on device]\nback\n"; end != want || dropped != 57344 {
		t.Errorf("dropped %d, log ends %q, want %q", dropped, end, want)
	}
}
