package daemon

import (
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// The workers to avoid stand in the order in which they last failed: the one that
// stands first is the next to be tried where all are avoided.
func TestNext_AvoidsInOrder(t *testing.T) {
	full := []berth.WorkerID{"a", "b", "c", "d", "e", "f", "g", "h"}
	tests := []struct {
		name string
		was  []berth.WorkerID
		on   berth.WorkerID
		want []berth.WorkerID
	}{
		{"the first", nil, "a", []berth.WorkerID{"a"}},
		{"another", []berth.WorkerID{"a"}, "b", []berth.WorkerID{"a", "b"}},
		{"the same again", []berth.WorkerID{"a", "b"}, "b", []berth.WorkerID{"a", "b"}},
		{"an earlier one again", []berth.WorkerID{"a", "b"}, "a", []berth.WorkerID{"b", "a"}},
		{"one too many", full, "i", append(slices.Clone(full[1:]), "i")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := ending{
				worker: tt.on, allocation: &berth.Allocation{Attempt: 1}, progress: &berth.Progress{Avoid: tt.was},
				submission: &berth.Submission{},
			}
			if got := e.next(verdict{state: berth.StatePending, avoid: true}).Avoid; !slices.Equal(got, tt.want) {
				t.Errorf("avoids %v, want %v", got, tt.want)
			}
		})
	}
}

// What drains a group counts nowhere, however often it does; what else puts it back is
// bounded.
func TestJudge_DrainsAreExcused(t *testing.T) {
	stop := func(why berth.StopReason) *berth.Allocation {
		return &berth.Allocation{State: berth.StateRunning, Attempt: 150, GroupAttempt: 150, Stop: &berth.StopOrder{Reason: why}}
	}
	rejected := &berth.Allocation{State: berth.StateExited, Attempt: 150, GroupAttempt: 150, Exit: &berth.Exit{Kind: berth.ExitRejected}}
	tests := []struct {
		name    string
		of      *berth.Allocation
		excused int64 // of the group's attempts before
		want    berth.State
	}{
		{"drained, like all before", stop(berth.StopDrain), 149, berth.StatePending},
		{"drained, unlike those before", stop(berth.StopDrain), 0, berth.StatePending},
		{"preempted, like all before", stop(berth.StopPreempt), 149, berth.StatePending},
		{"stopped with its group, after drains", stop(berth.StopGroup), 149, berth.StatePending},
		{"rejected after drains", rejected, 51, berth.StatePending},
		{"rejected too often", rejected, 50, berth.StateFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := ending{
				allocation: tt.of, cause: causeExited, progress: &berth.Progress{}, submission: &berth.Submission{},
				group: &berth.Group{State: berth.GroupPlaced, Attempt: 150, Excused: tt.excused},
			}
			if v := judge(e); v.state != tt.want {
				t.Errorf("%s %s, want %s", v.state, v.reason, tt.want)
			}
		})
	}
}
