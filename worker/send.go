package worker

import (
	"slices"

	"go.uber.org/zap"

	"github.com/berthd/berth/etcdstore"
)

// send writes what is gathered, fences and reports, in one transaction; what comes
// meanwhile goes into the next. A worker on which little happens never waits for that;
// one on which much does needs far fewer transactions than with one for each kind, and
// the store's time is what they all wait for.
func (e *epoch) send(b batch) {
	starts, reports := toFence(b.fences), toReport(b.reports)
	ctx := e.reportCtx
	if len(reports) == 0 {
		ctx = e.fenceCtx
	}
	e.sending = true
	e.sends <- func() {
		started, reported, err := e.w.opts.Store.ChangeAllocations(ctx, e.w.opts.ID, e.number, starts, reports)
		e.post(func() {
			e.sending = false
			e.fenced(b.fences, started, err)
			e.reported(b.reports, reports, reported, err)
			e.sent(b, err)
		})
	}
}

// sent tries again what has no answer.
func (e *epoch) sent(b batch, err error) {
	if err == nil || e.refused(err) || e.reportCtx.Err() != nil {
		return
	}
	again := b.reports
	if !e.over.Load() {
		again = slices.Concat(b.fences, b.reports)
	}
	if len(again) == 0 {
		return
	}
	e.log.Warn("fences and reports failed; trying again", zap.Int("allocations", len(again)), zap.Error(err))
	e.later(again)
}

func toFence(tasks []*task) []etcdstore.StartItem {
	items := make([]etcdstore.StartItem, 0, len(tasks))
	for _, t := range tasks {
		t.phase = phaseFencing
		items = append(items, etcdstore.StartItem{Request: t.id, AllocationWas: t.mod, Allocation: t.fenced()})
	}
	return items
}

func toReport(tasks []*task) []etcdstore.ReportItem {
	items := make([]etcdstore.ReportItem, 0, len(tasks))
	for _, t := range tasks {
		t.reporting = true
		items = append(items, etcdstore.ReportItem{Request: t.id, AllocationWas: t.mod, Allocation: t.report()})
	}
	return items
}

// reported takes the answer to reports.
func (e *epoch) reported(tasks []*task, items []etcdstore.ReportItem, results []etcdstore.ReportResult, err error) {
	for i, t := range tasks {
		t.reporting = false
		switch r := results[i]; {
		case err != nil && !r.Done && r.Fresh == nil:
			continue // it has no answer: sent again later
		case r.Done:
			t.learn(r.Mod, &items[i].Allocation)
		case r.Fresh != nil:
			e.learn(*r.Fresh) // a stop order came between, or it was taken back
		}
		e.mark(t)
	}
}
