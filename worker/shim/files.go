package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Files of a container's directory. The directory itself is the exclusive record
// of the start: whoever makes it may start the attempt, once.
const (
	startFile   = "start.json"   // by the agent, before a shim is told anything
	lockFile    = "lock"         // held by the shim as long as it lives; holds its pid
	socketFile  = "sock"         // where the shim listens
	runningFile = "running.json" // by the shim, when the container runs
	exitFile    = "exit.json"    // by the shim, when nothing of it is left
	errorFile   = "stderr"       // what the Go runtime says of a shim that died
)

// Start is the record of a start. Nothing of it runs after another boot, nor can
// it be started again by an agent that has no memory of it: so it is not synced.
type Start struct {
	Version     int           `json:"version"`
	Request     string        `json:"request"`
	Attempt     int64         `json:"attempt"`
	Epoch       int64         `json:"epoch"`
	Boot        string        `json:"boot_id"`
	At          time.Time     `json:"at"`
	Group       Group         `json:"group"`
	Keep        time.Duration `json:"keep_ns"`
	StopTimeout time.Duration `json:"stop_timeout_ns"`
}

// Running is the record of a container that runs.
type Running struct {
	PID       int       `json:"pid"`
	Since     uint64    `json:"since"` // its start time, as in /proc/PID/stat: tells it from a later process of that number
	Boot      string    `json:"boot_id"`
	StartedAt time.Time `json:"started_at"`
}

// WriteStart records a start in its directory.
func WriteStart(dir string, s Start) error {
	s.Version = Version
	return write(filepath.Join(dir, startFile), s, 0)
}

// ReadStart reads what WriteStart wrote.
func ReadStart(dir string) (s Start, err error) {
	err = read(filepath.Join(dir, startFile), &s)
	return s, err
}

// ReadRunning reads what the shim recorded when its container ran.
func ReadRunning(dir string) (r Running, err error) {
	err = read(filepath.Join(dir, runningFile), &r)
	return r, err
}

// ReadExit reads how the container ended. The error is fs.ErrNotExist until
// nothing of it is left.
func ReadExit(dir string) (e Exit, err error) {
	err = read(filepath.Join(dir, exitFile), &e)
	return e, err
}

// WriteExit records an exit, durably.
func WriteExit(dir string, e Exit) error {
	e.Version = Version
	return write(filepath.Join(dir, exitFile), e, unix.O_DSYNC)
}

// recordBytes is room for the longest record.
const recordBytes = 4096

// reserve makes room for a record, so that a disk that has filled up meanwhile
// cannot keep it from being written.
func reserve(name string) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, recordBytes)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // a file system that cannot: then a full disk delays the record
	}
	return errors.Join(err, f.Close())
}

func read(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// write replaces a file in one step. With O_DSYNC it and its name are on disk
// when write returns.
func write(path string, v any, sync int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	// Not truncated: what is reserved stays reserved.
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|sync, 0o600)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	_, err = f.Write(b)
	if err == nil {
		err = f.Truncate(int64(len(b))) // another may have begun to write it
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if sync == 0 {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// NewLock makes the lock of a container's directory and holds it. The shim is
// given the file, and with it the lock: from before it is told anything until it
// has ended the lock is held, and an agent that finds it free knows that no shim
// lives, and none will.
func NewLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// NoteHolder says in a lock which process is to hold it: whoever has to end a shim
// can before it has said so itself.
func NoteHolder(lock *os.File, pid int) error { return noteHolder(int(lock.Fd()), pid) }

func noteHolder(lock, pid int) error {
	// As long as any: it may be written over one of another length.
	if _, err := unix.Pwrite(lock, fmt.Appendf(nil, "%-20d", pid), 0); err != nil {
		return fmt.Errorf("say who holds the lock: %w", err)
	}
	return nil
}

// Held says whether a shim lives in dir, and its process; 0 as long as it has
// not said.
func Held(dir string) (held bool, pid int, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	defer func() { _ = f.Close() }() // and with it the lock
	// Shared: two that look at once must not take each other for a shim.
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return false, 0, nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return false, 0, err
	}
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0) // at its end
	if pid, err = strconv.Atoi(strings.TrimSpace(string(b[:n]))); err != nil {
		return true, 0, nil
	}
	return true, pid, nil
}

// KillHolder kills the shim that holds the lock in dir, and never a later process
// of its number: the lock is looked at again when the process is held on to.
func KillHolder(dir string) error {
	held, pid, err := Held(dir)
	if err != nil || !held || pid == 0 {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case errors.Is(err, unix.ENOSYS): // a kernel before 5.3
		return unix.Kill(pid, unix.SIGKILL)
	case err != nil:
		return fmt.Errorf("hold on to process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }() // read only
	if again, same, err := Held(dir); err != nil || !again || same != pid {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// SocketName is where a shim listens, in its directory.
const SocketName = socketFile

// OpenErrors is the file that a shim's own errors go to.
func OpenErrors(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, errorFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the supervisor's log: %w", err)
	}
	return f, nil
}

// LastWords is what a shim that died has said, if it did: ": WORDS".
func LastWords(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, errorFile))
	if err != nil || len(b) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return ": " + first
}
