package worker

import "go.uber.org/zap"

// obey stops a container as its allocation orders: killed at the order's
// deadline, and never later than the request's own stop_timeout says.
func (e *epoch) obey(t *task) {
	t.stopping = true
	grace := min(t.allocation.Stop.Deadline.Sub(e.w.opts.Now()), t.stopIn)
	e.log.Info("stopping", zap.String("request", string(t.id)), zap.String("reason", string(t.allocation.Stop.Reason)), zap.Duration("grace", max(grace, 0)))
	t.container.Stop(max(grace, 0), "")
}

// leave begins the orderly end: nothing more is taken.
func (e *epoch) leave() {
	if e.leaving || e.over.Load() {
		return
	}
	e.leaving = true
	e.cancelUncordon()
	how := e.w.onStop()
	e.log.Info("ending", zap.String("on_stop", string(how)), zap.Int("running", e.alive))
	if how == OnStopKeep {
		e.keeping = true
		return
	}
	if !e.w.opts.hollow && e.alive+e.starting > 0 {
		e.cordon()
	}
	if how == OnStopStop {
		e.dismissAll()
	}
	for _, t := range e.inOrder() {
		e.mark(t)
	}
}

// shorten is for the caller who will not wait: a drain becomes a stop, a stop a
// kill.
func (e *epoch) shorten() {
	if e.keeping {
		return
	}
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

// Why a container is dismissed: stopped for the worker's sake, to run elsewhere.
const (
	dismissedStopped = "the worker's agent was stopped"
	dismissedCutOff  = "the worker was cut off from the store"
	dismissedGivenUp = "the worker's lease was lost"
)

// dismiss stops a container because the agent is to end.
func (e *epoch) dismiss(t *task) {
	t.dismissed, t.stopping = dismissedStopped, true
	if e.killing {
		t.container.Stop(0, t.dismissed)
		t.container.Kill()
		return
	}
	t.container.Stop(t.stopIn, t.dismissed)
}
