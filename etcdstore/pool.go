package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthd/berth"
)

// SetBrake replaces a pool's brake as it was seen at ModRevision was, 0 for none;
// nil deletes it. Of daemons that judge the same loss at once, one writes: the
// others get a *ConflictError with what it wrote.
func (s *Store) SetBrake(ctx context.Context, p berth.PoolID, was berth.Revision, next *berth.Brake) (berth.Fact, error) {
	k := berth.Key{Kind: berth.KindBrake, ID: string(p)}
	if next == nil {
		return s.replace(ctx, k, was, nil)
	}
	rec := *next
	return s.replace(ctx, k, was, func(h berth.Header) any { rec.Header = h; return &rec })
}

// SetKeep replaces what is kept in a pool for a group, as it was seen at ModRevision was,
// 0 for none; nil deletes it. Of daemons that choose at once, one writes: the others get a
// *ConflictError with what it wrote.
func (s *Store) SetKeep(ctx context.Context, p berth.PoolID, was berth.Revision, next *berth.Keep) (berth.Fact, error) {
	k := berth.Key{Kind: berth.KindKeep, ID: string(p)}
	if next == nil {
		return s.replace(ctx, k, was, nil)
	}
	rec := *next
	return s.replace(ctx, k, was, func(h berth.Header) any { rec.Header = h; return &rec })
}

// keeps are the writes of what is kept, by plans that make room for it.
func (t *txn) keeps(s *Store, p *berth.Plan) error {
	for i := range p.Keeps {
		w := &p.Keeps[i]
		k := berth.Key{Kind: berth.KindKeep, ID: string(w.Pool)}
		t.compare(k, modIs, w.Was)
		rec := w.Keep
		rec.Header = t.header()
		if err := t.put(s, k, &rec, w.Was); err != nil {
			return err
		}
	}
	return nil
}

// replace puts the record that next makes with its header, where the key was last
// modified at was, 0 for none; without next it deletes the key.
func (s *Store) replace(ctx context.Context, k berth.Key, was berth.Revision, next func(berth.Header) any) (berth.Fact, error) {
	t := s.newTxn(s.NewTxnID())
	t.compare(k, modIs, was)
	if next == nil {
		t.delete(k)
	} else if err := t.put(s, k, next(t.header()), was); err != nil {
		return berth.Fact{}, fmt.Errorf("%s of pool %s: %w", k.Kind, k.ID, err)
	}
	res, err := s.commit(ctx, t)
	if err != nil {
		return berth.Fact{}, fmt.Errorf("%s of pool %s: %w", k.Kind, k.ID, err)
	}
	return find(res.Facts, k), nil
}

// SetPool changes the settings of a pool: edit gets those there are, or the
// defaults, and returns the next.
func (s *Store) SetPool(ctx context.Context, p berth.PoolID, edit func(berth.Pool) berth.Pool) error {
	k := berth.Key{Kind: berth.KindPool, ID: string(p)}
	facts, err := s.Get(ctx, k)
	for err == nil {
		was, _ := find(facts, k).Record.(*berth.Pool)
		if was == nil {
			was = &berth.Pool{Strategy: berth.StrategySpread}
		}
		t := s.newTxn(s.NewTxnID())
		t.compare(k, modIs, modOf(find(facts, k)))
		rec := edit(*was)
		rec.Header = t.header()
		if err = t.put(s, k, &rec, modOf(find(facts, k))); err != nil {
			break
		}
		if _, err = s.commit(ctx, t); err == nil {
			return nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			break
		}
		facts, err = conflict.Facts, nil
	}
	return fmt.Errorf("settings of pool %s: %w", p, err)
}
