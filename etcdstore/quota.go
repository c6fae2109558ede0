package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/berthd/berth"
)

// SetQuota replaces what a tenant may use of a pool: edit gets the limits that there
// are, or nil, and returns the next; nil: it is not limited any more.
func (s *Store) SetQuota(ctx context.Context, id berth.TenantID, p berth.PoolID, edit func(berth.Amounts) berth.Amounts) ([]berth.Fact, error) {
	return s.SetTenant(ctx, id, func(t *berth.Tenant) { t.Limit(p, edit(t.Pools[p].Limits)) })
}

// SetTenant replaces what an operator says of a tenant: edit changes the record that
// there is, or an empty one. Where limits change, the same transaction rewrites the
// schema, so that every plan made before it conflicts: what it would have placed was not
// counted against these limits.
func (s *Store) SetTenant(ctx context.Context, id berth.TenantID, edit func(*berth.Tenant)) ([]berth.Fact, error) {
	k := berth.Key{Kind: berth.KindTenant, ID: string(id)}
	facts, err := s.Get(ctx, k, schemaKey)
	for err == nil {
		var t *txn
		if t, err = s.encodeTenant(find(facts, k), find(facts, schemaKey), edit); err != nil {
			break
		}
		if t == nil {
			return facts, nil // it is so already
		}
		var res Result
		if res, err = s.commit(ctx, t); err == nil {
			if t.bare {
				_, err = s.noteSchema(find(res.Facts, schemaKey))
			}
			return res.Facts, err
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			break
		}
		facts, err = conflict.Facts, nil
	}
	return nil, fmt.Errorf("set tenant %s: %w", id, err)
}

func (s *Store) encodeTenant(was, schema berth.Fact, edit func(*berth.Tenant)) (*txn, error) {
	layout, err := s.noteSchema(schema)
	if err != nil {
		return nil, err
	}
	old, ok := was.Record.(*berth.Tenant)
	if !ok && was.Record != nil {
		return nil, errors.New("its record cannot be read: run berth fsck")
	}
	if old == nil {
		old = &berth.Tenant{}
	}
	next := &berth.Tenant{Weight: old.Weight, Pools: maps.Clone(old.Pools)}
	if next.Pools == nil {
		next.Pools = make(map[berth.PoolID]berth.Quota)
	}
	edit(next)
	if err := next.Check(); err != nil {
		return nil, err
	}
	relimited := !maps.EqualFunc(old.Pools, next.Pools, func(a, b berth.Quota) bool { return a.Limits.Equal(b.Limits) && a.Guaranteed.Equal(b.Guaranteed) })
	reclaims := maps.EqualFunc(old.Pools, next.Pools, func(a, b berth.Quota) bool { return a.SameReclaim(&b) })
	if !relimited && reclaims && old.Weight == next.Weight {
		return nil, nil // it would cost every program a conflict for nothing
	}
	t := s.newTxn(s.newTxnID(forQuota))
	t.compare(was.Key, modIs, modOf(was))
	if relimited {
		t.bare = true
		t.compare(schemaKey, modIs, schema.Mod)
		again := *layout
		again.Header = t.header()
		if err := t.put(s, schemaKey, &again, schema.Mod); err != nil {
			return nil, err
		}
	}
	if next.Empty() {
		t.delete(was.Key)
		return t, nil
	}
	next.Header = t.header()
	err = t.put(s, was.Key, next, modOf(was))
	return t, err
}

// tenants are the writes of tenants' records, and of what daemons have taken of them.
func (t *txn) tenants(s *Store, p *berth.Plan) error {
	for i := range p.Tenants {
		w := &p.Tenants[i]
		k := berth.Key{Kind: berth.KindTenant, ID: string(w.ID)}
		t.compare(k, modIs, w.Was)
		if w.Tenant == nil {
			t.delete(k)
			continue
		}
		rec := *w.Tenant
		rec.Header = t.header()
		if err := t.put(s, k, &rec, w.Was); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) blocks(s *Store, p *berth.Plan) error {
	for i := range p.Blocks {
		w := &p.Blocks[i]
		k := berth.Key{Kind: berth.KindQuotaBlock, Owner: string(w.Tenant), ID: string(w.Daemon)}
		t.compare(k, modIs, w.Was)
		if w.Block == nil {
			t.delete(k)
			continue
		}
		rec := *w.Block
		rec.Header = t.header()
		if err := t.put(s, k, &rec, w.Was); err != nil {
			return err
		}
	}
	return nil
}
