package process

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// marks knows the processes of a container without cgroups: by their session,
// and by the mark in the environment that they inherit. A process that left its
// session and emptied its environment is not found: only cgroups hold that one.
type marks struct{ why string }

func (m *marks) close() {}

func (m *marks) enforces() []string { return nil }

func (m *marks) missing() string { return m.why }

func (m *marks) left(_ string) ([]string, error) { return nil, nil }

func (m *marks) make(_, mark string, _, _ int64) (group, error) {
	return &markedGroup{mark: mark}, nil
}

type markedGroup struct {
	mark  string
	first int // its session; written by fork, before all else is called
}

func (g *markedGroup) fork(_ int, cmd *exec.Cmd, check func() error) error {
	if err := begin(cmd, check); err != nil {
		return err
	}
	g.first = cmd.Process.Pid
	return nil
}

func (g *markedGroup) pids() []int {
	return processes(func(pid int) bool { return sessionOf(pid) == g.first || marked(pid, g.mark+"\x00") })
}

func (g *markedGroup) signal(s unix.Signal) {
	for _, pid := range g.pids() {
		_ = unix.Kill(pid, s) // it may have ended
	}
}

func (g *markedGroup) end() int {
	kill := func() { g.signal(unix.SIGKILL) }
	return killUntilNone(g.pids, kill, kill)
}

func (g *markedGroup) outOfMemory() bool { return false }

func (g *markedGroup) remove() error { return nil }

// processes that live and match. One that has ended and was not reaped by its
// parent is not alive.
func processes(match func(pid int) bool) []int {
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

// marked looks for a mark in a process's environment, which begins with it.
func marked(pid int, mark string) bool {
	env, err := os.ReadFile(procFile(pid, "environ"))
	return err == nil && bytes.Contains(append([]byte{0}, env...), []byte("\x00"+markVariable+"="+mark))
}

func sessionOf(pid int) int {
	_, fields := statOf(pid)
	if len(fields) < 4 {
		return 0
	}
	n, err := strconv.Atoi(string(fields[3]))
	if err != nil {
		return 0
	}
	return n
}

func alive(pid int) bool {
	state, _ := statOf(pid)
	return state != 0 && state != 'Z' && state != 'X'
}

// statOf is the state of a process and what stands behind it in its stat: state,
// parent, group, session. The name before it may hold anything.
func statOf(pid int) (state byte, fields [][]byte) {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, nil
	}
	at := bytes.LastIndexByte(text, ')')
	if at < 0 {
		return 0, nil
	}
	fields = bytes.Fields(text[at+1:])
	if len(fields) == 0 {
		return 0, nil
	}
	return fields[0][0], fields
}

// procFile is where the kernel tells of a process.
func procFile(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}
