package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker/shim"
)

// Leftovers kills all that a former agent of this worker left: shims with their
// trees by their directories, then what is left by cgroup and by mark. The
// records are removed, and the names of what was living are returned.
func (r *Runtime) Leftovers(ctx context.Context) ([]string, error) {
	attempts, err := r.recorded()
	if err != nil {
		return nil, err
	}
	living := make([]string, len(attempts))
	var group errgroup.Group
	group.SetLimit(16)
	for i, a := range attempts {
		group.Go(func() (err error) {
			living[i], err = r.clear(ctx, a)
			return err
		})
	}
	err = group.Wait()
	names := compact(living)
	if err != nil {
		return names, err
	}
	stray, err := r.killStray(ctx)
	return append(names, stray...), err
}

func compact(names []string) []string {
	var out []string
	for _, n := range names {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

// clear ends a container and removes its record. It returns its name if a shim
// of it lived.
func (r *Runtime) clear(ctx context.Context, a attempt) (string, error) {
	c, _, err := r.known(a)
	if err != nil && !errors.Is(err, errNoStart) {
		return "", err
	}
	if _, err := shim.ReadExit(c.dir); err == nil {
		return "", os.RemoveAll(c.dir) // its shim ends, or has ended
	}
	lived := ""
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		held, _, err := shim.Held(c.dir)
		if err != nil {
			return lived, fmt.Errorf("look for the supervisor of %s: %w", a, err)
		}
		if !held {
			break
		}
		lived = a.String()
		c.seize()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return lived, fmt.Errorf("the supervisor of %s does not die: %w", a, ctx.Err())
		}
	}
	if _, err := shim.ReadExit(c.dir); err != nil {
		c.bury()
	}
	return lived, os.RemoveAll(c.dir)
}

// killStray kills what no directory tells of.
func (r *Runtime) killStray(ctx context.Context) ([]string, error) {
	groups, err := r.groups.left()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		g.Mark = r.mark + ".none"
		shim.Bury(g, shim.Running{})
		err = errors.Join(err, g.Remove())
	}
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		pids := shim.Processes(func(pid int) bool { return shim.Mark(pid, r.mark+".") != "" })
		if len(pids) == 0 {
			return names, nil
		}
		for _, pid := range pids {
			name := strings.TrimPrefix(shim.Mark(pid, r.mark+"."), r.mark+".")
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return names, fmt.Errorf("%d processes of a former agent do not die: %w", len(pids), ctx.Err())
		}
	}
}
