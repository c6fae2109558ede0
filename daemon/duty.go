package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// circumstances is all that the duty on one allocation depends on.
type circumstances struct {
	allocation  *berth.Allocation
	workerEpoch berth.Epoch // of the worker now; 0: its key is gone
	proved      bool        // the worker's newer epoch is of the same agent, which has ended all of the older one
	firstSeen   time.Time   // this state of the allocation, by this daemon
	sawStart    bool        // and the one before it
	graceEnds   time.Time   // of a lost epoch, without the allocation's own keep; zero: not known yet
	brake       brakeHold   // of a lost worker's pool
	cancel      *cancelOrder
	intent      *berth.Intent // with the worker
	evicted     string        // by a taint, in words; empty: by none
	replace     bool          // the request asks for a successor that runs before it is stopped
	successor   berth.RequestID
	heir        heir    // how the successor stands
	vacant      vacancy // where there is none
	fate        fate    // by its group
	fateWhy     string
	runLimit    time.Duration
	stopTimeout time.Duration
	now         time.Time
}

// brakeHold is how a pool's brake holds up a move.
type brakeHold struct {
	on bool      // until it is released, which makes this due again
	at time.Time // otherwise, not before
}

// duty is what a daemon owes an allocation now: an end, a stop order, or
// nothing until a moment (zero: until something about it changes).
type duty struct {
	end     cause
	submit  bool // its successor
	gone    bool // compare that the worker's epoch is over
	stop    *berth.StopOrder
	message string
	at      time.Time
}

// idle says whether there is nothing to do now.
func (d duty) idle() bool { return d.end == "" && d.stop == nil && !d.submit }

// decide is pure: it maps circumstances to a duty.
func decide(c circumstances) duty {
	a := c.allocation
	if a.State == berth.StateExited {
		return duty{end: causeExited}
	}
	if c.workerEpoch != a.Epoch {
		return c.gone()
	}
	switch {
	case a.State == berth.StatePlaced && c.cancel != nil:
		return duty{end: causeCancelled, message: c.cancel.message}
	case a.State == berth.StatePlaced && c.fate != fateNone:
		return duty{end: causeGroup}
	case a.State == berth.StatePlaced && (c.intent.Empties() || c.evicted != ""):
		return duty{end: causeDrained}
	case a.State == berth.StatePlaced && a.Stop != nil && a.Stop.Reason == berth.StopPreempt:
		return duty{end: causePreempted}
	case a.State == berth.StatePlaced && a.Stop != nil && a.Stop.Reason == berth.StopReclaim:
		return duty{end: causeReclaimed}
	case a.State == berth.StatePlaced:
		return later(c.now, c.firstSeen.Add(time.Duration(a.StartTimeoutMS)*time.Millisecond), duty{end: causeStartTimeout})
	case c.cancel != nil && (a.Stop == nil || a.Stop.Reason != berth.StopCancel):
		return c.order(berth.StopCancel, c.cancel.message)
	case a.Stop != nil:
		return duty{}
	case c.fate != fateNone:
		return c.order(berth.StopGroup, c.fateWhy)
	}
	if c.evicted != "" {
		return c.order(berth.StopDrain, "its worker's taint "+c.evicted)
	}
	d := c.drained()
	if !d.idle() || c.runLimit == 0 || a.StartedAt.IsZero() {
		return d
	}
	over := later(c.now, c.runsSince().Add(c.runLimit), c.order(berth.StopRunLimit, "ran for its limit of "+c.runLimit.String()))
	if over.idle() {
		over.at = sooner(over.at, d.at)
	}
	return over
}

// drained is the duty that a drain puts on a container that runs. Under a pace,
// lookDrain does what begins; what was begun is gone on with here.
func (c circumstances) drained() duty {
	if !c.intent.Empties() {
		return duty{}
	}
	p := paceOf(c.intent, 0, c.now)
	m := moveStop
	if c.replace {
		m = moveOf(c.heir, p.late)
	}
	switch {
	case m == moveHand:
		d := c.order(berth.StopDrain, c.intent.Message)
		d.stop.ReplacedBy = c.successor
		return d
	case m == moveSubmit && (p.all || !c.intent.Paced()): // it disturbs nobody: not put off to the deadline
		return later(c.now, c.vacant.at, duty{submit: true})
	case m == moveStop && p.all:
		return c.order(berth.StopDrain, c.intent.Message)
	}
	return duty{}
}

// gone is the duty on an allocation whose worker's epoch is over. A newer epoch of
// the same agent proves the old one dead; otherwise what may run gets its grace.
func (c circumstances) gone() duty {
	a := c.allocation
	end := duty{end: causeGone, gone: true}
	if c.proved || a.State == berth.StatePlaced || c.intent.Dead {
		return end
	}
	if c.graceEnds.IsZero() {
		return duty{}
	}
	due := c.graceEnds.Add(time.Duration(a.KeepMS) * time.Millisecond)
	switch cancelled := c.cancel != nil || c.fate == fateOver || a.Stop != nil && a.Stop.Reason == berth.StopCancel; {
	case cancelled: // it runs nowhere again
	case c.brake.on:
		return duty{}
	case c.brake.at.After(due):
		due = c.brake.at
	}
	return later(c.now, due, end)
}

func (c circumstances) order(why berth.StopReason, message string) duty {
	return duty{stop: &berth.StopOrder{Reason: why, Deadline: c.now.Add(c.stopTimeout), Message: message}}
}

func later(now, due time.Time, d duty) duty {
	if now.Before(due) {
		return duty{at: due}
	}
	return d
}
