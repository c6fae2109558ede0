package process

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker/shim"
)

// cpuPeriodMicros is the kernel's default; a container has its share of each.
const cpuPeriodMicros = 100_000

// leastMemoryBytes is the smallest limit that is set: below it, not even the
// thread that forks the container could act within its cgroup.
const leastMemoryBytes = 1 << 20

// entered is the order in which a starting thread enters its groups.
var entered = []cgroup1.Name{cgroup1.Memory, cgroup1.Freezer, cgroup1.Cpu}

// legacy makes cgroups of version 1, below the agent's own.
type legacy struct {
	parent     string // of all groups of this worker, below the agent's own
	base       cgroup1.Path
	dirs       map[cgroup1.Name]string // where that is, in each hierarchy
	subsystems []cgroup1.Subsystem
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
	// Read once: all groups of this worker stand beside each other, wherever the
	// agent is moved to.
	l := &legacy{parent: name, base: cgroup1.NestedPath(""), dirs: map[cgroup1.Name]string{}}
	var refused []error
	for _, s := range all {
		switch s.Name() {
		case cgroup1.Cpu, cgroup1.Memory, cgroup1.Freezer:
			dir, err := l.probe(s)
			if err != nil {
				refused = append(refused, err)
				continue
			}
			l.subsystems = append(l.subsystems, s)
			l.dirs[s.Name()] = dir
			switch s.Name() {
			case cgroup1.Cpu:
				l.held = append(l.held, limitCPU)
			case cgroup1.Memory:
				l.held = append(l.held, limitMemory)
			}
		}
	}
	// A thread that starts a container waits for the CPU as the container does once it
	// is in that group: it enters it last.
	slices.SortFunc(l.subsystems, func(a, b cgroup1.Subsystem) int {
		return cmp.Compare(slices.Index(entered, a.Name()), slices.Index(entered, b.Name()))
	})
	if len(refused) > 0 {
		l.why = errors.Join(refused...).Error()
	}
	if !l.has(cgroup1.Freezer) {
		return nil, fmt.Errorf("no controller that can hold a tree together: %s", l.why)
	}
	return l, nil
}

// probe makes the parent in one hierarchy, and says where it is.
func (l *legacy) probe(s cgroup1.Subsystem) (string, error) {
	one := cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return []cgroup1.Subsystem{s}, nil })
	g, err := cgroup1.New(l.path(""), &specs.LinuxResources{}, one)
	if err != nil {
		return "", fmt.Errorf("controller %s: %w", s.Name(), err)
	}
	at, ok := s.(interface{ Path(string) string })
	path, err := l.path("")(s.Name())
	if len(g.Subsystems()) == 0 || !ok || err != nil {
		return "", fmt.Errorf("controller %s is not active", s.Name())
	}
	return at.Path(path), nil
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
	for _, dir := range l.dirs {
		_ = os.Remove(dir) // not while it holds groups
	}
}

func (l *legacy) enforces() []string { return l.held }

func (l *legacy) missing() string { return l.why }

func (l *legacy) make(name string, cpuMilli, memoryBytes int64) (shim.Group, error) {
	g := l.group(name)
	made, err := cgroup1.New(l.path(name), limitsOf(cpuMilli, memoryBytes), cgroup1.WithHierarchy(l.hierarchy))
	if err != nil {
		return g, errors.Join(err, g.Remove())
	}
	if got := len(made.Subsystems()); got != len(l.subsystems) {
		return g, errors.Join(fmt.Errorf("%d of %d controllers took it", got, len(l.subsystems)), g.Remove())
	}
	return g, nil
}

// group names the directories of one, there or not.
func (l *legacy) group(name string) shim.Group {
	var g shim.Group
	for _, s := range l.subsystems {
		dir := l.dirs[s.Name()]
		own := filepath.Join(dir, name)
		g.Dirs, g.Home = append(g.Dirs, own), append(g.Home, filepath.Dir(dir))
		switch s.Name() {
		case cgroup1.Freezer:
			g.Freezer = own
		case cgroup1.Memory:
			g.Memory = own
		}
	}
	return g
}

// weigh sets the weight by which a container has the CPU where there is not enough
// for all. It is set when the container runs: a start should not wait like a
// container of a tenth of a core.
func (l *legacy) weigh(g shim.Group, cpuMilli int64) error {
	if cpuMilli <= 0 || !l.has(cgroup1.Cpu) {
		return nil
	}
	file := filepath.Join(l.dirs[cgroup1.Cpu], filepath.Base(g.Freezer), "cpu.shares")
	err := os.WriteFile(file, strconv.AppendInt(nil, max(cpuMilli*1024/1000, 2), 10), 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil // it has ended already
	}
	return err
}

func (l *legacy) left() ([]shim.Group, error) {
	names, err := below(l.dirs[cgroup1.Freezer])
	if err != nil {
		return nil, err
	}
	out := make([]shim.Group, 0, len(names))
	for _, name := range names {
		out = append(out, l.group(name))
	}
	return out, nil
}

func limitsOf(cpuMilli, memoryBytes int64) *specs.LinuxResources {
	out := &specs.LinuxResources{}
	if cpuMilli > 0 {
		period := uint64(cpuPeriodMicros)
		quota := max(cpuMilli*cpuPeriodMicros/1000, 1000) // the least that the kernel takes
		out.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota}
	}
	if memoryBytes > 0 {
		limit := max(memoryBytes, leastMemoryBytes)
		out.Memory = &specs.LinuxMemory{Limit: &limit}
	}
	return out
}
