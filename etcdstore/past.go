package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// PastError says that the store cannot tell what it held at a revision.
type PastError struct {
	Revision berth.Revision
	Oldest   berth.Revision // that it can tell of; 0: not known
	Newest   berth.Revision // set: the revision is yet to come
	Time     time.Time      // set: what was asked for is a time
	Since    time.Time      // then, the first that it can tell of; zero: not known
}

func (e *PastError) Error() string {
	switch {
	case !e.Time.IsZero():
		return fmt.Sprintf("nothing is known of %s: the store's history reaches back to revision %d, and nothing in it is known to be older%s", e.Time.Format(time.RFC3339), e.Oldest, e.since())
	case e.Newest > 0:
		return fmt.Sprintf("revision %d is yet to come: the store is at %d", e.Revision, e.Newest)
	case e.Oldest == 0:
		return fmt.Sprintf("revision %d is forgotten: the store's history was compacted", e.Revision)
	}
	return fmt.Sprintf("revision %d is forgotten: the store's history reaches back to revision %d", e.Revision, e.Oldest)
}

// since is the first moment of which something is known, as one that can be asked about: not before it.
func (e *PastError) since() string {
	if e.Since.IsZero() {
		return ""
	}
	return " than " + e.Since.Add(time.Second-1).Truncate(time.Second).Format(time.RFC3339)
}

// ScanAt calls fn with every record of some kinds, kind by kind, as they were at one
// revision; 0 is the newest. It returns the revision. What the store has forgotten is
// a *PastError.
func (s *Store) ScanAt(ctx context.Context, rev berth.Revision, kinds []berth.Kind, fn func(berth.Fact) error) (berth.Revision, error) {
	asked, cluster := rev, uint64(0)
	for _, kind := range kinds {
		folder := s.keys.folder(kind, "")
		err := s.pages(ctx, stretch{folder, clientv3.GetPrefixRangeEnd(folder)}, &rev, &cluster, func(kvs []*mvccpb.KeyValue) error {
			for _, f := range s.facts(kvs) {
				if f.Key.Kind != kind {
					continue
				}
				if err := fn(f); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return rev, s.past(ctx, rev, err)
		}
	}
	if asked == 0 {
		if err := s.sameCluster(cluster); err != nil {
			return rev, err
		}
	}
	return rev, nil
}

// GetAt reads keys as they were at a revision, as Get.
func (s *Store) GetAt(ctx context.Context, rev berth.Revision, ks ...berth.Key) ([]berth.Fact, error) {
	reads := make([]clientv3.Op, len(ks))
	for i, k := range ks {
		reads[i] = clientv3.OpGet(s.keys.format(k), clientv3.WithRev(int64(rev)))
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	resp, err := s.client.Txn(ctx).Then(reads...).Commit()
	if err != nil {
		return nil, s.past(ctx, rev, fmt.Errorf("read %d keys at revision %d: %w", len(ks), rev, err))
	}
	if err := s.sameCluster(resp.Header.ClusterId); err != nil {
		return nil, err
	}
	return s.readFacts(ks, resp.Responses, rev), nil
}

// Tells says whether the store can still tell what it held at a revision.
func (s *Store) Tells(ctx context.Context, rev berth.Revision) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	_, err := s.client.Get(ctx, s.keys.folder(berth.KindSchema, ""), clientv3.WithRev(int64(rev)), clientv3.WithCountOnly())
	if errors.Is(err, rpctypes.ErrCompacted) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for revision %d: %w", rev, err)
	}
	return true, nil
}

// past makes the answer that history does not reach so far one of ours.
func (s *Store) past(ctx context.Context, rev berth.Revision, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		oldest, _ := s.Oldest(ctx) // 0 says that it is not known
		return &PastError{Revision: rev, Oldest: oldest}
	case errors.Is(err, rpctypes.ErrFutureRev):
		newest, newestErr := s.Newest(ctx)
		if newestErr != nil {
			return err
		}
		return &PastError{Revision: rev, Newest: newest}
	}
	return err
}

// Newest is the revision that the store has: of whatever was answered before it was asked
// for, or a later one. What a watch has told may be older.
func (s *Store) Newest(ctx context.Context) (berth.Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.keys.folder(berth.KindSchema, ""), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("find the newest revision: %w", err)
	}
	return berth.Revision(resp.Header.Revision), s.sameCluster(resp.Header.ClusterId)
}

// Oldest is the oldest revision that the store can tell of. Only a watch from before
// is told it.
func (s *Store) Oldest(ctx context.Context) (berth.Revision, error) {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), s.opts.TxnTimeout)
	defer cancel()
	for resp := range s.client.Watch(ctx, s.keys.folder(berth.KindSchema, ""), clientv3.WithRev(1)) {
		if resp.CompactRevision > 0 {
			return berth.Revision(resp.CompactRevision), nil
		}
		if err := resp.Err(); err != nil {
			return 0, fmt.Errorf("find the oldest revision: %w", err)
		}
		if len(resp.Events) > 0 {
			return 1, nil
		}
	}
	return 0, fmt.Errorf("find the oldest revision: %w", context.Cause(ctx))
}
