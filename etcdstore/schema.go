package etcdstore

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

var schemaKey = berth.Key{Kind: berth.KindSchema}

func (s *Store) schemaRevision() berth.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.schema
}

// Layout is that of the keyspace, as last seen.
func (s *Store) Layout() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.layout
}

// Cluster is the id of the etcd cluster that Init met.
func (s *Store) Cluster() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster
}

// NewestLayout is the newest that this program knows.
func (s *Store) NewestLayout() int64 { return s.opts.Layout }

// sameCluster refuses the answer of another cluster than the one that Init met:
// its revisions are of another history.
func (s *Store) sameCluster(id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != 0 && id != s.cluster {
		return fmt.Errorf("cluster %x, opened on %x: %w", id, s.cluster, ErrClusterChanged)
	}
	return nil
}

// readSchema notes the schema and the cluster; false: there is no schema yet.
func (s *Store) readSchema(ctx context.Context) (bool, error) {
	facts, cluster, err := s.get(ctx, schemaKey)
	if err != nil {
		return false, fmt.Errorf("read schema: %w", err)
	}
	s.mu.Lock()
	s.cluster = cluster
	s.mu.Unlock()
	if facts[0].Record == nil {
		return false, nil
	}
	_, err = s.noteSchema(facts[0])
	return err == nil, err
}

// noteSchema remembers a schema that was read, or refuses it.
func (s *Store) noteSchema(f berth.Fact) (*berth.Schema, error) {
	switch r := f.Record.(type) {
	case nil:
		return nil, fmt.Errorf("at revision %d: %w", f.Mod, ErrNoSchema)
	case *Undecodable:
		if errors.Is(r.Err, ErrNewerRecord) {
			return nil, fmt.Errorf("read schema: %w: %w", ErrNewerSchema, r.Err)
		}
		return nil, fmt.Errorf("read schema: %w", r.Err)
	case *berth.Schema:
		if r.Layout > s.opts.Layout {
			return nil, fmt.Errorf("layout %d, this program knows %d: %w", r.Layout, s.opts.Layout, ErrNewerSchema)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.schema, s.layout = f.Mod, r.Layout
		return r, nil
	}
	return nil, fmt.Errorf("read schema: %w", ErrNewerSchema)
}

func (s *Store) createSchema(ctx context.Context) error {
	_, err := s.putSchema(ctx, 0, berth.Schema{Layout: s.opts.Layout}, nil)
	if _, lost := errors.AsType[*ConflictError](err); lost {
		return nil // another daemon made it
	}
	return err
}

// putSchema replaces the schema that was put at was; more adds compares.
func (s *Store) putSchema(ctx context.Context, was berth.Revision, rec berth.Schema, more func(*txn)) (berth.Fact, error) {
	t := s.newTxn(s.newTxnID(forSchema))
	t.bare = true
	t.compare(schemaKey, modIs, was)
	if more != nil {
		more(t)
	}
	rec.Header = t.header()
	if err := t.put(s, schemaKey, &rec, was); err != nil {
		return berth.Fact{}, err
	}
	res, err := s.commit(ctx, t)
	if err != nil {
		return berth.Fact{}, err
	}
	f := find(res.Facts, schemaKey)
	_, err = s.noteSchema(f)
	return f, err
}

// RaiseSchema raises the layout by one, when this program and every daemon that
// is registered know the next, and says whether it did. A daemon that registers
// meanwhile makes the transaction fail; one that comes later compares the schema,
// and finds it newer. Without a next layout it asks nothing.
func (s *Store) RaiseSchema(ctx context.Context) (bool, error) {
	if s.Layout() >= s.opts.Layout {
		return false, nil
	}
	schema, at, err := s.mayRaise(ctx)
	if err != nil || schema.Record == nil {
		return false, err
	}
	rec := *schema.Record.(*berth.Schema) //nolint:errcheck // mayRaise returns no other
	rec.Layout++
	_, err = s.putSchema(ctx, schema.Mod, rec, func(t *txn) {
		t.compare(berth.Key{Kind: berth.KindDaemon}, folderIs, at)
	})
	if _, conflict := errors.AsType[*ConflictError](err); conflict {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("raise the schema to layout %d: %w", rec.Layout, err)
	}
	return true, nil
}

// mayRaise reads the schema and all daemons at one revision. The fact is empty
// when one of the daemons does not know the next layout.
func (s *Store) mayRaise(ctx context.Context) (berth.Fact, berth.Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	resp, err := s.client.Txn(ctx).Then(
		clientv3.OpGet(s.keys.format(schemaKey)),
		clientv3.OpGet(s.keys.folder(berth.KindDaemon, ""), clientv3.WithPrefix()),
	).Commit()
	if err != nil {
		return berth.Fact{}, 0, fmt.Errorf("read the schema and the daemons: %w", err)
	}
	if err := s.sameCluster(resp.Header.ClusterId); err != nil {
		return berth.Fact{}, 0, err
	}
	at := berth.Revision(resp.Header.Revision)
	schema := s.readFacts([]berth.Key{schemaKey}, resp.Responses, at)[0]
	rec, err := s.noteSchema(schema)
	if err != nil || rec.Layout >= s.opts.Layout {
		return berth.Fact{}, 0, err
	}
	for _, kv := range resp.Responses[1].GetResponseRange().GetKvs() {
		d, ok := decodeFact(berth.Key{Kind: berth.KindDaemon}, kv).Record.(*berth.Daemon)
		if !ok || d.MaxSchema <= rec.Layout {
			return berth.Fact{}, 0, nil
		}
	}
	return schema, at, nil
}

// EndRestore removes what says that the store was restored; was is the schema's
// ModRevision that the caller has seen for so long.
func (s *Store) EndRestore(ctx context.Context, was berth.Revision) (berth.Fact, error) {
	facts, err := s.Get(ctx, schemaKey)
	if err != nil {
		return berth.Fact{}, err
	}
	rec, err := s.noteSchema(facts[0])
	if err != nil || rec.Restored == nil || facts[0].Mod != was {
		return facts[0], err
	}
	next := *rec
	next.Restored = nil
	f, err := s.putSchema(ctx, was, next, nil)
	if err != nil {
		return berth.Fact{}, fmt.Errorf("end the restore: %w", err)
	}
	return f, nil
}

// conflict tells why a transaction did not apply: looks whether it was the
// schema that changed.
func (s *Store) conflict(facts []berth.Fact, rev berth.Revision) error {
	for _, f := range facts {
		if f.Key != schemaKey {
			continue
		}
		_, err := s.noteSchema(f)
		if _, unreadable := f.Record.(*Undecodable); unreadable && !errors.Is(err, ErrNewerSchema) {
			err = fmt.Errorf("%w: %w", ErrNewerSchema, err) // a newer program has raised it, for it could be read before
		}
		if err != nil {
			return fmt.Errorf("at revision %d: %w", rev, err)
		}
	}
	return &ConflictError{At: rev, Facts: facts}
}
