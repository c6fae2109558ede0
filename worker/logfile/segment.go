package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one rotated file: the bytes [start, start+size) of the stream.
// It is never written again.
type segment struct {
	path  string
	start int64
	size  int64
}

func (s segment) end() int64 { return s.start + s.size }

// stream names the files of one stream.
type stream struct {
	dir  string
	name string
}

func newStream(dir, name string) (stream, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return stream{}, fmt.Errorf("log name %q: want a plain file name", name)
	}
	return stream{dir: dir, name: name}, nil
}

func (s stream) current() string { return filepath.Join(s.dir, s.name+".log") }

func (s stream) rotated(start int64) string {
	return s.current() + "." + strconv.FormatInt(start, 10)
}

// segments lists the rotated files, oldest first. One that is removed while
// they are listed is left out: it was the oldest.
func (s stream) segments() ([]segment, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var found []segment
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), s.name+".log.")
		if !ok {
			continue
		}
		start, err := strconv.ParseInt(suffix, 10, 64)
		if err != nil || start < 0 {
			continue // not ours
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, segment{path: filepath.Join(s.dir, entry.Name()), start: start, size: info.Size()})
	}
	slices.SortFunc(found, func(a, b segment) int { return int(min(1, max(-1, a.start-b.start))) })
	return found, nil
}

// currentStart is the offset of the first byte of name.log.
func currentStart(segments []segment) int64 {
	if len(segments) == 0 {
		return 0
	}
	return segments[len(segments)-1].end()
}
