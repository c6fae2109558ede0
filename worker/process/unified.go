package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/berthd/berth/worker/shim"
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
	return newUnifiedBelow(unifiedMount, filepath.Join(delegated(own), name))
}

// delegated is the group that systemd gave to the agent, if it put the agent
// itself into one below (DelegateSubgroup=agent); else the root. In the unit's own
// group containers must not be: it would pass controllers on to them, and so take
// no processes of its own, and systemd could not start the next agent there.
func delegated(own string) string {
	base := filepath.Dir(own)
	if filepath.Base(own) != "agent" {
		return "/"
	}
	var value [8]byte
	n, err := unix.Getxattr(filepath.Join(unifiedMount, base), "trusted.delegate", value[:])
	if err != nil {
		n, err = unix.Getxattr(filepath.Join(unifiedMount, base), "user.delegate", value[:])
	}
	if err != nil || string(value[:n]) != "1" {
		return "/"
	}
	return base
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

func (u *unified) make(name string, cpuMilli, memoryBytes int64) (shim.Group, error) {
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
	g := u.group(name)
	if _, err := cgroup2.NewManager(u.mount, filepath.Join(u.parent, name), r); err != nil {
		return g, errors.Join(err, g.Remove())
	}
	return g, nil
}

// weigh: all have one weight; their limits differ.
func (u *unified) weigh(shim.Group, int64) error { return nil }

func (u *unified) group(name string) shim.Group {
	return shim.Group{Unified: filepath.Join(u.mount, u.parent, name)}
}

func (u *unified) left() ([]shim.Group, error) {
	names, err := below(filepath.Join(u.mount, u.parent))
	if err != nil {
		return nil, err
	}
	out := make([]shim.Group, 0, len(names))
	for _, name := range names {
		out = append(out, u.group(name))
	}
	return out, nil
}
