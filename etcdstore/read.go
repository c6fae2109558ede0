package etcdstore

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berthd/berth"
)

// Get reads keys at one revision. An absent key is a fact without a record.
func (s *Store) Get(ctx context.Context, ks ...berth.Key) ([]berth.Fact, error) {
	facts, cluster, err := s.get(ctx, ks...)
	if err == nil {
		err = s.sameCluster(cluster)
	}
	if err != nil {
		return nil, err
	}
	return facts, nil
}

// get reads from whichever cluster answers, and tells which.
func (s *Store) get(ctx context.Context, ks ...berth.Key) ([]berth.Fact, uint64, error) {
	reads := make([]clientv3.Op, len(ks))
	for i, k := range ks {
		reads[i] = clientv3.OpGet(s.keys.format(k))
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	resp, err := s.client.Txn(ctx).Then(reads...).Commit()
	if err != nil {
		return nil, 0, fmt.Errorf("read %d keys: %w", len(ks), err)
	}
	return s.readFacts(ks, resp.Responses, berth.Revision(resp.Header.Revision)), resp.Header.ClusterId, nil
}

// Scan calls fn with every record of a kind, of one owner where given, by pages
// at one revision, which it returns.
func (s *Store) Scan(ctx context.Context, kind berth.Kind, owner string, fn func(berth.Fact) error) (berth.Revision, error) {
	rev, _, err := s.scan(ctx, s.keys.folder(kind, owner), fn)
	return rev, err
}

// scan calls fn with every record under a folder, at one revision.
func (s *Store) scan(ctx context.Context, folder string, fn func(berth.Fact) error) (rev berth.Revision, cluster uint64, err error) {
	err = s.pages(ctx, stretch{folder, clientv3.GetPrefixRangeEnd(folder)}, &rev, &cluster, func(kvs []*mvccpb.KeyValue) error {
		for _, f := range s.facts(kvs) {
			if err := fn(f); err != nil {
				return err
			}
		}
		return nil
	})
	return rev, cluster, err
}

// pages reads all keys of a stretch at one revision: rev, or, where that is 0, the
// first page's, which it then tells. What follows the first page comes as a stream:
// for each page, etcd counts all keys behind it too, a million times a million for a
// million keys. An etcd before 3.7 has none.
func (s *Store) pages(ctx context.Context, all stretch, rev *berth.Revision, cluster *uint64, fn func([]*mvccpb.KeyValue) error) error {
	for from := all.from; ; {
		resp, err := s.page(ctx, from, all.end, int64(*rev))
		if err != nil {
			return fmt.Errorf("read %s: %w", all.from, err)
		}
		if *rev == 0 {
			*rev, *cluster = berth.Revision(resp.Header.Revision), resp.Header.ClusterId
		}
		if err := fn(resp.Kvs); err != nil || !resp.More {
			return err
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
		if s.noStream.Load() {
			continue
		}
		err = s.stream(ctx, stretch{from, all.end}, *rev, fn)
		if status.Code(err) != codes.Unimplemented {
			return err
		}
		s.noStream.Store(true)
	}
}

// stream reads all keys of a stretch at a revision, in the sizes that etcd finds right.
func (s *Store) stream(ctx context.Context, all stretch, rev berth.Revision, fn func([]*mvccpb.KeyValue) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, err := s.client.GetStream(ctx, all.from, clientv3.WithRange(all.end), clientv3.WithRev(int64(rev)))
	if err != nil {
		return err
	}
	defer func() { // else who reads from etcd is never done
		cancel()
		for range parts {
		}
	}()
	late := time.NewTimer(s.opts.TxnTimeout)
	defer late.Stop()
	for {
		select {
		case p, open := <-parts:
			if !open {
				return nil
			}
			if err := p.Err(); err != nil {
				return fmt.Errorf("read %s: %w", all.from, err)
			}
			if err := fn(p.RangeResponse.Kvs); err != nil {
				return err
			}
			late.Reset(s.opts.TxnTimeout)
		case <-late.C:
			return fmt.Errorf("read %s: %w", all.from, context.DeadlineExceeded)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// parse names the record of a key.
func (s *Store) parse(key []byte) (berth.Key, bool) {
	k, err := s.keys.parse(string(key))
	if err != nil {
		s.opts.Log.Warn("a key under the prefix is not ours", zap.Error(err))
	}
	return k, err == nil
}

func (s *Store) page(ctx context.Context, from, end string, rev int64) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	return s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(s.opts.PageSize), clientv3.WithRev(rev))
}
