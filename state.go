package berth

import "fmt"

// State is where a request is in its life.
type State string

// A request moves down this list; from Placed, Starting and Running it may go
// back to Pending with the next attempt.
const (
	StatePending   State = "PENDING"
	StatePlaced    State = "PLACED"   // reserved on a worker, not started
	StateStarting  State = "STARTING" // the worker has fenced the start
	StateRunning   State = "RUNNING"
	StateExited    State = "EXITED" // of an allocation only: reported, not yet ended
	StateSucceeded State = "SUCCEEDED"
	StateFailed    State = "FAILED"
	StateCancelled State = "CANCELLED"
	StateExpired   State = "EXPIRED" // not placed within its pending limit
	StateLost      State = "LOST"    // its worker vanished, and no attempt is left
)

var allStates = []State{
	StatePending, StatePlaced, StateStarting, StateRunning, StateExited,
	StateSucceeded, StateFailed, StateCancelled, StateExpired, StateLost,
}

// Final says whether a request in s never runs again.
func (s State) Final() bool {
	switch s {
	case StateSucceeded, StateFailed, StateCancelled, StateExpired, StateLost:
		return true
	}
	return false
}

// Allocated says whether an allocation in s holds capacity.
func (s State) Allocated() bool {
	switch s {
	case StatePlaced, StateStarting, StateRunning, StateExited:
		return true
	}
	return false
}

// MayRun says whether a container of an allocation in s may be alive, were its
// worker gone silent: everything past the fence.
func (s State) MayRun() bool { return s == StateStarting || s == StateRunning }

// UnmarshalText rejects every word that is not a state.
func (s *State) UnmarshalText(b []byte) error { return decodeWord(s, b, "state", allStates) }

// StopReason is why an allocation was ordered to stop.
type StopReason string

// The reasons of a stop order, and what follows its end.
const (
	StopCancel   StopReason = "cancel"    // CANCELLED
	StopPreempt  StopReason = "preempt"   // back to PENDING, no attempt used up
	StopDrain    StopReason = "drain"     // back to PENDING, no attempt used up
	StopRunLimit StopReason = "run_limit" // FAILED
	StopReclaim  StopReason = "reclaim"   // back to PENDING, no attempt used up
	StopGroup    StopReason = "group"     // back to PENDING, no attempt used up; CANCELLED where its group ends
)

// UnmarshalText rejects every word that is not a reason.
func (r *StopReason) UnmarshalText(b []byte) error {
	return decodeWord(r, b, "stop reason", []StopReason{StopCancel, StopPreempt, StopDrain, StopRunLimit, StopReclaim, StopGroup})
}

// ExitKind is how an attempt came to its end.
type ExitKind string

// The kinds of exit.
const (
	ExitExited      ExitKind = "exited"       // by itself, with a code
	ExitSignaled    ExitKind = "signaled"     // by a signal
	ExitStartFailed ExitKind = "start_failed" // never ran: for what it names, or for the machine (see Exit.OwnFault)
	ExitRejected    ExitKind = "rejected"     // the worker refused before the fence; it never ran
	ExitMayHaveRun  ExitKind = "may_have_run" // the agent died around the start
	ExitDeadline    ExitKind = "deadline"     // ended, for its lease was not kept alive
)

// UnmarshalText rejects every word that is not a kind.
func (k *ExitKind) UnmarshalText(b []byte) error {
	return decodeWord(k, b, "exit kind", []ExitKind{ExitExited, ExitSignaled, ExitStartFailed, ExitRejected, ExitMayHaveRun, ExitDeadline})
}

// Codes of a start that failed for what the request names (a command, a directory, a user), as
// shells give them. Any other failed start has 0: it is the machine's.
const (
	CodeCannotRun int64 = 126 // it is there, and cannot be executed, entered or become
	CodeNotFound  int64 = 127 // it is not there
)

// OwnFault says whether the attempt could not be started for what its request names: it would
// fail on any other machine that is as this one should be, and says nothing about this one.
func (x *Exit) OwnFault() bool { return x.Kind == ExitStartFailed && x.Code != 0 }

// EndReason is why a request has its final state, or why an attempt ended.
type EndReason string

// The reasons of an end.
const (
	EndExited       EndReason = "exited"        // by itself; the exit code says how
	EndSignaled     EndReason = "signaled"      // by a signal that Berth did not send
	EndOOM          EndReason = "out_of_memory" // above its memory limit
	EndStartFailed  EndReason = "start_failed"
	EndStartTimeout EndReason = "start_timeout" // the worker did not start it in time
	EndRejected     EndReason = "rejected"
	EndCancelled    EndReason = "cancelled"
	EndPreempted    EndReason = "preempted"
	EndReclaimed    EndReason = "reclaimed" // what it used was another tenant's, which wanted it back
	EndDrained      EndReason = "drained"
	EndRunLimit     EndReason = "run_limit"
	EndPendingLimit EndReason = "pending_limit"
	EndWorkerLost   EndReason = "worker_lost"
	EndReplaced     EndReason = "replaced"   // its successor runs in its place
	EndGroup        EndReason = "group"      // its group is placed anew, or has ended
	EndIncomplete   EndReason = "incomplete" // its group was never submitted whole
)

// MadeRoom says whether the attempt ended so that another could have what it held: such a request
// has nobody else make room for it before it has run again.
func (r EndReason) MadeRoom() bool { return r == EndPreempted || r == EndReclaimed }

var allEndReasons = []EndReason{
	EndExited, EndSignaled, EndOOM, EndStartFailed, EndStartTimeout, EndRejected,
	EndCancelled, EndPreempted, EndReclaimed, EndDrained, EndRunLimit, EndPendingLimit, EndWorkerLost, EndReplaced,
	EndGroup, EndIncomplete,
}

// UnmarshalText rejects every word that is not a reason.
func (r *EndReason) UnmarshalText(b []byte) error {
	return decodeWord(r, b, "end reason", allEndReasons)
}

func decodeWord[W ~string](to *W, b []byte, what string, words []W) error {
	for _, w := range words {
		if string(w) == string(b) {
			*to = w
			return nil
		}
	}
	return fmt.Errorf("%s %q is not one of %v", what, clip(string(b)), words)
}
