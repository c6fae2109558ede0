package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustReader(t rapid.TB, dir, name string, opts ReaderOptions) *Reader {
	t.Helper()
	r, err := OpenReader(dir, name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll reads to the end and demands that there is no gap.
func readAll(t rapid.TB, dir, name string, offset int64) []byte {
	t.Helper()
	r := mustReader(t, dir, name, ReaderOptions{Offset: offset})
	defer r.Close()
	var all []byte
	for {
		chunk, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if chunk.Gap != 0 || chunk.Offset != offset+int64(len(all)) {
			t.Fatalf("chunk at %d with gap %d, want %d without", chunk.Offset, chunk.Gap, offset+int64(len(all)))
		}
		all = append(all, chunk.Data...)
	}
}

func TestReader_Tail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096, MaxFiles: 3})
	var lines []string
	for i := range 900 {
		lines = append(lines, fmt.Sprintf("line %04d\n", i))
		mustWrite(t, w, []byte(lines[i]))
	}
	tests := []struct {
		name string
		tail int
		want string
	}{
		{"one", 1, lines[899]},
		{"ten", 10, strings.Join(lines[890:], "")},
		{"over rotations", 600, strings.Join(lines[300:], "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := mustReader(t, dir, "stdout", ReaderOptions{Tail: tt.tail})
			defer r.Close()
			if got := readAll(t, dir, "stdout", r.Offset()); string(got) != tt.want {
				t.Errorf("tail %d = %q, want %q", tt.tail, got, tt.want)
			}
		})
	}
	t.Run("more than is kept", func(t *testing.T) {
		r := mustReader(t, dir, "stdout", ReaderOptions{Tail: 100_000})
		defer r.Close()
		if got := r.Offset(); got != 0 {
			t.Errorf("begins at %d, want 0", got)
		}
	})
	t.Run("last line without newline", func(t *testing.T) {
		mustWrite(t, w, []byte("unfinished"))
		r := mustReader(t, dir, "stdout", ReaderOptions{Tail: 2})
		defer r.Close()
		if got, want := string(readAll(t, dir, "stdout", r.Offset())), lines[899]+"unfinished"; got != want {
			t.Errorf("tail 2 = %q, want %q", got, want)
		}
	})
}

func TestReader_BeyondEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, mustOpen(t, dir, "stdout", Options{}), []byte("abc"))
	if _, err := OpenReader(dir, "stdout", ReaderOptions{Offset: 4}); !errors.Is(err, ErrBeyondEnd) {
		t.Errorf("OpenReader at 4 of 3 = %v, want ErrBeyondEnd", err)
	}
	r := mustReader(t, dir, "stdout", ReaderOptions{FromEnd: true})
	defer r.Close()
	if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) || r.Offset() != 3 {
		t.Errorf("from the end: %v at %d, want EOF at 3", err, r.Offset())
	}
}

func TestReader_FollowEndsWithContext(t *testing.T) {
	t.Parallel()
	r := mustReader(t, t.TempDir(), "stdout", ReaderOptions{Follow: true})
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next = %v, want DeadlineExceeded", err)
	}
}

// A follower that came before the first byte sees all of them, over rotations,
// with inotify and without it, as long as it keeps up.
func TestReader_Follow(t *testing.T) {
	t.Parallel()
	for _, poll := range []bool{false, true} {
		t.Run(fmt.Sprintf("poll=%t", poll), func(t *testing.T) {
			t.Parallel()
			dir, ended := t.TempDir(), make(chan struct{})
			r := mustReader(t, dir, "stdout", ReaderOptions{Follow: true, Ended: ended})
			defer func() { _ = r.Close() }()
			if poll {
				if err := r.watch.close(); err != nil {
					t.Fatal(err)
				}
				r.watch = &watch{}
			}
			w := mustOpen(t, dir, "stdout", Options{MaxBytes: 4096, MaxFiles: 50})
			var want bytes.Buffer
			var writing sync.WaitGroup
			writing.Go(func() {
				defer close(ended)
				for i := range 3000 {
					line := fmt.Sprintf("line %d of the stream\n", i)
					want.WriteString(line)
					_, _ = w.Write([]byte(line))
				}
			})
			var got bytes.Buffer
			for {
				chunk, err := r.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if chunk.Gap != 0 || chunk.Offset != int64(got.Len()) {
					t.Fatalf("chunk at %d with gap %d, want %d without", chunk.Offset, chunk.Gap, got.Len())
				}
				got.Write(chunk.Data)
			}
			writing.Wait()
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("followed %d bytes, want the %d written", got.Len(), want.Len())
			}
		})
	}
}

// Whatever is written, reopened and read in any order, a reader gets the
// stream's bytes in order, each under its own offset, and is told of every
// byte that it did not get.
func TestReader_Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		opts := Options{MaxBytes: MinMaxBytes, MaxFiles: rapid.IntRange(2, 4).Draw(t, "files")}
		m := newModel(t, opts)
		defer m.close()
		t.Repeat(map[string]func(*rapid.T){
			"write":  m.write,
			"reopen": m.reopen,
			"follow": m.follow,
			"resume": m.resume,
			"":       m.check,
		})
		m.drain(t)
	})
}
