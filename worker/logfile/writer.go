package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Bounds of Options, and what zero means.
const (
	DefaultMaxBytes = 10 << 20
	DefaultMaxFiles = 3
	MinMaxBytes     = 4 << 10
	MinMaxFiles     = 2
)

// Options bound the files of one stream to MaxBytes*MaxFiles in all.
type Options struct {
	// MaxBytes is the size of one file; 0 means DefaultMaxBytes.
	MaxBytes int64
	// MaxFiles counts the current file and the rotated ones; 0 means
	// DefaultMaxFiles. One rotated file is always kept: its name says where
	// the current one begins.
	MaxFiles int
}

// Validate names the field that is out of bounds.
func (o Options) Validate() error {
	if o.MaxBytes != 0 && o.MaxBytes < MinMaxBytes {
		return fmt.Errorf("log MaxBytes %d: want at least %d", o.MaxBytes, MinMaxBytes)
	}
	if o.MaxFiles != 0 && o.MaxFiles < MinMaxFiles {
		return fmt.Errorf("log MaxFiles %d: want at least %d", o.MaxFiles, MinMaxFiles)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	return o
}

// Writer appends to one stream. Its methods may be called concurrently; a
// stream has one Writer at a time.
type Writer struct {
	stream stream
	opts   Options

	mu     sync.Mutex // guards all below; held over writes to the file
	file   *os.File   // nil after a rotation that could not open the next
	start  int64      // offset of the first byte of file
	size   int64      // bytes in file
	closed bool
	// midLine: the last byte written is not a newline, so a notice begins
	// with one.
	midLine bool
	// unsaid is what was dropped since the last notice, dropped is all of it.
	unsaid, dropped int64
	err             error // of the last write; nil when it worked
}

// Open opens the stream called name in dir, which must exist, and goes on
// where it ends.
func Open(dir, name string, opts Options) (*Writer, error) {
	s, err := newStream(dir, name)
	if err != nil {
		return nil, err
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	w := &Writer{stream: s, opts: opts.withDefaults()}
	if err := w.openCurrent(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	return w, nil
}

// Write keeps p, or drops what of it cannot be written; see Err and Dropped.
// It fails only after Close: a full disk is no reason to stop a container, or
// to stop reading its output.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, os.ErrClosed
	}
	if err := w.writeNotice(); err != nil {
		w.drop(int64(len(p)), err)
		return len(p), nil
	}
	if n, err := w.append(p); err != nil {
		w.drop(int64(len(p)-n), err)
	} else {
		w.err = nil
	}
	return len(p), nil
}

// Err is why output is being dropped now; nil when it is not.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Dropped counts the bytes that could not be written since Open.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Offset is the offset of the next byte: all bytes ever kept, notices included.
func (w *Writer) Offset() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.start + w.size
}

// Close closes the file. What was dropped and not yet said is said if it can.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if err := w.writeNotice(); err != nil {
		w.err = err
	}
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

func (w *Writer) drop(n int64, err error) {
	w.unsaid += n
	w.dropped += n
	w.err = err
}

// writeNotice says what was dropped, if anything was. A notice that is cut
// short stays, and is written again whole, on a line of its own.
func (w *Writer) writeNotice() error {
	if w.unsaid == 0 {
		return nil
	}
	text := fmt.Sprintf("[berth: %d bytes of output dropped: %v]\n", w.unsaid, rootCause(w.err))
	if w.midLine {
		text = "\n" + text
	}
	if _, err := w.append([]byte(text)); err != nil {
		return err
	}
	w.unsaid = 0
	return nil
}

// append writes p over as many files as it needs, and says how much it wrote.
func (w *Writer) append(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if w.file == nil || w.size >= w.opts.MaxBytes {
			if err := w.rotate(); err != nil {
				return written, err
			}
		}
		part := p[:min(int64(len(p)), w.opts.MaxBytes-w.size)]
		n, err := w.file.Write(part)
		w.size += int64(n)
		written += n
		if n > 0 {
			w.midLine = part[n-1] != '\n'
		}
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// rotate makes room in name.log. Each of its steps leaves a state that it, or
// Open after a crash, goes on from.
func (w *Writer) rotate() error {
	if w.file != nil && w.size > 0 {
		if err := os.Rename(w.stream.current(), w.stream.rotated(w.start)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = w.file.Close() // nothing is buffered: a late error has no use
		w.file = nil
	}
	if err := w.removeOldest(); err != nil {
		return err
	}
	if w.file != nil {
		return nil
	}
	return w.openCurrent()
}

func (w *Writer) removeOldest() error {
	segments, err := w.stream.segments()
	if err != nil {
		return err
	}
	for len(segments) > w.opts.MaxFiles-1 {
		if err := os.Remove(segments[0].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		segments = segments[1:]
	}
	return nil
}

func (w *Writer) openCurrent() error {
	segments, err := w.stream.segments()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(w.stream.current(), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", w.stream.current())
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.file, w.start, w.size = file, currentStart(segments), info.Size()
	if w.size > 0 {
		w.midLine = !endsLine(file, w.size)
	}
	return nil
}

func endsLine(file io.ReaderAt, size int64) bool {
	var last [1]byte
	_, err := file.ReadAt(last[:], size-1)
	return err == nil && last[0] == '\n'
}

// rootCause is the innermost error: "no space left on device" without a path
// that means nothing to the reader of a log.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
