package shim

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Group says what holds a container's processes together, besides their shim:
// cgroups of version 1 (Freezer and the rest of Dirs), one of version 2
// (Unified), or none. Whoever makes it has set its limits.
type Group struct {
	Dirs    []string `json:"dirs,omitempty"`    // version 1: one in each hierarchy
	Home    []string `json:"home,omitempty"`    // version 1: where the shim's thread goes back to, for each of Dirs
	Freezer string   `json:"freezer,omitempty"` // of Dirs
	Memory  string   `json:"memory,omitempty"`  // of Dirs
	Unified string   `json:"unified,omitempty"` // version 2
	// Mark stands in the environment of every process: MarkVariable=Mark.
	Mark string `json:"mark"`
}

// MarkVariable is in the environment of every process of a container.
const MarkVariable = "BERTH_MARK"

// holder is the directory that lists the container's processes; empty: none.
func (g *Group) holder() string {
	if g.Unified != "" {
		return g.Unified
	}
	return g.Freezer
}

// members are the processes in the cgroup, and in those that the container has
// made below it.
func (g *Group) members() []int {
	if g.holder() == "" {
		return nil
	}
	var pids []int
	g.walk(g.holder(), func(dir string) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return // removed
		}
		for field := range bytes.FieldsSeq(text) {
			// Our own thread, while it forks, is no part of the container.
			if pid, err := strconv.Atoi(string(field)); err == nil && pid > 0 && pid != os.Getpid() {
				pids = append(pids, pid)
			}
		}
	})
	return pids
}

func (g *Group) walk(root string, visit func(dir string)) {
	_ = filepath.WalkDir(root, func(dir string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			visit(dir)
		}
		return nil
	})
}

// freeze stops or starts all in the cgroup. A container that froze a part of
// itself would not act on a signal; one that forks faster than it is killed
// cannot while it is frozen.
func (g *Group) freeze(frozen bool) {
	file, states := "freezer.state", [2]string{"THAWED", "FROZEN"}
	if g.Unified != "" {
		file, states = "cgroup.freeze", [2]string{"0", "1"}
	}
	state := states[0]
	if frozen {
		state = states[1]
	}
	if g.holder() == "" {
		return
	}
	g.walk(g.holder(), func(dir string) {
		_ = os.WriteFile(filepath.Join(dir, file), []byte(state), 0) // it may be gone
	})
}

// killAll has the kernel kill all of a cgroup of version 2 at once.
func (g *Group) killAll() bool {
	return g.Unified != "" && os.WriteFile(filepath.Join(g.Unified, "cgroup.kill"), []byte("1"), 0) == nil
}

// OutOfMemory says whether the kernel has killed a process of it for its limit.
func (g *Group) OutOfMemory() bool {
	file := ""
	switch {
	case g.Unified != "":
		file = filepath.Join(g.Unified, "memory.events")
	case g.Memory != "":
		file = filepath.Join(g.Memory, "memory.oom_control")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// Remove removes the cgroups, with those that the container has made below. It
// tries again for a moment: a process that has ended leaves one hierarchy after
// the other.
func (g *Group) Remove() error {
	var failed error
	for pause := time.Millisecond; pause < 500*time.Millisecond; pause *= 2 {
		failed = nil
		for _, root := range append(slices.Clone(g.Dirs), g.Unified) {
			if root == "" {
				continue
			}
			var dirs []string
			g.walk(root, func(dir string) { dirs = append(dirs, dir) })
			for _, dir := range slices.Backward(dirs) {
				if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
					failed = errors.Join(failed, &fs.PathError{Op: "rmdir", Path: dir, Err: err})
				}
			}
		}
		if failed == nil {
			return nil
		}
		time.Sleep(pause)
	}
	return failed
}
