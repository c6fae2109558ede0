package worker

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// fenced takes the fence's answer. Those without an answer are untouched again:
// were they fenced after all, the watch says STARTING, and that is never started.
func (e *epoch) fenced(tasks []*task, results []etcdstore.StartResult, err error) {
	for i, t := range tasks {
		t.phase = phaseNone
		switch r := results[i]; {
		case err != nil && !r.Fenced && r.Fresh == nil:
			continue // it has no answer: sent again later, or its epoch is over
		case t.allocation == nil: // taken back later than the fence
		case r.Fenced && r.Submission != nil:
			next := t.fenced()
			t.learn(r.Mod, &next)
			t.handedOut(r.Submission)
		case r.Fresh != nil:
			e.learn(*r.Fresh)
		}
		e.mark(t)
	}
}

// later marks the tasks again after a pause.
func (e *epoch) later(tasks []*task) {
	e.waiting++
	time.AfterFunc(retryFirst, func() {
		select {
		case e.events <- func() {
			e.waiting--
			for _, t := range tasks {
				e.mark(t)
			}
		}:
		case <-e.reportCtx.Done(): // nothing is sent any more
		}
	})
}

// start lets the runtime begin; started gets its answer.
func (e *epoch) start(t *task) {
	t.phase = phaseStarting
	e.starting++
	spec := t.spec(&e.w.opts)
	spec.Deadline, spec.Check = e.deadline(), e.check
	go func() {
		c, err := e.w.opts.Runtime.Start(e.fenceCtx, spec)
		e.post(func() { e.started(t, c, err, spec.Deadline) })
	}()
}

// check is called just before a container comes to life, from the goroutine of
// its start. The deadline is that of the lease that fenced it.
func (e *epoch) check() error {
	if e.over.Load() || e.now() >= e.stopAt() {
		return fmt.Errorf("%w (epoch %d)", ErrDeadline, e.number)
	}
	return nil
}

func (e *epoch) started(t *task, c Container, err error, given Deadline) {
	e.starting--
	if err != nil {
		e.startFailed(t, err)
		return
	}
	t.startedAt = e.w.opts.Now().UTC()
	if t.submission != nil && !e.w.opts.hollow {
		e.w.warm.note(t.submission.Spec.AffinityKey, t.submission.Spec.Image)
	}
	e.supervise(t, c)
	if !e.over.Load() && e.deadline() != given {
		e.w.opts.Runtime.Renew(e.number, e.deadline()) // it was too new for the last renewal
	}
	switch {
	case e.over.Load():
		c.Stop(max(e.killAt-e.now(), 0), dismissedGivenUp)
	case e.stopping:
		e.dismiss(t)
	}
	e.mark(t)
}

// supervise waits for a container's end.
func (e *epoch) supervise(t *task, c Container) {
	t.phase, t.container = phaseRunning, c
	e.alive++
	go func() {
		select {
		case <-c.Done():
			exit, dismissed := c.Exit()
			e.post(func() { e.ended(t, exit, dismissed) })
		case <-e.closed:
		}
	}()
}

func (e *epoch) startFailed(t *task, err error) {
	exit := berth.Exit{Kind: berth.ExitStartFailed, Message: clip(err.Error())}
	rejection, refused := errors.AsType[*Rejection](err)
	if refused {
		exit.Message = clip(rejection.Problem)
	}
	fault, own := errors.AsType[*RequestFault](err)
	switch {
	case own:
		exit.Code = fault.Code
	case refused || errors.Is(err, ErrDeadline):
		exit.Kind = berth.ExitRejected
	case errors.Is(err, ErrStartedBefore):
		exit.Kind = berth.ExitMayHaveRun
	}
	e.endUnstarted(t, exit)
	e.log.Warn("start failed", zap.String("request", string(t.id)), zap.Int64("attempt", t.attempt), zap.Error(err))
	e.mark(t)
}

// ended notes a container's end. After the epoch was given up it is not
// reported: the end was our doing, and the request is to run elsewhere.
func (e *epoch) ended(t *task, exit berth.Exit, dismissed string) {
	e.alive--
	if exit.At.IsZero() {
		exit.At = e.w.opts.Now().UTC()
	}
	exit.Message = clip(exit.Message)
	t.end(exit, dismissed)
	if e.over.Load() {
		e.forget(t)
		return
	}
	e.mark(t)
}

// clip bounds what a runtime says, which may be any bytes.
func clip(message string) string { return berth.Clip(message, berth.MaxMessageBytes) }
