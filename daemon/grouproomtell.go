package daemon

import (
	"cmp"
	"context"
	"slices"

	"github.com/berthd/berth"
)

// makesRoomOn says whether an order to stop on a worker is of one that makes room for the group that the worker is kept
// for: no claim on the ledger waits for it.
func makesRoomOn(ledger *berth.Ledger, id berth.RequestID, stop *berth.StopOrder) bool {
	return stop != nil && stop.Reason == berth.StopPreempt && !waitedFor(ledger, id)
}

// making are those who make room for the group that something is kept for in a pool, by worker and id.
func (l *loop) making(k *berth.Keep) (out []Victim, on []berth.WorkerID) {
	for _, kept := range k.Workers {
		ledger, _ := l.view.ledger(kept.Worker)
		before := len(out)
		for _, x := range l.view.on[kept.Worker] {
			if x.isOn(kept.Worker) && makesRoomOn(ledger, x.id, x.stop) {
				out = append(out, Victim{ID: x.id, Stop: x.stop})
			}
		}
		slices.SortFunc(out[before:], byVictim)
		if len(out) > before {
			on = append(on, kept.Worker)
		}
	}
	return out, on
}

func byVictim(a, b Victim) int { return cmp.Compare(a.ID, b.ID) }

// tellMaking puts in front of why a group waits that others are to end for it; without any, it stays as it is. So does that its quota
// has no room for it: the end of the others would not do.
func tellMaking(v *berth.Verdict, victims []Victim, on []berth.WorkerID) *berth.Verdict {
	if len(victims) == 0 || isQuota(v) {
		return v
	}
	r := berth.Reason{Code: berth.ReasonClaim, Want: int64(len(victims)), Workers: len(on), Some: on[:min(len(on), 3)]}
	if len(on) == 1 {
		r.Detail = string(on[0])
	}
	told := *v
	told.Reasons = append([]berth.Reason{r}, v.Reasons...)
	return &told
}

// roomOf is who makes room for a group, if that is so.
func (l *loop) roomOf(id berth.GroupID, p berth.PoolID) (victims []Victim, on []berth.WorkerID) {
	if k, _ := l.keep(p); k != nil && k.Group == id && !k.MadeRoom.IsZero() {
		return l.making(k)
	}
	return nil, nil
}

// makingAt is making as of a revision.
func (d Replayer) makingAt(ctx context.Context, k *berth.Keep, at berth.Revision) (out []Victim, on []berth.WorkerID, err error) {
	if k == nil || k.MadeRoom.IsZero() {
		return nil, nil, nil
	}
	keys := make([]berth.Key, len(k.Workers))
	for i := range k.Workers {
		keys[i] = ledgerKey(k.Workers[i].Worker)
	}
	ledgers := make(map[string]*berth.Ledger, len(keys))
	for some := range slices.Chunk(keys, readAtOnce) {
		facts, err := d.Store.GetAt(ctx, at, some...)
		if err != nil {
			return nil, nil, err
		}
		for i := range facts {
			ledgers[some[i].ID], _ = facts[i].Record.(*berth.Ledger)
		}
	}
	_, err = d.Store.ScanAt(ctx, at, []berth.Kind{berth.KindAllocation}, func(f berth.Fact) error {
		ledger, kept := ledgers[f.Key.Owner]
		if a, ok := f.Record.(*berth.Allocation); ok && kept && makesRoomOn(ledger, berth.RequestID(f.Key.ID), a.Stop) {
			out = append(out, Victim{ID: berth.RequestID(f.Key.ID), Stop: a.Stop})
			if w := berth.WorkerID(f.Key.Owner); !slices.Contains(on, w) {
				on = append(on, w)
			}
		}
		return nil
	})
	return out, on, err
}
