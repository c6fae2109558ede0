package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// chunkBytes bounds what Next returns at once.
const chunkBytes = 32 << 10

// ErrBeyondEnd says that a reader was to begin behind the last byte ever written. The
// stream is another one than the caller thinks, or lost its end in a crash of
// the machine.
var ErrBeyondEnd = errors.New("offset is beyond the end of the log")

// ReaderOptions say where a Reader begins, and when it ends.
type ReaderOptions struct {
	// Offset is where to begin; 0 is the first byte ever written. Bytes that
	// were rotated away are skipped, and reported as Chunk.Gap.
	Offset int64
	// Tail, if positive, is how many of the last lines to begin with; Offset
	// is ignored.
	Tail int
	// FromEnd begins behind the last byte; Offset and Tail are ignored.
	FromEnd bool
	// Follow waits for more at the end of the log, until Ended is closed.
	Follow bool
	// Ended, closed by the owner of the Writer after its last Write, lets a
	// follower end once it has read all. Nil: it never ends by itself.
	Ended <-chan struct{}
}

// Chunk is a run of bytes of the stream.
type Chunk struct {
	// Offset is that of Data's first byte; Offset + len(Data) is where to go
	// on with a new Reader.
	Offset int64
	// Gap counts the bytes directly before Offset that were rotated away
	// unread.
	Gap int64
	// Data is valid until the next call of Next.
	Data []byte
}

// Reader reads one stream, over rotations. It is not for concurrent use. It
// needs nothing of the Writer but its files, so they may be in two processes.
type Reader struct {
	stream stream
	opts   ReaderOptions
	watch  *watch // nil unless Follow
	buf    []byte

	offset int64
	gap    int64 // not reported yet
	// file holds the byte at offset, or will, at position offset-start.
	file  *os.File
	start int64
}

// OpenReader opens the stream called name in dir. It need not exist yet when
// it is to be followed.
func OpenReader(dir, name string, opts ReaderOptions) (*Reader, error) {
	s, err := newStream(dir, name)
	if err != nil {
		return nil, err
	}
	if opts.Offset < 0 || opts.Tail < 0 {
		return nil, fmt.Errorf("read log %s: offset %d, tail %d: want at least 0", name, opts.Offset, opts.Tail)
	}
	r := &Reader{stream: s, opts: opts, offset: opts.Offset, buf: make([]byte, chunkBytes)}
	if err := r.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("read log %s: %w", name, err), r.Close())
	}
	if opts.Follow {
		r.watch = newWatch(dir, name+".log")
	}
	return r, nil
}

// begin resolves Tail and FromEnd, and refuses an offset beyond the end.
func (r *Reader) begin() error {
	end, err := r.stream.end()
	if err != nil {
		return err
	}
	switch {
	case r.opts.FromEnd:
		r.offset = end
	case r.opts.Tail > 0:
		if r.offset, err = r.stream.tail(end, r.opts.Tail); err != nil {
			return err
		}
	case r.offset > end:
		return fmt.Errorf("%w: offset %d, end %d", ErrBeyondEnd, r.offset, end)
	}
	return nil
}

// Next returns the next bytes. At the end it returns io.EOF, or, following,
// waits for more until ctx or Ended is done.
func (r *Reader) Next(ctx context.Context) (Chunk, error) {
	for {
		// Asked before reading: what was written before the end is read.
		ended := !r.opts.Follow || isClosed(r.opts.Ended)
		n, err := r.read()
		if err != nil {
			return Chunk{}, fmt.Errorf("read log %s: %w", r.stream.name, err)
		}
		if n > 0 {
			chunk := Chunk{Offset: r.offset, Gap: r.gap, Data: r.buf[:n]}
			r.offset += int64(n)
			r.gap = 0
			return chunk, nil
		}
		if ended {
			return Chunk{}, io.EOF
		}
		if err := r.watch.wait(ctx, r.opts.Ended); err != nil {
			return Chunk{}, err
		}
	}
}

// Offset is where the next chunk begins, unless there is a gap.
func (r *Reader) Offset() int64 { return r.offset }

// Close frees what the reader holds open.
func (r *Reader) Close() error {
	var err error
	if r.file != nil {
		err = r.file.Close()
		r.file = nil
	}
	return errors.Join(err, r.watch.close())
}

// read fills buf with what follows offset; 0 at the end of the stream.
func (r *Reader) read() (int, error) {
	for {
		if r.file == nil {
			if err := r.locate(); err != nil || r.file == nil {
				return 0, err
			}
		}
		// Asked before reading: a file that was rotated is complete, so
		// nothing more follows in it once it is read to its end.
		rotated, err := r.rotated()
		if err != nil {
			return 0, err
		}
		n, err := r.file.ReadAt(r.buf, r.offset-r.start)
		if n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if !rotated {
			return 0, nil
		}
		if err := r.file.Close(); err != nil {
			return 0, err
		}
		r.file = nil
	}
}

// rotated reports whether the open file is no longer name.log.
func (r *Reader) rotated() (bool, error) {
	now, err := os.Stat(r.stream.current())
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	held, err := r.file.Stat()
	return !os.SameFile(now, held), err
}

// locate opens the file that holds the byte at offset; none when it is still
// to be written to a file that does not exist yet. Bytes that are gone are
// added to gap.
func (r *Reader) locate() error {
	for range 100 { // a writer that rotates faster than this gets an error
		found, err := r.stream.open(r.offset)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return err
		}
		if found.oldest > r.offset {
			r.gap += found.oldest - r.offset
			r.offset = found.oldest
		}
		r.file, r.start = found.file, found.start
		return nil
	}
	return errMoved
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
