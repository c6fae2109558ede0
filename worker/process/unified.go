package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"
)

const unifiedMount = "/sys/fs/cgroup"

// unified makes cgroups of version 2: below the agent's own where systemd gave
// that away (Delegate=), else below the root.
type unified struct {
	mount, parent string
	held          []string
	why           string
}

func newUnified(name string) (*unified, error) {
	if cgroups.Mode() != cgroups.Unified {
		return nil, errors.New("not mounted")
	}
	own, err := cgroup2.PidGroupPath(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("find the agent's own: %w", err)
	}
	base, err := delegated(own)
	if err != nil {
		return nil, err
	}
	return newUnifiedBelow(unifiedMount, filepath.Join(base, name))
}

// delegated is the group that systemd gave to the agent, emptied: a group with
// processes of its own cannot pass its controllers on.
func delegated(own string) (string, error) {
	base := own
	if filepath.Base(own) == "agent" {
		base = filepath.Dir(own)
	}
	var value [8]byte
	n, err := unix.Getxattr(filepath.Join(unifiedMount, base), "trusted.delegate", value[:])
	if err != nil {
		n, err = unix.Getxattr(filepath.Join(unifiedMount, base), "user.delegate", value[:])
	}
	if err != nil || string(value[:n]) != "1" {
		return "/", nil
	}
	if base != own {
		return base, nil
	}
	leaf, err := cgroup2.NewManager(unifiedMount, filepath.Join(base, "agent"), &cgroup2.Resources{})
	if err != nil {
		return "", fmt.Errorf("make the agent's cgroup: %w", err)
	}
	if err := leaf.AddProc(uint64(os.Getpid())); err != nil {
		return "", fmt.Errorf("enter the agent's cgroup: %w", err)
	}
	return base, nil
}

func newUnifiedBelow(mount, parent string) (*unified, error) {
	u := &unified{mount: mount, parent: parent}
	m, err := cgroup2.NewManager(mount, parent, &cgroup2.Resources{})
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", parent, err)
	}
	var refused []string
	for _, name := range []string{limitCPU, limitMemory} {
		if err := passOn(mount, parent, name); err != nil {
			refused = append(refused, err.Error())
			continue
		}
		if have, err := m.Controllers(); err == nil && slices.Contains(have, name) {
			u.held = append(u.held, name)
		}
	}
	u.why = strings.Join(refused, "; ")
	return u, nil
}

// passOn enables a controller on the way down to the groups of containers.
func passOn(mount, group, controller string) error {
	at := mount
	steps := append([]string{""}, strings.Split(strings.Trim(group, "/"), "/")...)
	for _, step := range steps {
		at = filepath.Join(at, step)
		if err := os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte("+"+controller), 0); err != nil {
			return fmt.Errorf("controller %s: %w", controller, err)
		}
	}
	return nil
}

func (u *unified) close() {
	_ = os.Remove(filepath.Join(u.mount, u.parent)) // not while it holds groups
}

func (u *unified) enforces() []string { return u.held }

func (u *unified) missing() string { return u.why }

func (u *unified) make(name, _ string, cpuMilli, memoryBytes int64) (group, error) {
	r := &cgroup2.Resources{}
	if cpuMilli > 0 && slices.Contains(u.held, limitCPU) {
		period := uint64(cpuPeriodMicros)
		quota := max(cpuMilli*cpuPeriodMicros/1000, 1000)
		r.CPU = &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quota, &period)}
	}
	if memoryBytes > 0 && slices.Contains(u.held, limitMemory) {
		limit := max(memoryBytes, leastMemoryBytes)
		r.Memory = &cgroup2.Memory{Max: &limit}
	}
	path := filepath.Join(u.parent, name)
	m, err := cgroup2.NewManager(u.mount, path, r)
	if err != nil {
		return nil, err
	}
	return &unifiedGroup{m: m, dir: filepath.Join(u.mount, path)}, nil
}

func (u *unified) left(prefix string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(u.mount, u.parent))
	if err != nil {
		return nil, fmt.Errorf("list former cgroups: %w", err)
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		out = append(out, e.Name())
		path := filepath.Join(u.parent, e.Name())
		m, err := cgroup2.Load(path, cgroup2.WithMountpoint(u.mount))
		if err != nil {
			return out, fmt.Errorf("open former cgroup %s: %w", path, err)
		}
		old := &unifiedGroup{m: m, dir: filepath.Join(u.mount, path)}
		old.end()
		if err := old.remove(); err != nil {
			return out, fmt.Errorf("remove former cgroup %s: %w", path, err)
		}
	}
	return out, nil
}

type unifiedGroup struct {
	m   *cgroup2.Manager
	dir string
}

// fork has the kernel put the child into the group as it is made.
func (g *unifiedGroup) fork(_ int, cmd *exec.Cmd, check func() error) error {
	dir, err := os.Open(g.dir)
	if err != nil {
		return fmt.Errorf("open the cgroup: %w", err)
	}
	defer func() { _ = dir.Close() }() // read only
	cmd.SysProcAttr.UseCgroupFD = true
	cmd.SysProcAttr.CgroupFD = int(dir.Fd())
	return begin(cmd, check)
}

func (g *unifiedGroup) pids() []int {
	list, err := g.m.Procs(true)
	if err != nil {
		return nil
	}
	out := make([]int, len(list))
	for i, p := range list {
		out[i] = int(p)
	}
	return out
}

func (g *unifiedGroup) signal(s unix.Signal) {
	if s == unix.SIGKILL && g.m.Kill() == nil { // all at once, by the kernel
		return
	}
	for _, pid := range g.pids() {
		_ = unix.Kill(pid, s) // it may have ended
	}
}

func (g *unifiedGroup) end() int {
	kill := func() { g.signal(unix.SIGKILL) }
	return killUntilNone(g.pids, kill, kill)
}

func (g *unifiedGroup) outOfMemory() bool {
	stat, err := g.m.StatFiltered(cgroup2.StatMemoryEvents)
	return err == nil && stat.GetMemoryEvents().GetOomKill() > 0
}

func (g *unifiedGroup) remove() error {
	err := g.m.Delete()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
