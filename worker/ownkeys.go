package worker

import (
	"context"
	"time"

	"github.com/berthd/berth"
)

// watchOwnKeys looks at once, and then now and then, at the keys of this worker
// that others may write: whether its registration is still that of this epoch
// (deleted by hand, it would never come back while its lease lives), and whether a
// cordon of an agent's end stands there though none ends.
func (e *epoch) watchOwnKeys(ctx context.Context) {
	tick := time.NewTicker(e.reg.lease.TTL)
	defer tick.Stop()
	for {
		gone, cordoned := e.w.ownKeys(ctx, e.number)
		event := e.uncordon
		if gone {
			event = func() { e.giveUp("registration gone", e.soon()) }
		}
		if gone || cordoned {
			select {
			case e.events <- event:
			case <-ctx.Done():
			}
		}
		if gone {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ownKeys is false where the store does not answer: that is the lease's matter.
func (w *Worker) ownKeys(ctx context.Context, number berth.Epoch) (gone, cordoned bool) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	facts, err := w.opts.Store.Get(ctx, berth.Key{Kind: berth.KindWorker, ID: string(w.opts.ID)}, berth.Key{Kind: berth.KindIntent, ID: string(w.opts.ID)})
	if err != nil || len(facts) != 2 {
		return false, false
	}
	intent, _ := facts[1].Record.(*berth.Intent)
	return facts[0].Record == nil || berth.Epoch(facts[0].Create) != number, ownCordon(intent)
}
