package logfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// errMoved: the files were rotated while they were looked at; look again.
var errMoved = errors.New("the log is rotated faster than it can be opened")

// located is an open file and what of the stream it holds.
type located struct {
	file   *os.File // nil: name.log does not exist (yet)
	start  int64    // offset of its first byte
	oldest int64    // the offset asked for, or the oldest that is kept
}

// open opens the file that holds the byte at offset, or at the oldest offset
// that is kept when that one is gone.
func (s stream) open(offset int64) (located, error) {
	segments, err := s.segments()
	if err != nil {
		return located{}, err
	}
	for _, segment := range segments {
		if offset >= segment.end() {
			continue
		}
		file, err := os.Open(segment.path)
		if errors.Is(err, fs.ErrNotExist) {
			return located{}, errMoved
		}
		return located{file: file, start: segment.start, oldest: max(offset, segment.start)}, err
	}
	start := currentStart(segments)
	file, err := os.Open(s.current())
	if errors.Is(err, fs.ErrNotExist) {
		return located{start: start, oldest: max(offset, start)}, nil
	}
	if err != nil {
		return located{}, err
	}
	// Between the listing and the opening name.log may have become another
	// file: it is the one that begins at start only if no rotation came since.
	after, err := s.segments()
	if err == nil && currentStart(after) != start {
		err = errMoved
	}
	if err != nil {
		return located{}, errors.Join(err, file.Close())
	}
	return located{file: file, start: start, oldest: max(offset, start)}, nil
}

// end is the offset behind the last byte.
func (s stream) end() (int64, error) {
	for range 100 {
		segments, err := s.segments()
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		start := currentStart(segments)
		found, err := s.open(start)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil || found.file == nil {
			return start, err
		}
		info, err := found.file.Stat()
		if err := errors.Join(err, found.file.Close()); err != nil {
			return 0, err
		}
		return found.start + info.Size(), nil
	}
	return 0, errMoved
}

// tail is the offset at which the last lines before end begin, as many as are
// kept of them. A last line without a newline counts as one.
func (s stream) tail(end int64, lines int) (int64, error) {
	buf := make([]byte, chunkBytes)
	for at := end; ; {
		block, err := s.readBefore(at, buf)
		if err != nil {
			return 0, err
		}
		if len(block) == 0 {
			return at, nil
		}
		first := at - int64(len(block))
		if at == end && block[len(block)-1] == '\n' {
			block = block[:len(block)-1] // it ends the last line
		}
		for {
			i := bytes.LastIndexByte(block, '\n')
			if i < 0 {
				break
			}
			if lines--; lines == 0 {
				return first + int64(i) + 1, nil
			}
			block = block[:i]
		}
		at = first
	}
}

// readBefore reads bytes that end at offset, at most buf and within one file;
// none when nothing before offset is kept.
func (s stream) readBefore(offset int64, buf []byte) ([]byte, error) {
	if offset == 0 {
		return nil, nil
	}
	for range 100 {
		found, err := s.open(offset - 1)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil || found.file == nil {
			return nil, err
		}
		n := min(int64(len(buf)), offset-found.start)
		if found.oldest >= offset {
			n = 0 // rotated away
		}
		if n > 0 {
			_, err = found.file.ReadAt(buf[:n], offset-n-found.start)
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
		}
		return buf[:n], errors.Join(err, found.file.Close())
	}
	return nil, errMoved
}
