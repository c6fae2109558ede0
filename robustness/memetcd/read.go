package memetcd

import (
	"bytes"
	"cmp"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/proto"
)

// rangeKeys answers a read at revision current, which is the latest that the
// answering member has applied.
func (s *Store) rangeKeys(r *pb.RangeRequest, current int64) (*pb.RangeResponse, error) {
	if err := s.checkRevision(r.Revision, current); err != nil {
		return nil, err
	}
	rev := r.Revision
	if rev <= 0 {
		rev = current
	}
	resp := &pb.RangeResponse{Header: s.header(current)}
	kvs := s.live(spanOf(r.Key, r.RangeEnd), rev)
	resp.Count = int64(len(kvs))
	if r.CountOnly {
		return resp, nil
	}
	kvs = order(filter(kvs, r), r)
	if r.Limit > 0 && int64(len(kvs)) > r.Limit {
		kvs, resp.More = kvs[:r.Limit], true
	}
	resp.Kvs = present(kvs, r)
	return resp, nil
}

func (s *Store) checkRevision(rev, current int64) error {
	switch {
	case rev > current:
		return rpctypes.ErrGRPCFutureRev
	case rev > 0 && rev < s.compacted:
		return rpctypes.ErrGRPCCompacted
	}
	return nil
}

func filter(kvs []*mvccpb.KeyValue, r *pb.RangeRequest) []*mvccpb.KeyValue {
	out := func(rev, least, most int64) bool { return least != 0 && rev < least || most != 0 && rev > most }
	return slices.DeleteFunc(kvs, func(kv *mvccpb.KeyValue) bool {
		return out(kv.ModRevision, r.MinModRevision, r.MaxModRevision) ||
			out(kv.CreateRevision, r.MinCreateRevision, r.MaxCreateRevision)
	})
}

func order(kvs []*mvccpb.KeyValue, r *pb.RangeRequest) []*mvccpb.KeyValue {
	descend := r.SortOrder == pb.RangeRequest_DESCEND
	if r.SortTarget == pb.RangeRequest_KEY && !descend {
		return kvs
	}
	slices.SortStableFunc(kvs, func(a, b *mvccpb.KeyValue) int {
		c := compareBy(r.SortTarget, a, b)
		if descend {
			return -c
		}
		return c
	})
	return kvs
}

func compareBy(target pb.RangeRequest_SortTarget, a, b *mvccpb.KeyValue) int {
	switch target {
	case pb.RangeRequest_VERSION:
		return cmp.Compare(a.Version, b.Version)
	case pb.RangeRequest_CREATE:
		return cmp.Compare(a.CreateRevision, b.CreateRevision)
	case pb.RangeRequest_MOD:
		return cmp.Compare(a.ModRevision, b.ModRevision)
	case pb.RangeRequest_VALUE:
		return bytes.Compare(a.Value, b.Value)
	case pb.RangeRequest_KEY:
	}
	return bytes.Compare(a.Key, b.Key)
}

// present leaves out what was not asked for. etcd answers keys alone from its
// index, which does not know leases.
func present(kvs []*mvccpb.KeyValue, r *pb.RangeRequest) []*mvccpb.KeyValue {
	if !r.KeysOnly {
		return kvs
	}
	out := make([]*mvccpb.KeyValue, 0, len(kvs))
	for _, kv := range kvs {
		key := &mvccpb.KeyValue{Key: kv.Key, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version}
		if r.SortTarget == pb.RangeRequest_VALUE {
			key.Lease = kv.Lease
		}
		out = append(out, key)
	}
	return out
}

// clone keeps a caller from changing the store's versions.
func clone(kv *mvccpb.KeyValue) *mvccpb.KeyValue {
	if kv == nil {
		return nil
	}
	return proto.CloneOf(kv)
}
