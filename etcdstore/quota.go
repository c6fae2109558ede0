package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// SetQuota replaces what a tenant may use of a pool: edit gets the limits that there
// are, or nil, and returns the next; nil: it is not limited any more. The same
// transaction rewrites the schema, so that every plan made before it conflicts: what it
// would have placed was not counted against these limits.
func (s *Store) SetQuota(ctx context.Context, id berth.TenantID, p berth.PoolID, edit func(berth.Amounts) berth.Amounts) ([]berth.Fact, error) {
	k := berth.Key{Kind: berth.KindTenant, ID: string(id)}
	facts, err := s.Get(ctx, k, schemaKey)
	for err == nil {
		var t *txn
		if t, err = s.encodeQuota(find(facts, k), find(facts, schemaKey), p, edit); err != nil {
			break
		}
		if t == nil {
			return facts, nil // there was nothing, and is nothing
		}
		var res Result
		if res, err = s.commit(ctx, t); err == nil {
			_, err = s.noteSchema(find(res.Facts, schemaKey))
			return res.Facts, err
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			break
		}
		facts, err = conflict.Facts, nil
	}
	return nil, fmt.Errorf("quota of tenant %s: %w", id, err)
}

func (s *Store) encodeQuota(was, schema berth.Fact, p berth.PoolID, edit func(berth.Amounts) berth.Amounts) (*txn, error) {
	layout, err := s.noteSchema(schema)
	if err != nil {
		return nil, err
	}
	old, ok := was.Record.(*berth.Tenant)
	if !ok && was.Record != nil {
		return nil, errors.New("its record cannot be read: run berth fsck")
	}
	next, err := limited(old, p, edit)
	if err != nil || old == nil && next == nil {
		return nil, err
	}
	if old != nil && next != nil && next.Pools[p].Limits.Equal(old.Pools[p].Limits) {
		return nil, nil // it would cost every program a conflict for nothing
	}
	t := s.newTxn(s.newTxnID(forQuota))
	t.bare = true
	t.compare(schemaKey, modIs, schema.Mod)
	t.compare(was.Key, modIs, modOf(was))
	again := *layout
	again.Header = t.header()
	if err := t.put(s, schemaKey, &again, schema.Mod); err != nil {
		return nil, err
	}
	if next == nil {
		t.delete(was.Key)
		return t, nil
	}
	next.Header = t.header()
	err = t.put(s, was.Key, next, modOf(was))
	return t, err
}

// limited is a tenant with other limits of one pool; nil: nothing is left of it.
func limited(old *berth.Tenant, p berth.PoolID, edit func(berth.Amounts) berth.Amounts) (*berth.Tenant, error) {
	next := &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{}}
	if old != nil {
		maps.Copy(next.Pools, old.Pools)
	}
	q := next.Pools[p]
	q.Limits, q.Short = edit(q.Limits), slices.Clone(q.Short)
	if err := berth.CheckLimits(q.Limits); err != nil {
		return nil, err
	}
	if next.Pools[p] = q; len(q.Limits) == 0 && q.Blocks == 0 {
		delete(next.Pools, p)
	}
	if n := len(next.Pools); n > berth.MaxQuotaPools {
		return nil, &berth.FieldError{Field: "pools", Value: strconv.Itoa(n), Problem: "has too many entries", Bound: fmt.Sprintf("at most %d", berth.MaxQuotaPools)}
	}
	if len(next.Pools) == 0 {
		return nil, nil
	}
	return next, nil
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
