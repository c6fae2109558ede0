package invariant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Report is what was found at a revision.
type Report struct {
	Revision   int64
	Keys       int
	Violations []Violation
	// Unseen counts the revisions before it that were compacted before they
	// could be checked; the state was loaded anew.
	Unseen int64
}

const (
	pageKeys     = 1000 // of the first page, and of any at least
	pageKeysMost = 32_768
	pageBytes    = 8 << 20 // about
	pageTimeout  = 30 * time.Second
	watchAgain   = 200 * time.Millisecond
)

// CheckStore checks what lies under the prefix, all at one revision.
func CheckStore(ctx context.Context, client *clientv3.Client, prefix string, opts Options) (Report, error) {
	s, err := load(ctx, client, prefix, opts)
	if err != nil {
		return Report{}, err
	}
	return Report{Revision: s.Revision(), Keys: s.Keys(), Violations: s.Check()}, nil
}

// WatchStore tells what is wrong at first, then of each revision what has begun
// to be wrong, in order and without a gap (or it says so, Report.Unseen), until
// ctx ends or fn fails. While the store is away it tries again, at the first read
// too; only a refusal of rights ends it: that does not pass.
func WatchStore(ctx context.Context, client *clientv3.Client, prefix string, opts Options, fn func(Report) error) error {
	var seen int64
	for {
		s, err := loadAtLast(ctx, client, prefix, opts)
		if err != nil {
			return err
		}
		r := Report{Revision: s.Revision(), Keys: s.Keys(), Violations: s.Check()}
		if seen > 0 {
			r.Unseen = s.Revision() - seen
		}
		if err := fn(r); err != nil {
			return err
		}
		err = s.watch(ctx, client, prefix, fn)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return err
		}
		seen = s.Revision()
	}
}

// watch steps through the revisions until one of them is compacted.
func (s *State) watch(ctx context.Context, client *clientv3.Client, prefix string, fn func(Report) error) error {
	for {
		err := s.watchOnce(ctx, client, prefix, fn)
		if err != nil {
			return err
		}
		select {
		case <-time.After(watchAgain): // the watch broke off: no leader, or the connection
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watchOnce returns nil when the watch broke off.
func (s *State) watchOnce(ctx context.Context, client *clientv3.Client, prefix string, fn func(Report) error) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(s.Revision()+1)) {
		if resp.CompactRevision > 0 {
			return rpctypes.ErrCompacted
		}
		if resp.Err() != nil {
			return nil
		}
		if err := s.stepThrough(resp.Events, prefix, fn); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// stepThrough takes the events revision by revision. A response never splits
// one: fragments were not asked for.
func (s *State) stepThrough(events []*clientv3.Event, prefix string, fn func(Report) error) error {
	for len(events) > 0 {
		rev, n := events[0].Kv.ModRevision, 0
		var step []Event
		for n < len(events) && events[n].Kv.ModRevision == rev {
			e := events[n]
			step = append(step, Event{Pair: pairOf(e.Kv, prefix), Deleted: e.Type == clientv3.EventTypeDelete})
			n++
		}
		events = events[n:]
		found := s.Step(rev, step)
		if err := fn(Report{Revision: rev, Keys: s.Keys(), Violations: found}); err != nil {
			return err
		}
	}
	return nil
}

// loadAtLast loads as soon as the store answers.
func loadAtLast(ctx context.Context, client *clientv3.Client, prefix string, opts Options) (*State, error) {
	for {
		s, err := load(ctx, client, prefix, opts)
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(err, rpctypes.ErrUserEmpty):
			return nil, err
		}
		select {
		case <-time.After(watchAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// load reads all pages at the revision of the first.
func load(ctx context.Context, client *clientv3.Client, prefix string, opts Options) (*State, error) {
	for {
		s, err := loadOnce(ctx, client, prefix, opts)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return s, err
		}
	}
}

func loadOnce(ctx context.Context, client *clientv3.Client, prefix string, opts Options) (*State, error) {
	var pairs []Pair
	var rev int64
	keys := int64(pageKeys)
	for from, more := prefix, true; more; {
		resp, err := page(ctx, client, from, clientv3.GetPrefixRangeEnd(prefix), rev, keys)
		if err != nil {
			return nil, fmt.Errorf("read the store below %s: %w", prefix, err)
		}
		if rev == 0 {
			rev = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			pairs = append(pairs, pairOf(kv, prefix))
			from = string(kv.Key) + "\x00"
		}
		more, keys = resp.More, nextPage(resp.Kvs)
	}
	s := NewState(opts)
	s.Load(rev, pairs)
	return s, nil
}

// nextPage is how many keys to ask for behind a page. For each page etcd counts all
// keys behind it, too, so pages of a fixed number would cost the square of the store:
// they are as large as their bytes allow.
func nextPage(kvs []*mvccpb.KeyValue) int64 {
	size := int64(1)
	for _, kv := range kvs {
		size += int64(len(kv.Key) + len(kv.Value))
	}
	return min(max(int64(len(kvs))*pageBytes/size, pageKeys), pageKeysMost)
}

func page(ctx context.Context, client *clientv3.Client, from, end string, rev, keys int64) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(keys), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)}
	if rev > 0 {
		opts = append(opts, clientv3.WithRev(rev))
	}
	return client.Get(ctx, from, opts...)
}

func pairOf(kv *mvccpb.KeyValue, prefix string) Pair {
	return Pair{
		Key: strings.TrimPrefix(string(kv.Key), prefix), Value: kv.Value,
		Create: kv.CreateRevision, Mod: kv.ModRevision, Lease: kv.Lease,
	}
}
