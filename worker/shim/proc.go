package shim

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Processes that live and match. One that has ended and was not reaped by its
// parent is not alive.
func Processes(match func(pid int) bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && match(pid) && alive(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// Mark is the mark in a process's environment that begins so; empty: it has none.
func Mark(pid int, prefix string) string {
	env, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		return ""
	}
	for v := range strings.SplitSeq(string(env), "\x00") {
		if mark, ok := strings.CutPrefix(v, MarkVariable+"="); ok && strings.HasPrefix(mark, prefix) {
			return mark
		}
	}
	return ""
}

// descendants of this process. A subreaper has all that its children ever
// forked among them.
func descendants() []int {
	var out []int
	queue := []int{os.Getpid()}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		lists, err := filepath.Glob(procFile(pid, "task/*/children"))
		if err != nil {
			continue
		}
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has ended
			}
			for field := range bytes.FieldsSeq(text) {
				if child, err := strconv.Atoi(string(field)); err == nil {
					out = append(out, child)
					queue = append(queue, child)
				}
			}
		}
	}
	return out
}

// inSession are the processes of a session whose leader still is the process
// that was recorded: a later one of the same number is somebody else's.
func inSession(leader int, since uint64) []int {
	if leader == 0 || since == 0 || startedAt(leader) != since {
		return nil
	}
	return Processes(func(pid int) bool {
		fields := statOf(pid)
		return len(fields) > 3 && string(fields[3]) == strconv.Itoa(leader)
	})
}

// startedAt is when a process was forked, in ticks since boot; 0: it is gone.
func startedAt(pid int) uint64 {
	fields := statOf(pid)
	if len(fields) < 20 {
		return 0
	}
	n, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// ticks are what startedAt counts in: a hundredth of a second on every machine.
func ticks(since time.Duration) uint64 { return uint64(since / (10 * time.Millisecond)) }

func alive(pid int) bool {
	fields := statOf(pid)
	return len(fields) > 0 && fields[0][0] != 'Z' && fields[0][0] != 'X'
}

// Stopped says whether a process was stopped by a signal or a tracer.
func Stopped(pid int) bool {
	fields := statOf(pid)
	return len(fields) > 0 && strings.ContainsAny(string(fields[0]), "tT")
}

// statOf is what stands behind the name in a process's stat: state, parent,
// group, session. The name may hold anything.
func statOf(pid int) [][]byte {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return nil
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
}

// procFile is where the kernel tells of a process.
func procFile(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}
