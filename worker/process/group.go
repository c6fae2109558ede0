package process

import (
	"fmt"
	"os/exec"

	"golang.org/x/sys/unix"
)

// grouper makes groups.
type grouper interface {
	make(name, mark string, cpuMilli, memoryBytes int64) (group, error)
	// left kills and removes the groups whose name begins so, and names them.
	left(prefix string) ([]string, error)
	enforces() []string
	missing() string // why not all is enforced; empty if it is
}

// group holds the processes of one container together.
type group interface {
	// fork starts cmd inside; check is asked at the last moment. Called on the
	// thread tid.
	fork(tid int, cmd *exec.Cmd, check func() error) error
	signal(unix.Signal)
	// end kills what is left after the first process, and returns how many.
	end() int
	outOfMemory() bool
	remove() error
}

// Names of limits, as a worker's registration tells them.
const (
	limitCPU    = "cpu"
	limitMemory = "memory"
)

// findGrouper takes the best that works here.
func findGrouper(opts Options) grouper {
	if opts.NoCgroups {
		return &marks{why: "cgroups are switched off"}
	}
	v2, err2 := newUnified(string(opts.Worker))
	if err2 == nil {
		return v2
	}
	v1, err1 := newLegacy(string(opts.Worker))
	if err1 == nil {
		return v1
	}
	return &marks{why: fmt.Sprintf("cgroup v2: %v; cgroup v1: %v", err2, err1)}
}

// begin asks check, and starts cmd.
func begin(cmd *exec.Cmd, check func() error) error {
	if err := check(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("execute: %w", err)
	}
	return nil
}
