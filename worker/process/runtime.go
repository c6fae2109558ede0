package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/logfile"
)

// Options of a Runtime. Zero fields mean the defaults.
type Options struct {
	Worker   berth.WorkerID // names its cgroups; no default
	StateDir string         // keeps the mark of its processes; no default
	Logs     *worker.Logs   // no default
	LogFiles logfile.Options
	// NoCgroups leaves processes where the agent is, without limits.
	NoCgroups bool
	// Guard is the binary that becomes the guard, and its arguments from the
	// zeroth on; its main must call Guard. Empty means none.
	Guard []string
	// Deadline is when containers must be dead unless the lease is kept alive,
	// by CLOCK_BOOTTIME; 0: there is no lease. The guard kills them then, should
	// the agent be stopped. Nil: none.
	Deadline func() time.Duration
	Log      *zap.Logger
}

// Runtime runs containers as processes. It implements worker.Runtime.
type Runtime struct {
	opts   Options
	mark   string // of all processes of this worker
	life   string // and of this agent, apart from the one before
	groups grouper
	// listener is the guard, once Run has started it.
	listener listener
	spawns   chan spawn // written by Start, read by Run's thread; unbuffered: a start waits for its fork
}

// New prepares a Runtime; Run makes it work.
func New(opts Options) (*Runtime, error) {
	if err := berth.CheckID("worker ID", string(opts.Worker)); err != nil {
		return nil, err
	}
	if opts.Logs == nil {
		return nil, errors.New("process runtime: Logs is missing")
	}
	if err := opts.LogFiles.Validate(); err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	mark, err := markOf(opts.StateDir)
	if err != nil {
		return nil, fmt.Errorf("process runtime of %s: %w", opts.Worker, err)
	}
	r := &Runtime{opts: opts, mark: mark, life: strings.ToLower(rand.Text()[:8]), spawns: make(chan spawn)}
	r.groups = findGrouper(opts.Worker, mark, opts.NoCgroups)
	if held := r.groups.enforces(); len(held) < 2 {
		opts.Log.Warn("not all limits of containers are enforced on this machine",
			zap.Strings("enforced", held), zap.String("why", r.groups.missing()))
	}
	return r, nil
}

// markOf is the word by which all processes of this runtime are known, whoever
// their parent is. It is kept, for the next life of the agent.
func markOf(dir string) (string, error) {
	path := filepath.Join(dir, "process-mark")
	if old, err := os.ReadFile(path); err == nil {
		if mark := strings.TrimSpace(string(old)); len(mark) >= 16 {
			return mark, nil
		}
	}
	mark := rand.Text()
	if err := os.WriteFile(path, []byte(mark+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the mark of its processes: %w", err)
	}
	return mark, nil
}

// Run forks what Start asks for, until ctx ends; containers that still run are
// killed then.
func (r *Runtime) Run(ctx context.Context) error {
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		r.keepGuard(ctx)
	}()
	r.forkUntil(ctx)
	<-guarded
	r.groups.close()
	return nil
}

// Enforces names the limits that hold.
func (r *Runtime) Enforces() []string { return r.groups.enforces() }

// Start starts an attempt.
func (r *Runtime) Start(ctx context.Context, spec worker.Spec) (worker.Container, error) {
	if spec.Image != "" {
		return nil, fmt.Errorf("image %q: this worker runs commands of its machine, not images", spec.Image)
	}
	if spec.Worker != r.opts.Worker {
		return nil, fmt.Errorf("start for worker %s on %s", spec.Worker, r.opts.Worker)
	}
	cmd, err := r.command(spec)
	if err != nil {
		return nil, err
	}
	if err := r.beGuarded(ctx); err != nil {
		return nil, err
	}
	c := &container{done: make(chan struct{}), name: r.nameOf(spec), log: r.opts.Log}
	if err := r.start(ctx, c, cmd, spec); err != nil {
		c.abandon()
		return nil, err
	}
	go c.wait()
	return c, nil
}
