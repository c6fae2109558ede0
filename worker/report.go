package worker

import (
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// report writes how far the tasks have come in one transaction; what comes
// meanwhile goes into the next, so that a start and an end are often one write.
func (e *epoch) report(tasks []*task) {
	items := make([]etcdstore.ReportItem, 0, len(tasks))
	for _, t := range tasks {
		t.reporting = true
		items = append(items, etcdstore.ReportItem{Request: t.id, AllocationWas: t.mod, Allocation: t.report()})
	}
	e.reporting = true
	go func() {
		results, err := e.w.opts.Store.Report(e.reportCtx, e.w.opts.ID, items)
		e.post(func() { e.reported(tasks, items, results, err) })
	}()
}

func (e *epoch) reported(tasks []*task, items []etcdstore.ReportItem, results []etcdstore.ReportResult, err error) {
	e.reporting = false
	answers := make(map[berth.RequestID]etcdstore.ReportResult, len(results))
	for _, r := range results {
		answers[r.Request] = r
	}
	for i, t := range tasks {
		t.reporting = false
		r, ok := answers[t.id]
		switch {
		case !ok, err != nil && !r.Done && r.Fresh == nil:
			continue // it has no answer: later marks it
		case r.Done:
			t.learn(r.Mod, &items[i].Allocation)
		case r.Fresh != nil:
			e.learn(*r.Fresh) // a stop order came between, or it was taken back
		}
		e.mark(t)
	}
	if e.refused(err) {
		return
	}
	if err != nil && e.reportCtx.Err() == nil {
		e.log.Warn("report failed; trying again", zap.Int("allocations", len(tasks)), zap.Error(err))
		e.later(tasks)
	}
}
