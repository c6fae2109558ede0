package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// answerWithin is how long a shim may take to answer an agent that comes back.
// One that does not is killed, with its container: nobody would know its end.
const answerWithin = 3 * time.Second

// Adopt finds the containers that a former agent left.
func (r *Runtime) Adopt(ctx context.Context) ([]worker.Adopted, error) {
	attempts, err := r.recorded()
	if err != nil {
		return nil, err
	}
	found := make([]*worker.Adopted, len(attempts))
	var group errgroup.Group
	group.SetLimit(64)
	for i, a := range attempts {
		group.Go(func() (err error) {
			found[i], err = r.adopt(ctx, a)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []worker.Adopted
	for _, a := range found {
		if a != nil {
			out = append(out, *a)
		}
	}
	return out, nil
}

// recorded are the attempts that have a directory, in order.
func (r *Runtime) recorded() ([]attempt, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []attempt
	for _, e := range entries {
		dot := strings.LastIndexByte(e.Name(), '.')
		if dot < 0 {
			continue // not ours
		}
		if n, err := strconv.ParseInt(e.Name()[dot+1:], 10, 64); err == nil {
			out = append(out, attempt{berth.RequestID(e.Name()[:dot]), n})
		}
	}
	slices.SortFunc(out, func(a, b attempt) int {
		return cmp.Or(cmp.Compare(a.request, b.request), cmp.Compare(a.number, b.number))
	})
	return out, nil
}

// adopt returns nil for a directory without a record of its start: nothing of it
// is left then, and its allocation's end is that it may have run.
func (r *Runtime) adopt(ctx context.Context, a attempt) (*worker.Adopted, error) {
	c, start, err := r.known(a)
	if errors.Is(err, errNoStart) {
		if !errors.Is(err, fs.ErrNotExist) {
			r.opts.Log.Error("the record of a start cannot be read; what runs of it is killed", zap.Stringer("container", a), zap.Error(err))
		}
		_, err = r.clear(ctx, a)
		return nil, err
	}
	out := &worker.Adopted{
		Request: a.request, Attempt: a.number, Epoch: berth.Epoch(start.Epoch), StartedAt: start.At,
		StopTimeout: start.StopTimeout, Keep: start.Keep, Container: c,
	}
	if ran, err := shim.ReadRunning(c.dir); err == nil {
		out.StartedAt = ran.StartedAt
	}
	if err := r.reconnect(c); err != nil {
		return nil, err
	}
	if err := r.answered(ctx, c); err != nil {
		return nil, err
	}
	if closed(c.running) {
		out.StartedAt = c.since
	}
	return out, nil
}

// reconnect begins to follow a container, once.
func (r *Runtime) reconnect(c *container) error {
	r.mu.Lock()
	known := r.live[c.name] == c
	r.mu.Unlock()
	if known {
		return nil
	}
	_, logged, err := r.opts.Logs.Begin(c.name.request, c.name.number)
	if err != nil {
		return err
	}
	c.logged = logged
	r.mu.Lock()
	r.live[c.name] = c
	r.mu.Unlock()
	go c.follow(nil)
	return nil
}

// answered returns when the shim has answered, or the container has ended.
func (r *Runtime) answered(ctx context.Context, c *container) error {
	patience := time.NewTimer(answerWithin)
	defer patience.Stop()
	select {
	case <-c.running:
	case <-c.done:
	case <-patience.C:
		r.opts.Log.Warn("a supervisor does not answer; ending it, and its container", zap.Stringer("container", c.name))
		c.seizeUntilDone()
	case <-ctx.Done():
		return fmt.Errorf("connect to the supervisor of %s: %w", c.name, ctx.Err())
	}
	return nil
}

// errNoStart is for a directory whose record of the start is missing or damaged.
// No shim was told of it, or the machine has lost its power; or another hand, or the
// disk, has spoiled it while its container runs: only the lock tells.
var errNoStart = errors.New("no record of the start")

// known is a container by its directory. With errNoStart it is no more than what
// its name tells: enough to end it, and not to keep it, for whose epoch it is, and
// what it may be left by, is lost.
func (r *Runtime) known(a attempt) (*container, shim.Start, error) {
	r.mu.Lock()
	c := r.live[a]
	r.mu.Unlock()
	start, err := shim.ReadStart(r.path(a))
	if c != nil {
		return c, start, nil // our own, or found by a call that failed for another one
	}
	c = r.newContainer(a, berth.Epoch(start.Epoch), start.Keep)
	if err != nil {
		c.group = r.groups.group(a.String())
		c.group.Mark = r.markFor(a)
		return c, start, fmt.Errorf("%w: %w", errNoStart, err)
	}
	c.group = r.groupOf(a, start)
	return c, start, nil
}

// groupOf is the group that a record names. What is in it is killed: so it is
// taken only where it bears the attempt's own name.
func (r *Runtime) groupOf(a attempt, start shim.Start) shim.Group {
	g := start.Group
	for _, dir := range append(slices.Clone(g.Dirs), g.Freezer, g.Memory, g.Unified) {
		if dir != "" && filepath.Base(dir) != a.String() {
			r.opts.Log.Error("the record of a start names a cgroup of something else; it is left alone", zap.Stringer("container", a), zap.String("cgroup", dir))
			g = shim.Group{}
			break
		}
	}
	if !strings.HasSuffix(g.Mark, "."+a.String()) {
		g.Mark = r.markFor(a)
	}
	return g
}
