package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// Leftovers kills all that a former agent of this worker left, by its cgroups
// and by its mark, and returns the names of the containers.
func (r *Runtime) Leftovers(ctx context.Context) ([]string, error) {
	return killLeft(ctx, r.groups, r.mark, "")
}

// Adopt finds nothing: containers end with their agent. What should be left all
// the same is killed, for its requests may run elsewhere from now on.
func (r *Runtime) Adopt(ctx context.Context) ([]worker.Adopted, error) {
	_, err := r.Leftovers(ctx)
	return nil, err
}

// Renew does nothing: the guard asks for the deadline.
func (r *Runtime) Renew(berth.Epoch, worker.Deadline) {}

// Forget does nothing: nothing but output is kept of an attempt.
func (r *Runtime) Forget(berth.RequestID, int64) {}

// killLeft kills the containers of a worker whose name begins so.
func killLeft(ctx context.Context, groups grouper, mark, prefix string) ([]string, error) {
	names, err := groups.left(prefix)
	if err != nil {
		return names, err
	}
	seen := map[string]bool{}
	for _, n := range names {
		seen[n] = true
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		pids := processes(func(pid int) bool { return marked(pid, mark+"."+prefix) })
		if len(pids) == 0 {
			return names, nil
		}
		for _, pid := range pids {
			if n := containerOf(pid, mark); n != "" && !seen[n] {
				seen[n] = true
				names = append(names, n)
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

// containerOf is the container that a process belonged to.
func containerOf(pid int, mark string) string {
	env, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		return ""
	}
	for v := range strings.SplitSeq(string(env), "\x00") {
		if name, ok := strings.CutPrefix(v, markVariable+"="+mark+"."); ok {
			return name
		}
	}
	return ""
}
