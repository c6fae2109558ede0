package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// obey stops a container as its allocation orders: killed at the order's
// deadline, and never later than the request's own stop_timeout says.
func (e *epoch) obey(t *task) {
	t.stopping = true
	grace := min(t.allocation.Stop.Deadline.Sub(e.w.opts.Now()), t.stopTimeout())
	e.log.Info("stopping", zap.String("request", string(t.id)), zap.String("reason", string(t.allocation.Stop.Reason)), zap.Duration("grace", max(grace, 0)))
	t.container.Stop(max(grace, 0))
}

// leave begins the orderly end: nothing more is taken.
func (e *epoch) leave() {
	if e.leaving || e.over.Load() {
		return
	}
	e.leaving = true
	e.log.Info("ending", zap.String("on_stop", string(e.w.opts.OnStop)), zap.Int("running", e.alive))
	if !e.w.opts.hollow && e.alive+e.starting > 0 {
		e.cordon()
	}
	if e.w.opts.OnStop == OnStopStop {
		e.dismissAll()
	}
	for _, t := range e.inOrder() {
		e.mark(t)
	}
}

// shorten is for the caller who will not wait: a drain becomes a stop, a stop a
// kill.
func (e *epoch) shorten() {
	e.log.Warn("ending at once", zap.Int("running", e.alive))
	if !e.stopping {
		e.dismissAll()
		return
	}
	e.killing = true
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			t.container.Kill()
		}
	}
}

func (e *epoch) dismissAll() {
	e.stopping = true
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			e.dismiss(t)
		}
	}
}

// dismiss stops a container because the agent is to end.
func (e *epoch) dismiss(t *task) {
	t.dismissed, t.stopping = true, true
	if e.killing {
		t.container.Kill()
		return
	}
	t.container.Stop(t.stopTimeout())
}

// cordon keeps the daemons from placing more here while containers end.
func (e *epoch) cordon() {
	e.calls++
	go func() {
		ctx, cancel := context.WithTimeout(e.fenceCtx, storeTimeout)
		defer cancel()
		err := e.w.cordon(ctx)
		e.post(func() {
			e.calls--
			if err != nil {
				e.log.Warn("not cordoned: what is placed here meanwhile is refused", zap.Error(err))
			}
		})
	}()
}

// giveUp ends the epoch for good: everything is asked to end, and killed at
// killAt. Whatever answers come later, it is never taken up again.
func (e *epoch) giveUp(why string, killAt time.Duration) {
	if e.over.Swap(true) {
		e.killAt = min(e.killAt, killAt)
	} else {
		e.killAt = killAt
		e.log.Warn("epoch given up", zap.String("why", why), zap.Int("running", e.alive), zap.Duration("grace", killAt-e.now()))
		e.cancelFence()
	}
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			t.container.Stop(max(e.killAt-e.now(), 0))
		}
	}
	e.alarm.Set(e.killAt)
}

// now is by the clock that leases run by.
func (e *epoch) now() time.Duration { return e.w.opts.Clock.Now() }

// stopAt and deadline are moments of boottime that move on with each keepalive
// that is answered: from stopAt on nothing is started and all is asked to end.
func (e *epoch) stopAt() time.Duration { return e.reg.lease.Deadline() - e.w.opts.StopLead }

// deadline is what containers live by when their agent does not.
func (e *epoch) deadline() Deadline {
	return Deadline{Stop: e.stopAt(), Kill: e.reg.lease.Deadline() - e.w.opts.KillMargin}
}

// soon is when containers are killed whose lease is over already: daemons move
// their requests after the kill bound.
func (e *epoch) soon() time.Duration {
	return min(e.now()+e.w.opts.KillBound/2, e.reg.lease.Deadline()-e.w.opts.KillMargin)
}

// rearm looks at the clock, does what is due, and sets the alarm for the next.
func (e *epoch) rearm() {
	now := e.now()
	switch {
	case e.over.Load() && now >= e.killAt:
		e.killAll()
	case e.over.Load():
		e.alarm.Set(e.killAt)
	case now >= e.stopAt():
		e.giveUp("no keepalive was answered for too long", e.reg.lease.Deadline()-e.w.opts.KillMargin)
	default:
		e.alarm.Set(e.stopAt())
	}
}

func (e *epoch) killAll() {
	e.cancelReport()
	for _, t := range e.inOrder() {
		if t.phase == phaseRunning {
			t.container.Kill()
		}
	}
}

// watchPresence looks now and then whether the worker's key is still that of
// this epoch: deleted by hand, it would never come back while its lease lives.
func (e *epoch) watchPresence(ctx context.Context) {
	tick := time.NewTicker(e.reg.lease.TTL)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if gone := e.w.presenceGone(ctx, e.number); gone {
			select {
			case e.events <- func() { e.giveUp("registration gone", e.soon()) }:
			case <-ctx.Done():
			}
			return
		}
	}
}

// presenceGone is false where the store does not answer: that is the lease's matter.
func (w *Worker) presenceGone(ctx context.Context, number berth.Epoch) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	facts, err := w.opts.Store.Get(ctx, berth.Key{Kind: berth.KindWorker, ID: string(w.opts.ID)})
	if err != nil || len(facts) != 1 {
		return false
	}
	return facts[0].Record == nil || berth.Epoch(facts[0].Create) != number
}
