package worker

import (
	"crypto/rand"
	"encoding/hex"
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

	"github.com/berthd/berth"
)

// Files of the state directory.
const (
	lockFile     = "agent.lock"
	leaseFile    = "lease.json"
	identityFile = "identity.json"
)

// lockPatience is how long an agent waits for a state directory that is locked. The
// child that an agent forks holds the lock, too, until it executes its program: an
// agent killed in between leaves it locked for a moment, longer on a busy machine.
const lockPatience = 2 * time.Second

// ErrStateDirLocked means that another agent works in this state directory.
var ErrStateDirLocked = errors.New("the state directory belongs to another agent that runs")

// LeaseRecord is what an agent knows of its lease after a restart. It stands on
// disk before the lease may hold a registration, and is removed after the lease
// was revoked.
type LeaseRecord struct {
	Lease   string         `json:"lease"` // hexadecimal
	Worker  berth.WorkerID `json:"worker"`
	BootID  string         `json:"boot_id,omitempty"`
	StateID string         `json:"state_id,omitempty"`
	Cluster uint64         `json:"cluster,omitempty"` // that granted it
	// GivenUp: the epoch under the lease is never taken up again. It is durable
	// before the first container of it is ended for that, and before the lease is revoked.
	GivenUp bool `json:"given_up,omitempty"`
}

// Records is what an agent remembers over its restarts. It is durable when a
// call returns, and belongs to one agent at a time.
type Records interface {
	// Identity names these records for good: no copy of them has the same.
	Identity() (string, error)
	// Lease is the zero record where there is none.
	Lease() (LeaseRecord, error)
	PutLease(LeaseRecord) error
	DropLease() error
	Close() error
}

// memoryRecords are kept for as long as the program runs: hollow workers have nothing to remember beyond that. What ran in
// them has ended with it. But a lease that could not be revoked, for the store was away, is ended as any other: it holds
// the worker's own name.
type memoryRecords struct {
	id    string
	lease LeaseRecord
}

func (r *memoryRecords) Identity() (string, error)     { return r.id, nil }
func (r *memoryRecords) Lease() (LeaseRecord, error)   { return r.lease, nil }
func (r *memoryRecords) PutLease(of LeaseRecord) error { r.lease = of; return nil }
func (r *memoryRecords) DropLease() error              { r.lease = LeaseRecord{}; return nil }
func (r *memoryRecords) Close() error                  { return nil }

// stateDir keeps the records in a directory, locked while the agent runs.
type stateDir struct {
	path string
	lock *os.File
}

// openStateDir makes the directory and locks it. The lock ends with the process.
func openStateDir(path string) (*stateDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	name := filepath.Join(path, lockFile)
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := flockWithin(lock, lockPatience); err != nil {
		defer lock.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		return nil, fmt.Errorf("%s: %w (process %s); stop it, or choose another directory", path, ErrStateDirLocked, holder(name))
	}
	d := &stateDir{path: path, lock: lock}
	if err := d.notePID(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// flockWithin locks a file, and gives up with EWOULDBLOCK. It asks again and again:
// a flock that waits cannot be called off.
func flockWithin(f *os.File, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(lockPatience / 100) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}

// holder is the process id in the lock file, for a person to read.
func holder(name string) string {
	b, err := os.ReadFile(name)
	if err != nil || len(b) == 0 {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func (d *stateDir) notePID() error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	if _, err := d.lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return nil
}

// Close ends the lock.
func (d *stateDir) Close() error {
	return d.lock.Close()
}

// identity is what names a state directory: drawn when the directory is first used,
// and bound to its inode, so that a copy draws its own.
type identity struct {
	ID    string `json:"id"`
	Inode uint64 `json:"inode"`
}

// Identity reads the directory's name, or draws it.
func (d *stateDir) Identity() (string, error) {
	var at unix.Stat_t
	if err := unix.Stat(d.path, &at); err != nil {
		return "", fmt.Errorf("look at %s: %w", d.path, err)
	}
	path := filepath.Join(d.path, identityFile)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the directory's identity: %w", err)
	}
	var is identity
	if err == nil && json.Unmarshal(b, &is) == nil && is.ID != "" && is.Inode == at.Ino {
		return is.ID, nil
	}
	is = identity{ID: newIdentity(), Inode: at.Ino} // one that cannot be read is drawn anew: that costs others a grace, and no more
	if b, err = json.Marshal(is); err != nil {
		return "", fmt.Errorf("encode the directory's identity: %w", err)
	}
	return is.ID, d.put(identityFile, b)
}

func newIdentity() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Lease reads the record of the former lease.
func (d *stateDir) Lease() (LeaseRecord, error) {
	b, err := os.ReadFile(filepath.Join(d.path, leaseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return LeaseRecord{}, nil
	}
	if err != nil {
		return LeaseRecord{}, fmt.Errorf("read the former lease: %w", err)
	}
	var rec LeaseRecord
	err = json.Unmarshal(b, &rec)
	if err == nil && rec.Lease != "" {
		_, err = strconv.ParseInt(rec.Lease, 16, 64)
	}
	if err != nil {
		return LeaseRecord{}, fmt.Errorf("read the former lease from %s: %w; remove the file if its registration is over",
			filepath.Join(d.path, leaseFile), err)
	}
	return rec, nil
}

// PutLease replaces the record.
func (d *stateDir) PutLease(rec LeaseRecord) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode the lease: %w", err)
	}
	return d.put(leaseFile, b)
}

// put replaces a file.
func (d *stateDir) put(name string, b []byte) error {
	path := filepath.Join(d.path, name)
	if err := writeSynced(path+".new", append(b, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return d.sync()
}

// DropLease removes the record.
func (d *stateDir) DropLease() error {
	if err := os.Remove(filepath.Join(d.path, leaseFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the former lease: %w", err)
	}
	return d.sync()
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

func (d *stateDir) sync() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("sync the state directory: %w", err)
	}
	if err := dir.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync the state directory: %w", err), dir.Close())
	}
	return dir.Close()
}
