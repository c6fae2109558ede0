package shim

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/berthd/berth/worker/logfile"
)

// lastOutput is how long output is still read after the last process ended: a
// process that got the pipe from a container may hold it for ever.
const lastOutput = time.Second

// streams is the output of a container on its way from pipes into files.
type streams struct {
	all    []stream
	copies sync.WaitGroup
}

type stream struct {
	files       *logfile.Writer
	read, write *os.File
}

// open begins to copy one stream. The container gets the write end.
func (s *streams) open(o Output, name string) (*os.File, error) {
	files, err := logfile.Open(o.Dir, name, logfile.Options{MaxBytes: o.MaxBytes, MaxFiles: o.MaxFiles})
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a pipe: %w", err), files.Close())
	}
	s.all = append(s.all, stream{files: files, read: read, write: write})
	s.copies.Go(func() {
		// Not io.Copy: it would take the pipe's whole size as its buffer. A Writer
		// takes all; what a full disk refuses is counted and told.
		buffer := make([]byte, 16<<10)
		for {
			n, err := read.Read(buffer)
			_, _ = files.Write(buffer[:n])
			if err != nil {
				return // its end, or the time that is left for it
			}
		}
	})
	return write, nil
}

// handedOver closes the write ends: the container has its own.
func (s *streams) handedOver() {
	for _, one := range s.all {
		_ = one.write.Close() // nothing was written
	}
}

// finish reads what is still in the pipes, and says what was lost.
func (s *streams) finish() string {
	for _, one := range s.all {
		if err := one.read.SetReadDeadline(time.Now().Add(lastOutput)); err != nil {
			_ = one.read.Close() // the copy ends with it
		}
	}
	s.copies.Wait()
	var dropped int64
	var why error
	for _, one := range s.all {
		_ = one.read.Close() // read only
		_ = one.files.Close()
		if n := one.files.Dropped(); n > 0 {
			dropped += n
			why = errors.Join(why, one.files.Err())
		}
	}
	if dropped == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes of its output could not be kept: %v", dropped, why)
}
