package worker

import (
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// dirtySet is the tasks whose situation may have changed, in the order in which
// they came.
type dirtySet struct {
	order  []taskKey
	taken  []taskKey // what take has returned last: its memory is that of the next order
	member map[taskKey]struct{}
}

func (d *dirtySet) add(k taskKey) {
	if _, ok := d.member[k]; !ok {
		d.member[k] = struct{}{}
		d.order = append(d.order, k)
	}
}

func (d *dirtySet) empty() bool { return len(d.order) == 0 }

// take empties the set. What it returns is good until it is called again.
func (d *dirtySet) take() []taskKey {
	d.order, d.taken = d.taken[:0], d.order
	clear(d.member)
	return d.taken
}

// batch is what one step sends to the store, in one transaction.
type batch struct{ fences, reports []*task }

// step does what the changed situations ask for. What must wait, for a
// transaction in flight or for a free start, stays dirty.
func (e *epoch) step() {
	var b batch
	for _, key := range e.dirty.take() {
		t := e.tasks[key]
		if t == nil || t.reporting {
			continue // a report in flight: its answer marks the task again
		}
		if t.mod == 0 {
			continue // taken up, and the watch has not told of its allocation yet: it marks the task then
		}
		e.act(t, &b)
	}
	if len(b.fences)+len(b.reports) > 0 && e.reportCtx.Err() == nil {
		e.send(b)
	}
	if e.over.Load() && e.starting+e.alive == 0 {
		e.cancelReport()
	}
}

// act does what decide says of one task.
func (e *epoch) act(t *task, b *batch) {
	next := decide(t.situation(e.number, e.leaving && !e.keeping))
	endReport := next == actReport && t.phase == phaseEnded
	if e.over.Load() && next != actKill && !endReport {
		return // what still runs is being killed, nothing else is ours any more
	}
	switch next {
	case actNothing:
	case actFence:
		e.wantFence(t, b)
	case actReport:
		e.wantReport(t, b)
	case actReject:
		e.endUnstarted(t, berth.Exit{Kind: berth.ExitRejected, Message: e.refusal(t)})
		e.wantReport(t, b)
	case actLost:
		e.endUnstarted(t, berth.Exit{Kind: berth.ExitMayHaveRun, Message: "the worker's agent has no record of this start"})
		e.wantReport(t, b)
	case actStart:
		if e.starting < e.w.opts.Starts {
			e.start(t)
			return
		}
		e.mark(t)
	case actStop:
		e.obey(t)
		if t.allocation.State == berth.StateStarting {
			e.wantReport(t, b)
		}
	case actKill:
		e.log.Error("a container runs without its allocation and is killed", zap.String("request", string(t.id)), zap.Int64("attempt", t.attempt))
		t.container.Kill()
	case actForget:
		e.forget(t)
	}
}

func (e *epoch) refusal(t *task) string {
	if t.allocation.Stop != nil {
		return "it was told to stop before it was started"
	}
	return "the worker's agent is about to end"
}

func (e *epoch) endUnstarted(t *task, exit berth.Exit) {
	exit.At = e.w.opts.Now().UTC()
	t.end(exit, "")
}

func (e *epoch) wantFence(t *task, b *batch) {
	switch {
	case e.w.opts.hang, e.keeping:
	case e.sending || t.former.lives():
		e.mark(t)
	default:
		t.former = nil
		b.fences = append(b.fences, t)
	}
}

func (e *epoch) wantReport(t *task, b *batch) {
	if e.sending {
		e.mark(t)
		return
	}
	b.reports = append(b.reports, t)
}
