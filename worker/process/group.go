package process

import (
	"fmt"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berthd/berth"
)

// grouper makes groups.
type grouper interface {
	make(name, mark string, cpuMilli, memoryBytes int64) (group, error)
	// left kills and removes the groups whose name begins so, and names them.
	left(prefix string) ([]string, error)
	// close removes what held the groups together; it may be made again.
	close()
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

// findGrouper takes the best that works here. The groups are of one state
// directory, by its mark: another agent of the same name, of another store or
// not, has others, and neither kills what the other runs.
func findGrouper(worker berth.WorkerID, mark string, noCgroups bool) grouper {
	if noCgroups {
		return &marks{why: "cgroups are switched off"}
	}
	name := fmt.Sprintf("berth-%s-%s", worker, strings.ToLower(mark[:min(len(mark), 12)]))
	v2, err2 := newUnified(name)
	if err2 == nil {
		return v2
	}
	v1, err1 := newLegacy(name)
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
