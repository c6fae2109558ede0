package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/logfile"
	"github.com/berthd/berth/worker/shim"
)

// Options of a Runtime. Zero fields mean the defaults.
type Options struct {
	Worker   berth.WorkerID // names its cgroups; no default
	StateDir string         // keeps the mark and the directories of its containers; no default
	Logs     *worker.Logs   // no default
	LogFiles logfile.Options
	// Shim is the binary of shims; see FindShim. No default.
	Shim string
	// IdleShims are kept ready, by Run; default DefaultIdleShims, below zero none.
	IdleShims int
	// NoCgroups leaves processes where the agent is, without limits.
	NoCgroups bool
	Log       *zap.Logger
}

// Runtime runs containers as processes. It implements worker.Runtime.
type Runtime struct {
	opts   Options
	mark   string // of all processes of this worker
	boot   string // the machine's
	dir    string // of the containers' directories
	groups grouper
	own    account // whom containers run as unless their request says

	startWithin time.Duration // from the charge until it runs

	wanted chan struct{} // written by starts; one is enough to say that an idle shim was taken

	mu        sync.Mutex // guards all below
	live      map[attempt]*container
	deadlines map[berth.Epoch]shim.Deadline // the latest
	closed    bool                          // Run has ended: shims are left alone
	idle      []*idleShim                   // those that are ready
}

// attempt names a container.
type attempt struct {
	request berth.RequestID
	number  int64
}

func (a attempt) String() string { return fmt.Sprintf("%s.%d", a.request, a.number) }

// New prepares a Runtime; Run makes it work.
func New(opts Options) (*Runtime, error) {
	if err := berth.CheckID("name", string(opts.Worker)); err != nil {
		return nil, err
	}
	if opts.Logs == nil {
		return nil, errors.New("process runtime: Logs is missing")
	}
	if err := opts.LogFiles.Validate(); err != nil {
		return nil, err
	}
	if err := executable(opts.Shim); err != nil {
		return nil, fmt.Errorf("the supervisor of containers: %w", err)
	}
	if opts.IdleShims == 0 {
		opts.IdleShims = DefaultIdleShims
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	mark, err := markOf(opts.StateDir)
	if err != nil {
		return nil, fmt.Errorf("process runtime of %s: %w", opts.Worker, err)
	}
	r := &Runtime{
		opts: opts, own: ownAccount(), mark: mark, dir: filepath.Join(opts.StateDir, "containers"),
		live: map[attempt]*container{}, deadlines: map[berth.Epoch]shim.Deadline{},
		wanted: make(chan struct{}, 1), startWithin: startWithin,
	}
	if r.boot, err = shim.BootID(); err != nil {
		return nil, fmt.Errorf("process runtime of %s: which boot this is: %w", opts.Worker, err)
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("process runtime of %s: %w", opts.Worker, err)
	}
	r.groups = findGrouper(opts.Worker, mark, opts.NoCgroups)
	if held := r.groups.enforces(); len(held) < 2 {
		opts.Log.Warn("not all limits of containers are enforced on this machine",
			zap.Strings("enforced", held), zap.String("why", r.groups.missing()))
	}
	return r, nil
}

// markOf is the word by which all processes of this runtime are known, whoever
// their parent is. It is kept, for the next life of the agent.
//
// Of two agents that make it at once both get one: the second learns only later
// that the directory is the first's, whose containers bear its mark by then.
func markOf(dir string) (string, error) {
	path := filepath.Join(dir, "process-mark")
	if mark := readMark(path); mark != "" {
		return mark, nil
	}
	mark := rand.Text()
	own := path + "." + mark
	if err := os.WriteFile(own, []byte(mark+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the mark of its processes: %w", err)
	}
	err := os.Link(own, path) // whole or not at all, and never over another
	if errors.Is(err, fs.ErrExist) {
		if old := readMark(path); old != "" {
			return old, os.Remove(own)
		}
		return mark, os.Rename(own, path) // of a machine that lost its power
	}
	if err = errors.Join(err, os.Remove(own)); err != nil {
		return "", fmt.Errorf("keep the mark of its processes: %w", err)
	}
	return mark, nil
}

// readMark returns nothing for a file that holds no whole mark.
func readMark(path string) string {
	text, err := os.ReadFile(path)
	if mark := strings.TrimSpace(string(text)); err == nil && len(mark) >= 16 {
		return mark
	}
	return ""
}

// lookEvery is how often Run looks for containers that their shims should have
// ended. It ends them itself stoppedAfter that moment where the shim is stopped,
// and busyAfter it in any case: a shim may be at it, with a container that forks.
const (
	lookEvery    = 100 * time.Millisecond
	stoppedAfter = 50 * time.Millisecond
	busyAfter    = time.Second
)

// Run keeps shims ready until ctx ends, and ends what a shim that is stopped does
// not end. Shims with a container then go on, for the next agent.
func (r *Runtime) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	beside.Go(func() { r.keepIdle(ctx) })
	defer beside.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, c := range r.all() {
				c.endOverdue()
			}
		case <-ctx.Done():
			r.close()
			return nil
		}
	}
}

// close leaves the shims to themselves.
func (r *Runtime) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, c := range r.all() {
		c.leave()
		<-c.left
	}
	r.groups.close()
}

func (r *Runtime) all() []*container {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*container, 0, len(r.live))
	for _, c := range r.live {
		out = append(out, c)
	}
	return out
}

// Enforces names the limits that hold.
func (r *Runtime) Enforces() []string { return r.groups.enforces() }

// TakesImages says that none is taken: what runs are commands of the machine.
func (r *Runtime) TakesImages() bool { return false }

// Renew moves the deadline of an epoch's containers.
func (r *Runtime) Renew(epoch berth.Epoch, d worker.Deadline) {
	next := shim.Deadline(d)
	r.mu.Lock()
	if next.Kill <= r.deadlines[epoch].Kill {
		r.mu.Unlock()
		return
	}
	r.deadlines[epoch] = next
	r.mu.Unlock()
	for _, c := range r.all() {
		if c.epoch == epoch {
			c.renew(next)
		}
	}
}

// latest is the deadline of an epoch by now, at least d.
func (r *Runtime) latest(epoch berth.Epoch, d worker.Deadline) shim.Deadline {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.deadlines[epoch]; known.Kill > d.Kill {
		return known
	}
	return shim.Deadline(d)
}

// Forget removes what is kept of an attempt. One that runs stays known.
func (r *Runtime) Forget(id berth.RequestID, number int64) {
	a := attempt{id, number}
	r.mu.Lock()
	_, lives := r.live[a]
	r.mu.Unlock()
	if lives {
		r.opts.Log.Error("a container that runs is not to be forgotten", zap.String("request", string(id)), zap.Int64("attempt", number))
		return
	}
	if err := os.RemoveAll(r.path(a)); err != nil {
		r.opts.Log.Warn("remove what is kept of an attempt", zap.String("request", string(id)), zap.Error(err))
	}
}

func (r *Runtime) path(a attempt) string { return filepath.Join(r.dir, a.String()) }
