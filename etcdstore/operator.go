package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthd/berth"
)

// SetIntent replaces what an operator wants of a worker: edit gets the present
// intent, or nil, and returns the next; nil deletes it. The same transaction
// rewrites the ledger, so that every plan made before it conflicts.
func (s *Store) SetIntent(ctx context.Context, w berth.WorkerID, edit func(*berth.Intent) *berth.Intent) (berth.Fact, error) {
	intent := berth.Key{Kind: berth.KindIntent, ID: string(w)}
	ledger := berth.Key{Kind: berth.KindLedger, ID: string(w)}
	facts, err := s.Get(ctx, intent, ledger)
	for err == nil {
		var t *txn
		if t, err = s.encodeIntent(find(facts, intent), find(facts, ledger), edit); err != nil {
			break
		}
		var res Result
		if res, err = s.commit(ctx, t); err == nil {
			return find(res.Facts, intent), nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			break
		}
		facts, err = conflict.Facts, nil
	}
	return berth.Fact{}, fmt.Errorf("intent of worker %s: %w", w, err)
}

func (s *Store) encodeIntent(was, ledger berth.Fact, edit func(*berth.Intent) *berth.Intent) (*txn, error) {
	t := s.newTxn(s.newTxnID(forIntent))
	old, _ := was.Record.(*berth.Intent)
	t.compare(was.Key, modIs, modOf(was))
	t.compare(ledger.Key, modIs, modOf(ledger))
	l, _ := ledger.Record.(*berth.Ledger)
	if next := edit(old); next != nil {
		rec := begun(old, *next, l)
		rec.Header = t.header()
		if err := t.put(s, was.Key, &rec, modOf(was)); err != nil {
			return nil, err
		}
	} else {
		t.delete(was.Key)
	}
	if l != nil {
		rec := *l
		rec.Header = t.header()
		if err := t.put(s, ledger.Key, &rec, ledger.Mod); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// begun notes how much there was when the emptying of a worker began, exactly:
// the same transaction compares the ledger that counts it. One that is ordered
// anew, with another pace, goes on.
func begun(old *berth.Intent, next berth.Intent, ledger *berth.Ledger) berth.Intent {
	switch {
	case !next.Empties():
	case old != nil && old.Empties():
		next.BegunWith, next.LastStopAt = old.BegunWith, old.LastStopAt
	case ledger != nil:
		next.BegunWith = ledger.Count
	}
	return next
}

// intents are the writes that keep the pace of a drain. They change nothing that
// a placement was planned on, and so leave the ledger alone.
func (t *txn) intents(s *Store, p *berth.Plan) error {
	for i := range p.Intents {
		w := p.Intents[i]
		k := berth.Key{Kind: berth.KindIntent, ID: string(w.Worker)}
		t.compare(k, modIs, w.Was)
		w.Intent.Header = t.header()
		if err := t.put(s, k, &w.Intent, w.Was); err != nil {
			return err
		}
	}
	return nil
}

// removes forget workers: only while no agent lives under the name, and nothing
// has come into the ledger since it was seen empty.
func (t *txn) removes(_ *Store, p *berth.Plan) error {
	for _, r := range p.Removes {
		ledger := berth.Key{Kind: berth.KindLedger, ID: string(r.Worker)}
		intent := berth.Key{Kind: berth.KindIntent, ID: string(r.Worker)}
		t.compare(berth.Key{Kind: berth.KindWorker, ID: string(r.Worker)}, createIs, 0)
		t.compare(ledger, modIs, r.LedgerWas)
		t.compare(intent, modIs, r.IntentWas)
		t.delete(intent)
		if r.LedgerWas != 0 {
			t.delete(ledger)
		}
	}
	return nil
}

// modOf is a key's ModRevision; 0 where it is absent.
func modOf(f berth.Fact) berth.Revision {
	if f.Record == nil {
		return 0
	}
	return f.Mod
}

// PurgeItem is an archive record to delete, as it was seen.
type PurgeItem struct {
	ID  berth.RequestID
	Mod berth.Revision
}

// PurgeArchive deletes archive records that are as they were seen, in one
// transaction, and says how many. Those that changed stay.
func (s *Store) PurgeArchive(ctx context.Context, items []PurgeItem) (int, error) {
	for len(items) > 0 {
		t := s.newTxn(s.newTxnID(forPurge))
		for _, it := range items {
			k := berth.Key{Kind: berth.KindArchive, ID: string(it.ID)}
			t.compare(k, modIs, it.Mod)
			t.delete(k)
		}
		_, err := s.commit(ctx, t)
		if err == nil {
			return len(items), nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			return 0, fmt.Errorf("purge %d archive records: %w", len(items), err)
		}
		items = unchanged(items, conflict)
	}
	return 0, nil
}

func unchanged(items []PurgeItem, conflict *ConflictError) []PurgeItem {
	var kept []PurgeItem
	for _, it := range items {
		f := find(conflict.Facts, berth.Key{Kind: berth.KindArchive, ID: string(it.ID)})
		if modOf(f) == it.Mod {
			kept = append(kept, it)
		}
	}
	return kept
}
