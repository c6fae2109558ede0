package shim

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// hardAfter is how many rounds of plain killing come before the hard ones.
const hardAfter = 2

// killer ends a container's tree, however often it forks meanwhile.
type killer struct {
	group *Group
	// others are its processes that the cgroup may not hold.
	others func() []int
	// none says whether nothing is left, besides what is in the cgroup.
	none func() bool
}

// Bury ends what a shim that was killed has left: what is in the cgroup, what has
// the mark, and what is in the session of the first process. What left all three
// is not found: only the shim holds that one.
func Bury(g Group, r Running) {
	others := func() []int { return left(g, r) }
	k := killer{group: &g, others: others, none: func() bool { return len(others()) == 0 }}
	k.end()
}

// left are the processes of a container by mark and by session. A group without a
// mark has none: every other process of the machine has no mark either.
func left(g Group, r Running) []int {
	out := inSession(r.PID, r.Since)
	if g.Mark == "" {
		return out
	}
	return append(out, Processes(func(pid int) bool { return Mark(pid, g.Mark) == g.Mark })...)
}

// pids are all processes that are known of, each once: many a program takes a second SIGTERM for the order to end at once.
func (k *killer) pids() []int {
	all := append(k.group.members(), k.others()...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (k *killer) signal(s unix.Signal) {
	for _, pid := range k.pids() {
		_ = unix.Kill(pid, s) // it may have ended
	}
}

// end kills until nothing is left, however long the kernel takes: an end must
// not be told while something still runs.
func (k *killer) end() {
	for round, pause := 0, time.Millisecond; k.living() || !k.none(); round, pause = round+1, min(2*pause, 100*time.Millisecond) {
		if round >= hardAfter {
			k.hold()
		}
		targets := k.others()
		if !k.group.killAll() {
			targets = k.pids()
		}
		for _, pid := range targets {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
		}
		k.group.freeze(false)
		time.Sleep(pause)
	}
}

// living says whether the cgroup holds a process that has not ended.
func (k *killer) living() bool { return slices.ContainsFunc(k.group.members(), alive) }

// holdSweeps bounds one hold: what forks on is killed in the next round.
const holdSweeps = 50

// hold keeps all from forking, so that what is killed next is all there is: by
// freezing the cgroup, and by stopping what is outside of it, until a look finds
// nothing new.
func (k *killer) hold() {
	k.group.freeze(true)
	seen := map[int]bool{}
	for range holdSweeps {
		fresh := false
		for _, pid := range k.others() {
			if !seen[pid] {
				seen[pid], fresh = true, true
				_ = unix.Kill(pid, unix.SIGSTOP) // it may have ended
			}
		}
		if !fresh {
			return
		}
	}
}
