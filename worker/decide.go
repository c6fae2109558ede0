package worker

import "github.com/berthd/berth"

// phase is how far this agent has come with an allocation.
type phase string

const (
	phaseNone     phase = "none"     // nothing done, nothing runs
	phaseFencing  phase = "fencing"  // the fence is in flight
	phaseFenced   phase = "fenced"   // ours to start, waiting for its turn
	phaseStarting phase = "starting" // the runtime is at it
	phaseRunning  phase = "running"
	phaseEnded    phase = "ended" // its exit is known, reported or not
)

// action is what is to be done about an allocation now.
type action string

const (
	actNothing action = "nothing"
	actFence   action = "fence"
	actStart   action = "start"
	actStop    action = "stop"   // ask the container to end
	actKill    action = "kill"   // it should not be there
	actReject  action = "reject" // report that it never ran here
	actLost    action = "lost"   // report that it may have run
	actReport  action = "report"
	actForget  action = "forget"
)

// situation is all that a decision is made from.
type situation struct {
	State    berth.State // as stored; empty: the allocation is gone
	Own      bool        // of this epoch
	Ordered  bool        // a stop order stands in it
	Phase    phase
	Stopping bool // our container was already asked to end
	Closed   bool // the worker takes no new work
}

// decide is pure: the same situation, the same action.
func decide(s situation) action {
	switch {
	case s.State == "":
		return decideGone(s.Phase)
	case !s.Own:
		return actNothing // its epoch is over: its end is the daemon's to write
	}
	switch s.Phase {
	case phaseNone:
		return decideUntouched(s)
	case phaseFenced:
		if s.Ordered || s.Closed {
			return actReject
		}
		return actStart
	case phaseRunning:
		return decideRunning(s)
	case phaseEnded:
		if s.State != berth.StateExited {
			return actReport
		}
	case phaseFencing, phaseStarting: // its outcome comes as an event
	}
	return actNothing
}

// decideGone is for an allocation that was taken back. Only a PLACED one
// should be, so a container that runs without one is an error that is made good.
func decideGone(p phase) action {
	switch p {
	case phaseNone, phaseFenced, phaseEnded:
		return actForget
	case phaseRunning:
		return actKill
	case phaseFencing, phaseStarting:
	}
	return actNothing
}

// decideUntouched is for an allocation that this agent has done nothing about.
// One that is past the fence was fenced by an agent of this epoch that lost its
// memory: it may have run, and is never started again.
func decideUntouched(s situation) action {
	switch s.State {
	case berth.StatePlaced:
		if s.Ordered || s.Closed {
			return actReject
		}
		return actFence
	case berth.StateStarting, berth.StateRunning:
		return actLost
	}
	return actNothing // EXITED: reported, and still to be ended
}

func decideRunning(s situation) action {
	switch {
	case s.State == berth.StateExited || s.State == berth.StatePlaced:
		return actKill // nobody but us reports, and nobody takes a fence back
	case s.Ordered && !s.Stopping:
		return actStop
	case s.State == berth.StateStarting:
		return actReport
	}
	return actNothing
}
