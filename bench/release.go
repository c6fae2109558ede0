package bench

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// releasedAtOnce keeps a release within the transactions of any store.
const releasedAtOnce = 16

// release ends what was placed, as an agent's reports and a daemon would: between
// two bursts the fleet is empty again, and no agent was at work during either.
func release(ctx context.Context, store *etcdstore.Store, placed map[berth.RequestID]berth.WorkerID) error {
	ids := slices.SortedFunc(maps.Keys(placed), func(a, b berth.RequestID) int {
		return cmp.Or(cmp.Compare(placed[a], placed[b]), cmp.Compare(a, b)) // by worker: few ledgers are written twice
	})
	for some := range slices.Chunk(ids, releasedAtOnce) {
		if err := releaseSome(ctx, store, some, placed); err != nil {
			return fmt.Errorf("release %s and %d others: %w", some[0], len(some)-1, err)
		}
	}
	return nil
}

func releaseSome(ctx context.Context, store *etcdstore.Store, ids []berth.RequestID, placed map[berth.RequestID]berth.WorkerID) error {
	var keys []berth.Key
	for _, id := range ids {
		w := string(placed[id])
		keys = append(keys,
			berth.Key{Kind: berth.KindRequest, ID: string(id)}, berth.Key{Kind: berth.KindState, ID: string(id)},
			berth.Key{Kind: berth.KindAllocation, Owner: w, ID: string(id)}, berth.Key{Kind: berth.KindLedger, ID: w})
	}
	facts, err := store.Get(ctx, keys...)
	if err != nil {
		return err
	}
	p := &berth.Plan{ID: store.NewTxnID()}
	ledgers := make(map[berth.WorkerID]int)
	now := time.Now().UTC()
	for i, id := range ids {
		sub, _ := facts[4*i].Record.(*berth.Submission)
		a, _ := facts[4*i+2].Record.(*berth.Allocation)
		l, _ := facts[4*i+3].Record.(*berth.Ledger)
		if sub == nil || a == nil || l == nil {
			return fmt.Errorf("request %s is not placed on %s", id, placed[id])
		}
		w := placed[id]
		at, seen := ledgers[w]
		if !seen {
			at = len(p.Ledgers)
			ledgers[w] = at
			p.Ledgers = append(p.Ledgers, berth.LedgerWrite{Worker: w, Was: facts[4*i+3].Mod, Ledger: *l})
		}
		if p.Ledgers[at].Ledger, err = p.Ledgers[at].Ledger.Release(a.Share); err != nil {
			return err
		}
		p.Ends = append(p.Ends, berth.End{
			Request: id, RequestWas: facts[4*i].Mod, Worker: w, AllocationWas: facts[4*i+2].Mod, StateWas: facts[4*i+1].Mod,
			Archive: &berth.Archive{
				Digest: sub.Digest, Spec: sub.Spec, State: berth.StateCancelled, Reason: berth.EndCancelled, Attempt: a.Attempt, Worker: w,
				SubmittedAt: sub.SubmittedAt, PlacedAt: a.PlacedAt, EndedAt: now,
			},
		})
	}
	_, err = store.Commit(ctx, p)
	return err
}
