package daemon

import (
	"slices"
	"testing"
	"time"

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
		{"reclaimed, like all before", stop(berth.StopReclaim), 149, berth.StatePending},
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

// After which ends an attempt that may have run is made again is the request's to say;
// those that have not run, and those that others have ended, are whatever it says.
func TestJudge_RetryOn(t *testing.T) {
	exit := func(x berth.Exit) *berth.Allocation {
		return &berth.Allocation{State: berth.StateExited, Attempt: 1, Exit: &x}
	}
	ends := []struct {
		name  string
		of    *berth.Allocation
		by    berth.RetryEnd // empty: always
		state berth.State    // else
	}{
		{"exit code", exit(berth.Exit{Kind: berth.ExitExited, Code: 3}), berth.RetryFailure, berth.StateFailed},
		{"signal", exit(berth.Exit{Kind: berth.ExitSignaled, Code: 137}), berth.RetryFailure, berth.StateFailed},
		{"killed for memory", exit(berth.Exit{Kind: berth.ExitSignaled, Code: 137, OOM: true}), berth.RetryOOM, berth.StateFailed},
		{"a child killed for memory", exit(berth.Exit{Kind: berth.ExitExited, Code: 137, OOM: true}), berth.RetryOOM, berth.StateFailed},
		{"start failed", exit(berth.Exit{Kind: berth.ExitStartFailed}), berth.RetryStartFailed, berth.StateFailed},
		{"may have run", exit(berth.Exit{Kind: berth.ExitMayHaveRun}), berth.RetryLost, berth.StateLost},
		{"at the deadline", exit(berth.Exit{Kind: berth.ExitDeadline}), berth.RetryLost, berth.StateLost},
		{"worker gone", &berth.Allocation{State: berth.StateRunning, Attempt: 1}, berth.RetryLost, berth.StateLost},
		{"worker gone before", &berth.Allocation{State: berth.StatePlaced, Attempt: 1}, "", ""},
		{"rejected", exit(berth.Exit{Kind: berth.ExitRejected}), "", ""},
		{"drained", &berth.Allocation{State: berth.StateRunning, Attempt: 1, Stop: &berth.StopOrder{Reason: berth.StopDrain}}, "", ""},
	}
	policies := map[string]berth.RetryPolicy{
		"default": {}, "on_failure": {OnFailure: true},
		"failure": {On: []berth.RetryEnd{berth.RetryFailure}}, "oom": {On: []berth.RetryEnd{berth.RetryOOM}},
		"lost": {On: []berth.RetryEnd{berth.RetryLost}}, "start_failed": {On: []berth.RetryEnd{berth.RetryStartFailed}},
	}
	for _, tt := range ends {
		for name, policy := range policies {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				policy.MaxAttempts, policy.BackoffMS = 2, 100
				e := ending{allocation: tt.of, cause: causeExited, progress: &berth.Progress{}, submission: &berth.Submission{Spec: berth.Request{Retry: policy}}}
				want := tt.state
				if tt.by == "" || policy.Retries(tt.by) {
					want = berth.StatePending
				}
				if v := judge(e); v.state != want {
					t.Errorf("%s %s, want %s", v.state, v.reason, want)
				}
			})
		}
	}
}

// What fails whenever it runs does not spin: each attempt waits twice as long, up to a minute.
func TestNext_BackoffDoubles(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for attempt, want := range map[int64]time.Duration{1: 100, 2: 200, 3: 400, 10: 51_200, 11: 60_000, 100: 60_000} {
		e := ending{
			allocation: &berth.Allocation{State: berth.StateExited, Attempt: attempt, Exit: &berth.Exit{Kind: berth.ExitExited, Code: 1}}, cause: causeExited, now: now,
			progress: &berth.Progress{}, submission: &berth.Submission{Spec: berth.Request{Retry: berth.RetryPolicy{MaxAttempts: 100, On: []berth.RetryEnd{berth.RetryFailure}, BackoffMS: 100}}},
		}
		if got := e.next(judge(e)).NotBefore.Sub(now); got != want*time.Millisecond {
			t.Errorf("after attempt %d it waits for %s, want %s", attempt, got, want*time.Millisecond)
		}
	}
}
