package logfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery bounds the wait for a change without inotify, pollEveryIdle the wait
// for one that inotify did not report (network file systems).
const (
	pollEvery     = 200 * time.Millisecond
	pollEveryIdle = 2 * time.Second
)

// watch tells when the files of a stream may have changed. Without inotify
// (its instances are few: 128 a user by default) it looks every pollEvery.
type watch struct {
	inotify *os.File // nil: poll
	// changed has a token when an event has come since the last wait, and
	// no more than one: which event does not matter. Written and closed by
	// run.
	changed chan struct{}
}

// newWatch begins to watch before its caller reads, so that no write falls
// between the two.
func newWatch(dir, file string) *watch {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &watch{}
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_FROM); err != nil {
		_ = unix.Close(fd)
		return &watch{}
	}
	w := &watch{inotify: os.NewFile(uintptr(fd), "inotify"), changed: make(chan struct{}, 1)}
	go w.run(file)
	return w
}

// run passes events on until close.
func (w *watch) run(file string) {
	defer close(w.changed)
	buf := make([]byte, 4<<10)
	for {
		n, err := w.inotify.Read(buf)
		if err != nil {
			return
		}
		if !mentions(buf[:n], file) {
			continue
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// wait returns nil when it is time to look again.
func (w *watch) wait(ctx context.Context, ended <-chan struct{}) error {
	every := pollEveryIdle
	if w.inotify == nil {
		every = pollEvery
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-ended:
	case _, ok := <-w.changed: // nil, so never, without inotify
		if !ok {
			return os.ErrClosed
		}
	case <-timer.C:
	}
	return nil
}

// close ends run. A nil watch is closed.
func (w *watch) close() error {
	if w == nil || w.inotify == nil {
		return nil
	}
	err := w.inotify.Close()
	for range w.changed { // until run has returned
	}
	return err
}

// mentions reports whether one of the inotify events in buf is about the file,
// or is about all (events were lost, the directory is gone).
func mentions(buf []byte, file string) bool {
	for len(buf) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(buf[12:]))
		end := unix.SizeofInotifyEvent + size
		if end > len(buf) {
			return true
		}
		name := bytes.TrimRight(buf[unix.SizeofInotifyEvent:end], "\x00")
		if len(name) == 0 || string(name) == file {
			return true
		}
		buf = buf[end:]
	}
	return false
}
