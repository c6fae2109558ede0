package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthd/berth"
)

// RegisterWorker puts a worker's presence key under its lease, rec.Lease, and
// returns the epoch that begins. A living key that is not ours is
// ErrWorkerNameTaken: a put over it would keep the old epoch. A worker that is
// being removed is ErrWorkerRemoved: the same transaction compares its intent.
func (s *Store) RegisterWorker(ctx context.Context, w berth.WorkerID, rec berth.Worker) (berth.Epoch, error) {
	if err := berth.CheckID("worker", string(w)); err != nil {
		return 0, err
	}
	lease, err := parseLease(rec.Lease)
	if err != nil {
		return 0, fmt.Errorf("register worker %s: %w", w, err)
	}
	t := s.newTxn(s.newTxnID(forPresence))
	rec.Header = t.header()
	k := berth.Key{Kind: berth.KindWorker, ID: string(w)}
	intent := berth.Key{Kind: berth.KindIntent, ID: string(w)}
	t.compare(k, createIs, 0)
	t.compare(intent, modIs, 0)
	if err := t.putLeased(s, k, &rec, 0, lease); err != nil {
		return 0, fmt.Errorf("register worker %s: %w", w, err)
	}
	for {
		res, err := s.commit(ctx, t)
		if err == nil {
			return epochOf(k, res), nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			return 0, fmt.Errorf("register worker %s: %w", w, err)
		}
		if f := find(conflict.Facts, k); f.Record != nil {
			// An earlier copy, with other compares, may have come late: nobody else has the lease.
			if own, ok := f.Record.(*berth.Worker); ok && own.Lease == rec.Lease {
				return berth.Epoch(f.Create), nil
			}
			return 0, fmt.Errorf("register worker %s: %w", w, ErrWorkerNameTaken)
		}
		wish := find(conflict.Facts, intent)
		if in, ok := wish.Record.(*berth.Intent); ok && in.Remove {
			return 0, fmt.Errorf("register worker %s: %w", w, ErrWorkerRemoved)
		}
		t.forget(intent)
		t.compare(intent, modIs, modOf(wish))
		t.schemaAgain()
	}
}

func epochOf(k berth.Key, res Result) berth.Epoch {
	return berth.Epoch(find(res.Facts, k).Create)
}

func find(facts []berth.Fact, k berth.Key) berth.Fact {
	for _, f := range facts {
		if f.Key == k {
			return f
		}
	}
	return berth.Fact{Key: k}
}

// schemaAgain lets the next sending compare the schema's latest revision.
func (t *txn) schemaAgain() { t.forget(berth.Key{Kind: berth.KindSchema}) }

// forget takes the compares of a key back, so that the next sending may have others.
func (t *txn) forget(k berth.Key) {
	was := t.cmps
	t.cmps = make([]condition, 0, len(was))
	clear(t.byKey)
	for _, c := range was {
		if c.key != k {
			t.compare(c.key, c.kind, c.rev)
		}
	}
}

// PutConditions replaces what changes while a worker lives.
func (s *Store) PutConditions(ctx context.Context, w berth.WorkerID, lease string, c berth.Conditions) error {
	id, err := parseLease(lease)
	if err != nil {
		return err
	}
	_, err = s.upsert(ctx, berth.Key{Kind: berth.KindConditions, ID: string(w)}, func(t *txn, k berth.Key) error {
		c.Header = t.header()
		return t.putLeased(s, k, &c, 1, id)
	})
	return err
}

// RegisterDaemon puts a daemon's membership under its lease, and returns it: what
// its key holds later with another transaction's id is of somebody else, whose lease
// may take it away. ErrLeaseGone: begin anew with another lease.
func (s *Store) RegisterDaemon(ctx context.Context, d berth.DaemonID, lease string, rec berth.Daemon) (berth.Fact, error) {
	id, err := parseLease(lease)
	if err != nil {
		return berth.Fact{}, err
	}
	return s.upsert(ctx, berth.Key{Kind: berth.KindDaemon, ID: string(d)}, func(t *txn, k berth.Key) error {
		rec.Header, rec.TxnBase = t.header(), s.base
		return t.putLeased(s, k, &rec, 1, id)
	})
}

// upsert writes a key that nobody compares; only the schema can be in its way.
func (s *Store) upsert(ctx context.Context, k berth.Key, put func(*txn, berth.Key) error) (berth.Fact, error) {
	t := s.newTxn(s.newTxnID(forPresence))
	if err := put(t, k); err != nil {
		return berth.Fact{}, err
	}
	for {
		res, err := s.commit(ctx, t)
		if _, conflict := errors.AsType[*ConflictError](err); !conflict {
			if err != nil {
				return berth.Fact{}, fmt.Errorf("put %s: %w", s.keys.format(k), err)
			}
			return find(res.Facts, k), nil
		}
		t.schemaAgain()
	}
}
