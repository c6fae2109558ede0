package process

import (
	"errors"
	"fmt"
	"io/fs"
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

// leastMemoryBytes is the smallest limit that is set: below it, not even the
// thread that forks the container could act within its cgroup.
const leastMemoryBytes = 1 << 20

// legacy makes cgroups of version 1, below the agent's own.
type legacy struct {
	parent     string // of all groups of this worker, below the agent's own
	base       cgroup1.Path
	subsystems []cgroup1.Subsystem
	own        cgroup1.Cgroup
	held       []string
	why        string
}

func newLegacy(name string) (*legacy, error) {
	if mode := cgroups.Mode(); mode != cgroups.Legacy && mode != cgroups.Hybrid {
		return nil, errors.New("not mounted")
	}
	all, err := cgroup1.Default()
	if err != nil {
		return nil, fmt.Errorf("find controllers: %w", err)
	}
	// Read once, before any fork: later the thread that forks may be the one
	// that the kernel answers for, and stand in a container's group. Groups that
	// were made below that one froze the agent with it (found by TestChaos).
	l := &legacy{parent: name, base: cgroup1.NestedPath("")}
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
	if l.own, err = cgroup1.Load(l.base, cgroup1.WithHierarchy(l.hierarchy)); err != nil {
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
	return func(s cgroup1.Name) (string, error) {
		base, err := l.base(s)
		if err != nil {
			return "", err
		}
		return filepath.Join(base, l.parent, name), nil
	}
}

func (l *legacy) close() {
	for _, s := range l.subsystems {
		if at, ok := s.(interface{ Path(string) string }); ok {
			if path, err := l.path("")(s.Name()); err == nil {
				_ = os.Remove(at.Path(path)) // not while it holds groups
			}
		}
	}
}

func (l *legacy) enforces() []string { return l.held }

func (l *legacy) missing() string { return l.why }

func (l *legacy) make(name, _ string, cpuMilli, memoryBytes int64) (group, error) {
	g, err := cgroup1.New(l.path(name), limitsOf(cpuMilli, memoryBytes), cgroup1.WithHierarchy(l.hierarchy))
	if err != nil {
		return nil, err
	}
	return &legacyGroup{l: l, g: g, path: l.path(name)}, nil
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
		limit := max(memoryBytes, leastMemoryBytes)
		out.Memory = &specs.LinuxMemory{Limit: &limit}
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
		if err != nil && gone(err) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("open former cgroup %s: %w", name, err)
		}
		old := &legacyGroup{l: l, g: g, path: l.path(name)}
		old.end()
		if err := old.remove(); err != nil {
			return out, fmt.Errorf("remove former cgroup %s: %w", name, err)
		}
	}
	return out, nil
}

type legacyGroup struct {
	l    *legacy
	g    cgroup1.Cgroup
	path cgroup1.Path
}

// fork moves its thread into the group, forks, and moves back: so the child is
// inside from its first instant, and can leave nothing outside.
func (g *legacyGroup) fork(tid int, cmd *exec.Cmd, check func() error) error {
	if err := g.g.AddTask(cgroup1.Process{Pid: tid}); err != nil {
		return errors.Join(fmt.Errorf("enter the cgroup: %w", err), g.l.own.AddTask(cgroup1.Process{Pid: tid}))
	}
	err := begin(cmd, check)
	back := g.l.own.AddTask(cgroup1.Process{Pid: tid})
	if back != nil { // the container takes all its memory already
		unlimited := int64(-1)
		back = errors.Join(g.g.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &unlimited}}), g.l.own.AddTask(cgroup1.Process{Pid: tid}))
	}
	if back != nil {
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

// signal reaches every process that is there. One that the container has frozen
// by itself would not act on it: all are thawed.
func (g *legacyGroup) signal(s unix.Signal) {
	if s == unix.SIGKILL {
		g.setFrozen(false)
	}
	for _, pid := range g.pids() {
		_ = unix.Kill(pid, s) // it may have ended
	}
}

// killHard is for what forks faster than it is killed: nothing forks while it is
// frozen, and what was killed dies on thawing. It does not wait for the kernel,
// since another killer (a guard) may thaw the group meanwhile.
func (g *legacyGroup) killHard() {
	g.setFrozen(true)
	for _, pid := range g.pids() {
		_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
	}
	g.setFrozen(false)
}

// setFrozen reaches the groups that the container has made below its own, too.
func (g *legacyGroup) setFrozen(frozen bool) {
	state := "THAWED"
	if frozen {
		state = "FROZEN"
	}
	for _, s := range g.l.subsystems {
		at, ok := s.(interface{ Path(string) string })
		if !ok || s.Name() != cgroup1.Freezer {
			continue
		}
		path, err := g.path(cgroup1.Freezer)
		if err != nil {
			continue
		}
		_ = filepath.WalkDir(at.Path(path), func(dir string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte(state), 0) // it may be gone
			}
			return nil
		})
	}
}

func (g *legacyGroup) end() int {
	return killUntilNone(g.pids, func() { g.signal(unix.SIGKILL) }, g.killHard)
}

// hardAfter is how many rounds of killing come before the hard ones.
const hardAfter = 20

// killUntilNone kills until nothing is left, however long the kernel takes: an
// end must not be told while something still runs.
func killUntilNone(pids func() []int, kill, hard func()) int {
	first := len(pids())
	for round, pause := 0, time.Millisecond; len(pids()) > 0; round, pause = round+1, min(2*pause, 100*time.Millisecond) {
		if round < hardAfter {
			kill()
		} else {
			hard()
		}
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

// remove tries again for a moment: a process that has ended leaves one hierarchy
// after the other.
func (g *legacyGroup) remove() error {
	var err error
	for pause := time.Millisecond; pause < 200*time.Millisecond; pause *= 2 {
		if err = g.g.Delete(); err == nil || gone(err) {
			return nil
		}
		time.Sleep(pause)
	}
	return err
}

// gone says whether another killer has removed the group.
func gone(err error) bool {
	return errors.Is(err, cgroup1.ErrCgroupDeleted) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) ||
		strings.Contains(err.Error(), "no such file") || strings.Contains(err.Error(), "no such device")
}
