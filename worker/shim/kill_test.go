package shim

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// sleeper is a process that does nothing.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1013")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	})
	return cmd.Process.Pid
}

// old waits until what was forked before it is older than what a look from now on
// takes for new.
func old(t *testing.T) {
	t.Helper()
	for now := ticks(Boottime()); ticks(Boottime()) == now; {
		<-time.After(time.Millisecond)
	}
}

// A process that the cgroup lists, twice, and that is a descendant too is asked once;
// so is one that the first look has missed; and one that was forked since, never.
func TestKiller_AsksOnce(t *testing.T) {
	dir := t.TempDir()
	first, missed := sleeper(t), sleeper(t)
	text := fmt.Sprintf("%d\n%d\n", first, first)
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	old(t)
	looks, later := 0, 0
	k := killer{group: &Group{Unified: dir}, others: func() []int {
		switch looks++; looks {
		case 1:
			return []int{first}
		case 2:
			later = sleeper(t)
		}
		return []int{missed, later, first}
	}}
	got := map[int]int{}
	k.ask(func(pid int) { got[pid]++ })
	if want := map[int]int{first: 1, missed: 1}; !maps.Equal(got, want) {
		t.Errorf("asked %v, want %v; %d was forked since", got, want, later)
	}
	if pids := k.pids(); !slices.Equal(pids, slices.Compact(slices.Clone(pids))) {
		t.Errorf("listed %v", pids)
	}
}

// What forks for ever is not looked at for ever.
func TestKiller_AsksBounded(t *testing.T) {
	all := make([]int, 2*askSweeps)
	for i := range all {
		all[i] = sleeper(t)
	}
	old(t)
	looks := 0
	k := killer{group: &Group{}, others: func() []int { looks++; return all[:min(looks, len(all))] }}
	if k.ask(func(int) {}); looks != askSweeps {
		t.Errorf("looked %d times, want %d", looks, askSweeps)
	}
}

// What is found in several ways, by its cgroup and as a descendant, is signalled once.
func TestKiller_SignalsOnce(t *testing.T) {
	k := killer{group: &Group{}, others: func() []int { return []int{9, 7, 9, 7} }}
	if got := k.pids(); !slices.Equal(got, []int{7, 9}) {
		t.Errorf("processes 7 and 9, each found twice, are %v", got)
	}
}
