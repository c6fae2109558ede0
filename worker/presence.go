package worker

import (
	"context"
	"time"

	"github.com/berthd/berth"
)

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
