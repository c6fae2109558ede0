package worker

import (
	"context"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// cordonMessage marks the cordon that an agent has set for its own end, and so
// may take away.
const cordonMessage = "set by the worker's agent while it ends"

func ownCordon(i *berth.Intent) bool {
	return i != nil && i.Cordon && !i.Drain && !i.Remove && i.Message == cordonMessage
}

// cordon keeps the daemons from placing more here while containers end. One that
// is being taken away comes first: it would take this one, too.
func (e *epoch) cordon() {
	e.calls++
	former := e.uncordoned
	go func() {
		if former != nil {
			<-former
		}
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

// uncordon takes away a cordon of an agent's end, while this agent does not end:
// the former's, whose epoch it has taken up or followed, or a copy of it that came
// late. Whenever it comes, the next look at the worker's own keys finds it.
func (e *epoch) uncordon() {
	if e.leaving || e.over.Load() || e.uncordoned != nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.fenceCtx, storeTimeout)
	done := make(chan struct{})
	e.uncordoned, e.cancelUncordon = done, cancel
	e.calls++
	go func() {
		defer cancel()
		err := e.w.uncordon(ctx)
		close(done)
		e.post(func() {
			e.calls--
			e.uncordoned = nil
			if err != nil {
				e.log.Warn("the cordon of a former end was not taken away", zap.Error(err))
			}
		})
	}()
}

// cordon leaves an operator's intent as it is.
func (w *Worker) cordon(ctx context.Context) error {
	_, err := w.opts.Store.SetIntent(ctx, w.opts.ID, func(old *berth.Intent) *berth.Intent {
		if old != nil && (old.Cordon || old.Drain || old.Remove) {
			return old
		}
		in := berth.Intent{Cordon: true, Message: cordonMessage, At: w.opts.Now().UTC()}
		if old != nil {
			in.Taints = old.Taints
		}
		return &in
	})
	return err
}

// uncordon takes away an agent's own cordon, and no other.
func (w *Worker) uncordon(ctx context.Context) error {
	_, err := w.opts.Store.SetIntent(ctx, w.opts.ID, func(old *berth.Intent) *berth.Intent {
		if ownCordon(old) {
			return old.Standing()
		}
		return old
	})
	return err
}
