package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
)

// ending is what is known of an attempt that is over.
type ending struct {
	id         berth.RequestID
	worker     berth.WorkerID
	submission *berth.Submission
	progress   *berth.Progress
	allocation *berth.Allocation
	cause      cause
	message    string
	group      *berth.Group // of a member
	now        time.Time
	comesBack  time.Time // it is not placed again sooner
}

// cause says which event ended an attempt.
type cause string

const (
	causeExited       cause = "exited"        // the worker reported EXITED
	causeGone         cause = "gone"          // its worker's epoch is over
	causeStartTimeout cause = "start_timeout" // taken back while PLACED
	causeCancelled    cause = "cancelled"     // taken back while PLACED
	causeDrained      cause = "drained"       // taken back while PLACED
	causePreempted    cause = "preempted"     // taken back while PLACED
	causeReclaimed    cause = "reclaimed"     // taken back while PLACED
	causeGroup        cause = "group"         // taken back while PLACED: its group is placed anew, or ends
)

// maxAvoid bounds the workers that a request remembers to avoid, the last that
// failed it last: where no other fits, they are tried in that order.
const maxAvoid = 8

// verdict is how one attempt counts: final states archive the request; PENDING
// tries again, free of charge or not.
type verdict struct {
	state   berth.State
	reason  berth.EndReason
	message string
	charge  bool // uses up an attempt of the retry policy
	backoff bool
	avoid   bool // the worker failed to start it

	replacedBy berth.RequestID // with EndReplaced
}

// replacedBy ends a request in whose place its successor runs.
func replacedBy(by berth.RequestID) verdict {
	return verdict{state: berth.StateCancelled, reason: berth.EndReplaced, message: "replaced by " + string(by), replacedBy: by}
}

// excused says whether an operator, a request of higher priority, or who had lent what it used, has
// ended the attempt: it is nobody's fault, and counts nowhere.
func (v verdict) excused() bool {
	return v.reason == berth.EndDrained || v.reason == berth.EndPreempted || v.reason == berth.EndReclaimed
}

// drainsSettle is how long a group of which a member was drained is not placed anew: more
// workers that it is on, or would go to, may be drained with the first.
const drainsSettle = time.Second

// judge decides what follows an attempt. It is pure: same ending, same verdict.
func judge(e ending) verdict {
	v := e.alone()
	if v.state == berth.StatePending && e.group != nil && e.group.State == berth.GroupEnding {
		return overWith(e.group)
	}
	return v
}

// alone is what would follow for a request without a group.
func (e ending) alone() verdict {
	v := e.attempt()
	if v.charge && e.late() {
		v.charge, v.state = false, berth.StatePending // another member's end was counted for this attempt
	}
	if !v.charge {
		if v.state == berth.StatePending && !v.excused() && e.counted() >= berth.MaxAttempts {
			v.state = berth.StateFailed
		}
		return v
	}
	if e.used()+1 < e.submission.Spec.Retry.MaxAttempts {
		v.state = berth.StatePending
	}
	return v
}

// used are the attempts that the retry policy has counted: a member's are its group's.
func (e ending) used() int64 {
	if e.group != nil {
		return e.group.Used
	}
	return e.progress.Used
}

// counted are the attempts of which berth.MaxAttempts bounds the number: a member's are
// its group's, but for those that are nobody's fault.
func (e ending) counted() int64 {
	if e.group != nil {
		return e.allocation.GroupAttempt - e.group.Excused
	}
	return e.allocation.Attempt
}

// late says whether the group's attempt was over before this member's.
func (e ending) late() bool { return e.group != nil && e.allocation.GroupAttempt < e.group.Attempt }

// attempt says how the attempt itself ended. Where charge is set, state is the
// one to end in when no attempt is left.
func (e ending) attempt() verdict {
	a := e.allocation
	switch e.cause {
	case causeCancelled:
		return verdict{state: berth.StateCancelled, reason: berth.EndCancelled, message: e.message}
	case causeDrained:
		return verdict{state: berth.StatePending, reason: berth.EndDrained}
	case causePreempted:
		return verdict{state: berth.StatePending, reason: berth.EndPreempted}
	case causeReclaimed:
		return verdict{state: berth.StatePending, reason: berth.EndReclaimed}
	case causeGroup:
		return verdict{state: berth.StatePending, reason: berth.EndGroup}
	case causeStartTimeout:
		return verdict{state: berth.StatePending, reason: berth.EndStartTimeout, backoff: true, avoid: true}
	}
	if a.Stop != nil {
		if v, ok := stopped(a); ok {
			return v
		}
	}
	if a.State == berth.StateExited && a.Exit != nil {
		return e.exited()
	}
	if a.State == berth.StatePlaced { // its worker is gone; it never ran
		return verdict{state: berth.StatePending, reason: berth.EndWorkerLost}
	}
	return verdict{state: berth.StateLost, reason: berth.EndWorkerLost, charge: e.retries(berth.RetryLost), backoff: true}
}

// retries says whether the policy tries again after an attempt that may have run, and ended so.
func (e ending) retries(end berth.RetryEnd) bool { return e.submission.Spec.Retry.Retries(end) }

// stopped judges an attempt that was ordered to stop.
func stopped(a *berth.Allocation) (verdict, bool) {
	switch a.Stop.Reason {
	case berth.StopCancel:
		return verdict{state: berth.StateCancelled, reason: berth.EndCancelled, message: a.Stop.Message}, true
	case berth.StopRunLimit:
		return verdict{state: berth.StateFailed, reason: berth.EndRunLimit, message: a.Stop.Message}, true
	case berth.StopDrain:
		if by := a.Stop.ReplacedBy; by != "" {
			return replacedBy(by), true
		}
		return verdict{state: berth.StatePending, reason: berth.EndDrained}, true
	case berth.StopGroup:
		return verdict{state: berth.StatePending, reason: berth.EndGroup}, true
	case berth.StopPreempt:
		return verdict{state: berth.StatePending, reason: berth.EndPreempted}, true
	case berth.StopReclaim:
		return verdict{state: berth.StatePending, reason: berth.EndReclaimed}, true
	}
	return verdict{}, false
}

func (e ending) exited() verdict {
	x := e.allocation.Exit
	switch x.Kind {
	case berth.ExitStartFailed:
		return verdict{state: berth.StateFailed, reason: berth.EndStartFailed, message: x.Message, charge: e.retries(berth.RetryStartFailed), backoff: true, avoid: true}
	case berth.ExitRejected:
		return verdict{state: berth.StatePending, reason: berth.EndRejected, message: x.Message, backoff: true, avoid: true}
	case berth.ExitMayHaveRun:
		return verdict{state: berth.StateLost, reason: berth.EndWorkerLost, message: x.Message, charge: e.retries(berth.RetryLost), backoff: true}
	case berth.ExitDeadline:
		if !e.retries(berth.RetryLost) { // it has run, and who is not to run twice must not
			return verdict{state: berth.StateLost, reason: berth.EndWorkerLost, message: x.Message}
		}
		return verdict{state: berth.StatePending, reason: berth.EndWorkerLost, message: x.Message, backoff: true}
	case berth.ExitExited:
		if x.Code == 0 {
			return verdict{state: berth.StateSucceeded, reason: berth.EndExited}
		}
		return verdict{state: berth.StateFailed, reason: berth.EndExited, message: x.Message, charge: e.retries(failureOf(x)), backoff: true}
	}
	reason := berth.EndSignaled
	if x.OOM {
		reason = berth.EndOOM
	}
	return verdict{state: berth.StateFailed, reason: reason, message: x.Message, charge: e.retries(failureOf(x)), backoff: true}
}

// failureOf tells a container that needed too much memory from any other that failed,
// also where it was a child that the kernel killed and the container exited by itself.
func failureOf(x *berth.Exit) berth.RetryEnd {
	if x.OOM {
		return berth.RetryOOM
	}
	return berth.RetryFailure
}

// archive is the final record of the request under verdict v. It always fits, beside
// the largest request: what stands in the allocation was written by a worker, or by
// a daemon that bounded no message.
func (e ending) archive(v verdict) *berth.Archive {
	return &berth.Archive{
		Digest: e.submission.Digest, Spec: e.submission.Spec,
		State: v.state, Reason: v.reason, Message: berth.Clip(v.message, berth.MaxMessageBytes),
		Attempt: e.allocation.Attempt, Worker: e.worker, Exit: clipped(e.allocation.Exit),
		SubmittedAt: e.submission.SubmittedAt, PlacedAt: e.allocation.PlacedAt,
		StartedAt: e.allocation.StartedAt, EndedAt: e.now, ReplacedBy: v.replacedBy,
	}
}

// clipped is an exit whose words are bounded.
func clipped(x *berth.Exit) *berth.Exit {
	if x == nil {
		return nil
	}
	out := *x
	out.Message = berth.Clip(x.Message, berth.MaxMessageBytes)
	out.Signal = berth.Clip(x.Signal, berth.MaxLabelBytes)
	return &out
}

// next is the request's state before its next attempt.
func (e ending) next(v verdict) *berth.Progress {
	p := &berth.Progress{
		State: berth.StatePending, Attempt: e.allocation.Attempt + 1, Used: e.used(),
		Priority: e.progress.Priority, Avoid: slices.Clone(e.progress.Avoid), LastEnd: v.reason,
	}
	if v.charge {
		p.Used++
	}
	if v.backoff {
		p.NotBefore = e.now.Add(backoff(e.submission.Spec.Retry.BackoffMS, e.allocation.Attempt))
	}
	if v.reason == berth.EndDrained && e.group != nil {
		p.NotBefore = e.now.Add(drainsSettle)
	}
	p.NotBefore = latest(p.NotBefore, e.comesBack)
	if v.avoid {
		p.Avoid = append(slices.DeleteFunc(p.Avoid, func(w berth.WorkerID) bool { return w == e.worker }), e.worker)
		p.Avoid = p.Avoid[max(0, len(p.Avoid)-maxAvoid):]
	}
	return p
}

// backoff doubles with each attempt, up to berth.MaxBackoffMS.
func backoff(baseMS, attempt int64) time.Duration {
	ms := baseMS
	for i := int64(1); i < attempt && ms < berth.MaxBackoffMS; i++ {
		ms *= 2
	}
	return time.Duration(min(ms, berth.MaxBackoffMS)) * time.Millisecond
}
