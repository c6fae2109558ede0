package logfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"pgregory.net/rapid"
)

// model is a stream as it should be, beside its Writer and a follower.
type model struct {
	dir    string
	opts   Options
	w      *Writer
	r      *Reader
	ended  chan struct{}
	stream []byte // all ever written
	seen   int64  // how far r has read
}

func newModel(t *rapid.T, opts Options) *model {
	dir, err := os.MkdirTemp("", "logfile")
	if err != nil {
		t.Fatal(err)
	}
	m := &model{dir: dir, opts: opts, ended: make(chan struct{})}
	m.open(t)
	m.r = mustReader(t, dir, "stdout", ReaderOptions{Follow: true, Ended: m.ended})
	return m
}

func (m *model) open(t *rapid.T) {
	var err error
	if m.w, err = Open(m.dir, "stdout", m.opts); err != nil {
		t.Fatal(err)
	}
}

func (m *model) close() {
	_ = m.w.Close()
	_ = m.r.Close()
	_ = os.RemoveAll(m.dir)
}

func (m *model) write(t *rapid.T) {
	n := rapid.IntRange(1, 3*MinMaxBytes).Draw(t, "bytes")
	part := make([]byte, n)
	for i := range part { // each place differs from its neighbours
		at := len(m.stream) + i
		part[i] = byte(at ^ at>>8 ^ at>>16)
	}
	if _, err := m.w.Write(part); err != nil {
		t.Fatal(err)
	}
	m.stream = append(m.stream, part...)
}

func (m *model) reopen(t *rapid.T) {
	if err := m.w.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

// follow reads one chunk, if there is one.
func (m *model) follow(t *rapid.T) {
	if m.seen == int64(len(m.stream)) {
		return
	}
	m.next(t)
}

// next demands that the next chunk is the right one, and reports the end.
func (m *model) next(t *rapid.T) bool {
	chunk, err := m.r.Next(context.Background())
	if errors.Is(err, io.EOF) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if chunk.Offset != m.seen+chunk.Gap {
		t.Fatalf("chunk at %d with gap %d after %d", chunk.Offset, chunk.Gap, m.seen)
	}
	kept := int64(m.opts.MaxFiles-1) * m.opts.MaxBytes
	if chunk.Gap > 0 && chunk.Offset > int64(len(m.stream))-kept {
		t.Fatalf("gap up to %d of %d: the last %d bytes are kept", chunk.Offset, len(m.stream), kept)
	}
	want := m.stream[chunk.Offset : chunk.Offset+int64(len(chunk.Data))]
	if !bytes.Equal(chunk.Data, want) {
		t.Fatalf("chunk at %d is not what was written there", chunk.Offset)
	}
	m.seen = chunk.Offset + int64(len(chunk.Data))
	return true
}

// resume goes on with a new reader where the old one was.
func (m *model) resume(t *rapid.T) {
	if err := m.r.Close(); err != nil {
		t.Fatal(err)
	}
	m.r = mustReader(t, m.dir, "stdout", ReaderOptions{Offset: m.seen, Follow: true, Ended: m.ended})
}

func (m *model) check(t *rapid.T) {
	if got := m.w.Offset(); got != int64(len(m.stream)) {
		t.Fatalf("Offset = %d, want %d", got, len(m.stream))
	}
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > m.opts.MaxFiles {
		t.Fatalf("%d files, want at most %d", len(entries), m.opts.MaxFiles)
	}
}

// drain ends the stream: the follower then reads the rest and ends too.
func (m *model) drain(t *rapid.T) {
	close(m.ended)
	for m.next(t) {
	}
	if m.seen != int64(len(m.stream)) {
		t.Fatalf("follower ended at %d of %d", m.seen, len(m.stream))
	}
}
