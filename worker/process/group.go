package process

import (
	"fmt"
	"os"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/shim"
)

// grouper makes groups, and sets their limits.
type grouper interface {
	make(name string, cpuMilli, memoryBytes int64) (shim.Group, error)
	// weigh is called when the container runs.
	weigh(g shim.Group, cpuMilli int64) error
	// group names what make would have made, there or not.
	group(name string) shim.Group
	// left lists the groups that there are.
	left() ([]shim.Group, error)
	// close removes what held the groups together; it may be made again.
	close()
	enforces() []string
	missing() string // why not all is enforced; empty if it is
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
		return &ungrouped{why: "cgroups are switched off"}
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
	return &ungrouped{why: fmt.Sprintf("cgroup v2: %v; cgroup v1: %v", err2, err1)}
}

// ungrouped knows the processes of a container by their shim alone, and if that
// was killed, by their session and by the mark in their environment.
type ungrouped struct{ why string }

func (u *ungrouped) make(string, int64, int64) (shim.Group, error) { return shim.Group{}, nil }

func (u *ungrouped) weigh(shim.Group, int64) error { return nil }

func (u *ungrouped) group(string) shim.Group { return shim.Group{} }

func (u *ungrouped) left() ([]shim.Group, error) { return nil, nil }

func (u *ungrouped) close() {}

func (u *ungrouped) enforces() []string { return nil }

func (u *ungrouped) missing() string { return u.why }

// below lists the directories in one.
func below(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("list former cgroups: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}
