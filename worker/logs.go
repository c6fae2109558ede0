package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/logfile"
)

// Streams of a container's output.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// ErrNoLog means that nothing is kept of what was asked for: it never ran here, or its
// output was removed to make room.
var ErrNoLog = errors.New("no output is kept here")

// Logs keeps the output of attempts, in DIR/request/attempt/, and finds it.
type Logs struct {
	dir string

	mu   sync.Mutex                // guards live
	live map[taskKey]chan struct{} // attempts that write; closed at their end
}

// NewLogs keeps output below dir, which it makes.
func NewLogs(dir string) (*Logs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of logs: %w", err)
	}
	return &Logs{dir: dir, live: map[taskKey]chan struct{}{}}, nil
}

// Begin makes the directory of an attempt, and keeps it until done is called.
func (l *Logs) Begin(request berth.RequestID, attempt int64) (dir string, done func(), err error) {
	key := taskKey{request, attempt}
	dir = l.path(key)
	// Noted first: a purge must not take the directory away again.
	end := make(chan struct{})
	l.mu.Lock()
	l.live[key] = end
	l.mu.Unlock()
	var once sync.Once
	done = func() {
		once.Do(func() {
			l.mu.Lock()
			if l.live[key] == end {
				delete(l.live, key)
			}
			l.mu.Unlock()
			close(end)
		})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		done()
		return "", nil, fmt.Errorf("make the log directory of %s: %w", request, err)
	}
	return dir, done, nil
}

func (l *Logs) path(k taskKey) string {
	return filepath.Join(l.dir, string(k.id), strconv.FormatInt(k.attempt, 10))
}

// ended is closed when the attempt writes no more.
func (l *Logs) ended(k taskKey) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := l.live[k]; end != nil {
		return end
	}
	end := make(chan struct{})
	close(end)
	return end
}

// Open reads one stream of an attempt; attempt 0 is the newest. A follower ends
// when the attempt has ended and all is read.
func (l *Logs) Open(request berth.RequestID, attempt int64, stream string, opts logfile.ReaderOptions) (*logfile.Reader, error) {
	if err := berth.CheckID("id", string(request)); err != nil {
		return nil, err // it becomes a path
	}
	if stream != Stdout && stream != Stderr {
		return nil, &berth.FieldError{Field: "stream", Value: stream, Problem: "is unknown", Bound: Stdout + ", " + Stderr}
	}
	if attempt == 0 {
		newest, err := l.newest(request)
		if err != nil {
			return nil, err
		}
		attempt = newest
	}
	key := taskKey{request, attempt}
	opts.Ended = l.ended(key)
	if _, err := os.Stat(l.path(key)); err != nil {
		return nil, fmt.Errorf("%s of request %s, attempt %d: %w", stream, request, attempt, noLog(err))
	}
	r, err := logfile.OpenReader(l.path(key), stream, opts)
	if err != nil {
		return nil, fmt.Errorf("%s of request %s, attempt %d: %w", stream, request, attempt, noLog(err))
	}
	return r, nil
}

func noLog(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoLog
	}
	return err
}

func (l *Logs) newest(request berth.RequestID) (int64, error) {
	entries, err := os.ReadDir(filepath.Join(l.dir, string(request)))
	if err != nil {
		return 0, fmt.Errorf("output of request %s: %w", request, noLog(err))
	}
	var newest int64
	for _, entry := range entries {
		if n, err := strconv.ParseInt(entry.Name(), 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	if newest == 0 {
		return 0, fmt.Errorf("output of request %s: %w", request, ErrNoLog)
	}
	return newest, nil
}
