package worker

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth/etcdstore"
)

// now is by the clock that leases run by.
func (e *epoch) now() time.Duration { return e.w.opts.Clock.Now() }

// stopAt moves on with each keepalive that is answered: from then on nothing is
// started, and all is asked to end.
func (e *epoch) stopAt() time.Duration { return e.reg.lease.Deadline() - e.w.opts.StopLead }

// deadline is what containers live by, with their agent or without it.
func (e *epoch) deadline() Deadline {
	return Deadline{Stop: e.stopAt(), Kill: e.reg.lease.Deadline() - e.w.opts.KillMargin}
}

// soon is when containers are killed whose lease is over already: daemons move
// their requests after the kill bound.
func (e *epoch) soon() time.Duration {
	return min(e.now()+e.w.opts.KillBound/2, e.deadline().Kill)
}

// renewed tells the containers of the new deadline. Those of an epoch that was
// given up keep the one they have.
func (e *epoch) renewed() {
	if e.over.Load() {
		return
	}
	e.w.opts.Runtime.Renew(e.number, e.deadline())
	if e.cut && e.now() < e.stopAt() {
		e.cut = false
		e.log.Info("the lease lives on; the epoch goes on", zap.Int("running", e.alive))
	}
	e.rearm()
}

// rearm looks at the clock, does what is due, and sets the alarm for the next.
func (e *epoch) rearm() {
	now := e.now()
	switch {
	case e.over.Load() && now >= e.killAt:
		e.killAll()
	case e.over.Load():
		e.alarm.Set(e.killAt)
	case now < e.stopAt():
		e.alarm.Set(e.stopAt())
	case e.outlives(now):
		e.disconnect(now)
	default:
		e.giveUp("no keepalive was answered for too long", e.deadline().Kill)
	}
}

// outlives says whether a container runs that may do so beyond the lease's
// deadline now.
func (e *epoch) outlives(now time.Duration) bool {
	for _, t := range e.tasks {
		if t.phase == phaseRunning && t.keep > 0 && now < e.deadline().Kill+t.keep {
			return true
		}
	}
	return false
}

// disconnect has each container end at its own deadline, and waits: the lease
// may live on when the store answers again. Nothing is started meanwhile.
func (e *epoch) disconnect(now time.Duration) {
	if !e.cut {
		e.cut = true
		e.log.Warn("cut off from the store; only containers with on_disconnect keep run on", zap.Int("running", e.alive))
	}
	at := e.deadline()
	var next time.Duration
	for _, t := range e.inOrder() {
		if t.phase != phaseRunning {
			continue
		}
		stop, kill := at.Stop+t.keep, at.Kill+t.keep
		due := stop
		switch {
		case now >= kill:
			t.dismissed, t.stopping = dismissedCutOff, true
			t.container.Stop(0, t.dismissed)
			t.container.Kill()
			continue
		case now >= stop:
			t.dismissed, t.stopping = dismissedCutOff, true
			t.container.Stop(kill-now, t.dismissed)
			due = kill
		}
		if next == 0 || due < next {
			next = due
		}
	}
	e.alarm.Set(next)
}

// giveUp ends the epoch for good: everything is asked to end, and killed at
// killAt. Whatever answers come later, it is never taken up again, by this agent
// or the next: that is durable before the first container is asked.
func (e *epoch) giveUp(why string, killAt time.Duration) {
	if e.over.Swap(true) {
		e.killAt = min(e.killAt, killAt)
	} else {
		e.killAt = killAt
		e.log.Warn("epoch given up", zap.String("why", why), zap.Int("running", e.alive), zap.Duration("grace", max(0, killAt-e.now())))
		e.cancelFence()
		if err := giveUp(e.rec, e.w.leaseRecord(e.reg.lease)); err != nil {
			e.log.Error("not on disk that the epoch is over: do not start an agent here before this one has ended its containers", zap.Error(err))
		}
	}
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			t.container.Stop(max(e.killAt-e.now(), 0), dismissedGivenUp)
		}
	}
	e.alarm.Set(e.killAt)
}

// refused says whether the store takes nothing more of this epoch, whose end then
// begins. A newer layout leaves the containers as long as the lease does: nobody
// moves their requests before; the next registration tells Run's caller.
func (e *epoch) refused(err error) bool {
	switch {
	case errors.Is(err, etcdstore.ErrEpochGone):
		e.giveUp("registration gone", e.soon())
	case errors.Is(err, etcdstore.ErrNewerSchema):
		e.giveUp(err.Error(), e.deadline().Kill)
	default:
		return false
	}
	return true
}

func (e *epoch) killAll() {
	e.cancelReport()
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			t.container.Kill()
		}
	}
}
