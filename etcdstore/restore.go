package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// MinBump is by how much a restored store's revision must be ahead of its newest
// key, at least, so that it is beyond any revision that was served before.
const MinBump = 1_000_000

// ErrNotBumped means that the store looks as if it was in service, or restored without
// --bump-revision.
var ErrNotBumped = errors.New("the store's revision is not far beyond its newest key: it is in service, or was restored without --bump-revision")

// RestoreOptions say what the backup cannot tell of agents that registered, and
// of requests that came, after it was taken. Larger ones in the backup win.
type RestoreOptions struct {
	LongestTTL  time.Duration // of any agent's lease
	LongestKill time.Duration // kill bound of any agent
	LongestKeep time.Duration // on_disconnect keep of any request
	AllLeases   bool          // revoke also those that no key of ours is bound to
	Now         func() time.Time
}

// Restoring is what was prepared.
type Restoring struct {
	Hold     time.Duration  // before anything is placed
	Revision berth.Revision // of the store now
	Newest   berth.Revision // of the backup's keys
	Keys     int            // in the backup
	Dropped  int64          // keys of workers and daemons
	Leases   int            // revoked
}

// leasedKinds vanish with their lease: of those who lived when the backup was taken.
var leasedKinds = []berth.Kind{berth.KindWorker, berth.KindConditions, berth.KindDaemon, berth.KindHold}

// PrepareRestored makes a store that was restored from a backup, and that nobody
// uses yet, safe to serve. First it rewrites the schema: every transaction that
// was made before compares the old one, and nothing is placed for the hold. Then
// it deletes who lived when the backup was taken, and their leases. It may be
// repeated.
//
// The hold is how long a container that the backup does not know of may still
// run, once the former store has stopped: the longest TTL, kill bound and keep
// bound of any agent, and 1 % for clocks that differ.
func (s *Store) PrepareRestored(ctx context.Context, opts RestoreOptions) (Restoring, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	found, err := s.readSchema(ctx)
	if err != nil {
		return Restoring{}, err
	}
	if !found {
		return Restoring{}, fmt.Errorf("%s: no store of Berth is under this prefix: %w", s.keys.prefix, ErrNoSchema)
	}
	b := bounds{ttl: opts.LongestTTL, kill: opts.LongestKill, keep: opts.LongestKeep, leases: make(map[string]struct{})}
	now, cluster, err := s.scan(ctx, s.keys.prefix, func(f berth.Fact) error { b.learn(f); return nil })
	if err == nil {
		err = s.sameCluster(cluster)
	}
	if err != nil {
		return Restoring{}, err
	}
	if now-b.newest < MinBump {
		return Restoring{}, fmt.Errorf("revision %d, newest key %d: %w", now, b.newest, ErrNotBumped)
	}
	r := Restoring{Hold: b.hold(), Newest: b.newest, Keys: b.keys}
	rec := *b.schema.Record.(*berth.Schema) //nolint:errcheck // readSchema has read it
	rec.Restored = &berth.Restored{At: opts.Now().UTC(), HoldMS: r.Hold.Milliseconds()}
	if _, err := s.putSchema(ctx, b.schema.Mod, rec, nil); err != nil {
		return Restoring{}, fmt.Errorf("write the hold: %w", err)
	}
	if err := s.dropLeased(ctx, &r); err != nil {
		return Restoring{}, err
	}
	r.Leases, err = s.dropLeases(ctx, b.leases, opts.AllLeases)
	return r, err
}

// dropLeased deletes what lived when the backup was taken.
func (s *Store) dropLeased(ctx context.Context, r *Restoring) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	deletes := make([]clientv3.Op, len(leasedKinds))
	for i, kind := range leasedKinds {
		deletes[i] = clientv3.OpDelete(s.keys.folder(kind, ""), clientv3.WithPrefix())
	}
	resp, err := s.client.Txn(ctx).Then(deletes...).Commit()
	if err != nil {
		return fmt.Errorf("delete the registrations of the backup: %w", err)
	}
	for _, d := range resp.Responses {
		r.Dropped += d.GetResponseDeleteRange().GetDeleted()
	}
	r.Revision = berth.Revision(resp.Header.Revision)
	return nil
}

// dropLeases revokes leases that the backup brought back to life: kept alive by
// their former owner, they would seem to be its.
func (s *Store) dropLeases(ctx context.Context, ids map[string]struct{}, all bool) (int, error) {
	if all {
		ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
		defer cancel()
		resp, err := s.client.Leases(ctx)
		if err != nil {
			return 0, fmt.Errorf("list the leases: %w", err)
		}
		for _, l := range resp.Leases {
			ids[formatLease(l.ID)] = struct{}{}
		}
	}
	for id := range ids {
		if err := s.RevokeLease(ctx, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// bounds are what a backup tells of how long its containers may run.
type bounds struct {
	ttl, kill, keep time.Duration
	newest          berth.Revision
	keys            int
	schema          berth.Fact
	leases          map[string]struct{}
}

func (b *bounds) learn(f berth.Fact) {
	b.keys++
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	switch r := f.Record.(type) {
	case *berth.Schema:
		b.schema = f
		if r.Restored != nil {
			return // our own, of a former attempt
		}
	case *berth.Worker:
		b.ttl, b.kill = max(b.ttl, time.Duration(r.TTLSeconds)*time.Second), max(b.kill, ms(r.KillMS))
		b.leases[r.Lease] = struct{}{}
	case *berth.Ledger:
		b.ttl, b.kill = max(b.ttl, time.Duration(r.TTLSeconds)*time.Second), max(b.kill, ms(r.KillMS))
		if r.Lease != "" {
			b.leases[r.Lease] = struct{}{}
		}
	case *berth.Submission:
		b.keep = max(b.keep, ms(r.Spec.KeepMS))
	case *berth.Allocation:
		b.keep = max(b.keep, ms(r.KeepMS))
	}
	b.newest = max(b.newest, f.Mod)
}

func (b *bounds) hold() time.Duration {
	sum := b.ttl + b.kill + b.keep
	return (sum + sum/100).Round(time.Millisecond) + time.Millisecond
}
