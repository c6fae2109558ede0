package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cpuPeriodMicros is the kernel's default; a container has its share of each.
const cpuPeriodMicros = 100_000

// legacy makes cgroups of version 1, below the agent's own.
type legacy struct {
	parent     string // of all groups of this worker, below the agent's own
	subsystems []cgroup1.Subsystem
	own        cgroup1.Cgroup
	held       []string
	why        string
}

func newLegacy(worker string) (*legacy, error) {
	if mode := cgroups.Mode(); mode != cgroups.Legacy && mode != cgroups.Hybrid {
		return nil, errors.New("not mounted")
	}
	all, err := cgroup1.Default()
	if err != nil {
		return nil, fmt.Errorf("find controllers: %w", err)
	}
	l := &legacy{parent: "berth-" + worker}
	var refused []error
	for _, s := range all {
		switch s.Name() {
		case cgroup1.Cpu, cgroup1.Memory, cgroup1.Freezer:
			if err := l.probe(s); err != nil {
				refused = append(refused, err)
				continue
			}
			l.subsystems = append(l.subsystems, s)
			switch s.Name() {
			case cgroup1.Cpu:
				l.held = append(l.held, limitCPU)
			case cgroup1.Memory:
				l.held = append(l.held, limitMemory)
			}
		}
	}
	if len(refused) > 0 {
		l.why = errors.Join(refused...).Error()
	}
	if !l.has(cgroup1.Freezer) {
		return nil, fmt.Errorf("no controller that can hold a tree together: %s", l.why)
	}
	if l.own, err = cgroup1.Load(cgroup1.NestedPath(""), cgroup1.WithHierarchy(l.hierarchy)); err != nil {
		return nil, fmt.Errorf("find the agent's own: %w", err)
	}
	return l, nil
}

// probe makes the parent in one hierarchy.
func (l *legacy) probe(s cgroup1.Subsystem) error {
	one := cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return []cgroup1.Subsystem{s}, nil })
	g, err := cgroup1.New(l.path(""), &specs.LinuxResources{}, one)
	if err != nil {
		return fmt.Errorf("controller %s: %w", s.Name(), err)
	}
	if len(g.Subsystems()) == 0 {
		return fmt.Errorf("controller %s is not active", s.Name())
	}
	return nil
}

func (l *legacy) has(n cgroup1.Name) bool {
	for _, s := range l.subsystems {
		if s.Name() == n {
			return true
		}
	}
	return false
}

func (l *legacy) hierarchy() ([]cgroup1.Subsystem, error) { return l.subsystems, nil }

func (l *legacy) path(name string) cgroup1.Path {
	return cgroup1.NestedPath("/" + filepath.Join(l.parent, name))
}

func (l *legacy) enforces() []string { return l.held }

func (l *legacy) missing() string { return l.why }

func (l *legacy) make(name, _ string, cpuMilli, memoryBytes int64) (group, error) {
	g, err := cgroup1.New(l.path(name), limitsOf(cpuMilli, memoryBytes), cgroup1.WithHierarchy(l.hierarchy))
	if err != nil {
		return nil, err
	}
	return &legacyGroup{l: l, g: g}, nil
}

func limitsOf(cpuMilli, memoryBytes int64) *specs.LinuxResources {
	out := &specs.LinuxResources{}
	if cpuMilli > 0 {
		period := uint64(cpuPeriodMicros)
		quota := max(cpuMilli*cpuPeriodMicros/1000, 1000) // the least that the kernel takes
		shares := uint64(max(cpuMilli*1024/1000, 2))
		out.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota, Shares: &shares}
	}
	if memoryBytes > 0 {
		out.Memory = &specs.LinuxMemory{Limit: &memoryBytes}
	}
	return out
}

func (l *legacy) left(prefix string) ([]string, error) {
	path, err := l.path("")(cgroup1.Freezer)
	if err != nil {
		return nil, fmt.Errorf("find former cgroups: %w", err)
	}
	var out []string
	for _, s := range l.subsystems {
		root, ok := s.(interface{ Path(string) string })
		if !ok || s.Name() != cgroup1.Freezer {
			continue
		}
		entries, err := os.ReadDir(root.Path(path))
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("list former cgroups: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
				out = append(out, e.Name())
			}
		}
	}
	for _, name := range out {
		g, err := cgroup1.Load(l.path(name), cgroup1.WithHierarchy(l.hierarchy))
		if err != nil {
			return out, fmt.Errorf("open former cgroup %s: %w", name, err)
		}
		old := &legacyGroup{l: l, g: g}
		old.end()
		if err := old.remove(); err != nil {
			return out, fmt.Errorf("remove former cgroup %s: %w", name, err)
		}
	}
	return out, nil
}

type legacyGroup struct {
	l *legacy
	g cgroup1.Cgroup
}

// fork moves its thread into the group, forks, and moves back: so the child is
// inside from its first instant, and can leave nothing outside.
func (g *legacyGroup) fork(tid int, cmd *exec.Cmd, check func() error) error {
	if err := g.g.AddTask(cgroup1.Process{Pid: tid}); err != nil {
		return errors.Join(fmt.Errorf("enter the cgroup: %w", err), g.l.own.AddTask(cgroup1.Process{Pid: tid}))
	}
	err := begin(cmd, check)
	if back := g.l.own.AddTask(cgroup1.Process{Pid: tid}); back != nil {
		// The thread would be taken for a part of the container, and the next
		// container be forked into this one.
		panic("process: the forking thread cannot leave a container's cgroup: " + back.Error())
	}
	return err
}

func (g *legacyGroup) pids() []int {
	list, err := g.g.Processes(cgroup1.Freezer, true)
	if err != nil {
		return nil
	}
	out := make([]int, 0, len(list))
	for _, p := range list {
		if p.Pid != os.Getpid() { // our thread, while it forks
			out = append(out, p.Pid)
		}
	}
	return out
}

// signal reaches every process; to kill, none may fork meanwhile.
func (g *legacyGroup) signal(s unix.Signal) {
	if s == unix.SIGKILL {
		if err := g.g.Freeze(); err == nil {
			defer func() { _ = g.g.Thaw() }() // killed ones die on thawing
		}
	}
	for _, pid := range g.pids() {
		_ = unix.Kill(pid, s) // it may have ended
	}
}

func (g *legacyGroup) end() int {
	return killUntilNone(g.pids, func() { g.signal(unix.SIGKILL) })
}

// killUntilNone kills until nothing is left, however long the kernel takes: an
// end must not be told while something still runs.
func killUntilNone(pids func() []int, kill func()) int {
	first := len(pids())
	for pause := time.Millisecond; len(pids()) > 0; pause = min(2*pause, 100*time.Millisecond) {
		kill()
		time.Sleep(pause)
	}
	return first
}

func (g *legacyGroup) outOfMemory() bool {
	if !g.l.has(cgroup1.Memory) {
		return false
	}
	stat, err := g.g.Stat(cgroup1.IgnoreNotExist)
	return err == nil && stat.GetMemoryOomControl().GetOomKill() > 0
}

func (g *legacyGroup) remove() error {
	err := g.g.Delete()
	if err != nil && strings.Contains(err.Error(), "no such file") {
		return nil
	}
	return err
}
