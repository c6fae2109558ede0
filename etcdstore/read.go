package etcdstore

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

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
	rev, _, err := s.pages(ctx, s.keys.folder(kind, owner), fn)
	return rev, err
}

// pages reads all keys under a folder at one revision, the first page's.
func (s *Store) pages(ctx context.Context, folder string, fn func(berth.Fact) error) (berth.Revision, uint64, error) {
	from, end := folder, clientv3.GetPrefixRangeEnd(folder)
	rev, cluster := int64(0), uint64(0)
	for {
		resp, err := s.page(ctx, from, end, rev)
		if err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", folder, err)
		}
		if rev == 0 {
			rev, cluster = resp.Header.Revision, resp.Header.ClusterId
		}
		for _, kv := range resp.Kvs {
			k, ok := s.parse(kv.Key)
			if !ok {
				continue
			}
			if err := fn(decodeFact(k, kv)); err != nil {
				return 0, 0, err
			}
		}
		if !resp.More {
			return berth.Revision(rev), cluster, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
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
