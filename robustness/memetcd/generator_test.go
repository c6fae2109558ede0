package memetcd

import (
	"bytes"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// generator draws requests about few keys, so that they meet.
type generator struct {
	t        *rapid.T
	revision int64
	keep     bool // compact nothing: etcd takes its time to tell of the past, and might not come to it
}

func (g *generator) chance(what string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(g.t, what) <= percent
}

func (g *generator) one(what string, n int) int { return rapid.IntRange(0, n-1).Draw(g.t, what) }

func pick[T any](g *generator, what string, from ...T) T {
	return from[g.one(what, len(from))]
}

func (g *generator) key() []byte {
	return []byte(pick(g, "key", "a", "a1", "a2", "b", "b1", "c", "d", "k", ""))
}

func (g *generator) end() []byte {
	return []byte(pick(g, "end", "", "", "b", "a2", "c", "z", "\x00"))
}

func (g *generator) value() []byte {
	switch g.one("value", 12) {
	case 0:
		return bytes.Repeat([]byte("v"), testRequestBytes/3)
	case 1:
		return bytes.Repeat([]byte("v"), testRequestBytes+100)
	case 2:
		return nil
	}
	return []byte(pick(g, "text", "x", "y", "z"))
}

// rev is one of the past, the present or the future; 0 is the present.
func (g *generator) rev() int64 {
	if g.chance("present", 60) {
		return 0
	}
	return max(1, g.revision+int64(rapid.IntRange(-6, 2).Draw(g.t, "revision")))
}

func (g *generator) leaseID() int64 { return int64(rapid.IntRange(7001, 7003).Draw(g.t, "lease")) }

func (g *generator) request() proto.Message {
	switch n := g.one("request", 20); {
	case n < 5:
		return g.put()
	case n < 8:
		return g.rangeRequest()
	case n < 10:
		return g.deleteRange()
	case n < 15:
		return g.txn(2)
	case n < 16 && !g.keep:
		return &pb.CompactionRequest{Revision: g.revision + int64(rapid.IntRange(-3, 1).Draw(g.t, "compact"))}
	case n < 19:
		return g.leaseRequest()
	}
	return &pb.AlarmRequest{Action: pick(g, "action", pb.AlarmRequest_GET, pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE, pb.AlarmRequest_DEACTIVATE), Alarm: pb.AlarmType_NOSPACE}
}

func (g *generator) leaseRequest() proto.Message {
	id := g.leaseID()
	switch g.one("lease request", 6) {
	case 0, 1:
		return &pb.LeaseGrantRequest{ID: id, TTL: pick(g, "ttl", int64(0), 1, 60, 600, maxLeaseTTL+1) * 60}
	case 2:
		return &pb.LeaseRevokeRequest{ID: id}
	case 3:
		return &pb.LeaseKeepAliveRequest{ID: id}
	case 4:
		return &pb.LeaseTimeToLiveRequest{ID: id, Keys: g.chance("keys", 70)}
	}
	return &pb.LeaseLeasesRequest{}
}

func (g *generator) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.chance("prev", 30)}
	if g.chance("leased", 40) {
		r.Lease = g.leaseID()
	}
	if g.chance("ignore value", 8) {
		r.IgnoreValue = true
		if g.chance("no value", 80) {
			r.Value = nil
		}
	}
	if g.chance("ignore lease", 8) {
		r.IgnoreLease = true
		if g.chance("no lease", 80) {
			r.Lease = 0
		}
	}
	return r
}

func (g *generator) rangeRequest() *pb.RangeRequest {
	r := &pb.RangeRequest{
		Key: g.key(), RangeEnd: g.end(), Revision: g.rev(), Serializable: g.chance("serializable", 20),
		KeysOnly: g.chance("keys only", 20), CountOnly: g.chance("count only", 15),
	}
	if g.chance("limit", 30) {
		r.Limit = int64(rapid.IntRange(1, 3).Draw(g.t, "limit"))
	}
	if g.chance("sort", 30) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.one("order", 4)) // 3 is none that there is
		r.SortTarget = pick(g, "target", pb.RangeRequest_KEY, pb.RangeRequest_CREATE, pb.RangeRequest_MOD)
	}
	if g.chance("bounds", 20) {
		r.MinModRevision, r.MaxModRevision = g.rev(), g.rev()
		r.MinCreateRevision, r.MaxCreateRevision = g.rev(), g.rev()
	}
	return r
}

func (g *generator) deleteRange() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: g.key(), RangeEnd: g.end(), PrevKv: g.chance("prev", 40)}
}

// boundedDelete is of a span that etcd's check for duplicates understands: one
// without an end, or with an end before its key, misleads it.
func (g *generator) boundedDelete() *pb.DeleteRangeRequest {
	r := g.deleteRange()
	if bytes.Compare(r.RangeEnd, r.Key) <= 0 {
		r.RangeEnd = nil
	}
	return r
}

func (g *generator) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range g.one("compares", 4) {
		r.Compare = append(r.Compare, g.compare())
	}
	for range g.one("then", 4) {
		r.Success = append(r.Success, g.op(depth))
	}
	for range g.one("else", 4) {
		r.Failure = append(r.Failure, g.op(depth))
	}
	for g.chance("many", 4) {
		r.Success = append(r.Success, g.op(0), g.op(0), g.op(0), g.op(0), g.op(0), g.op(0))
	}
	return r
}

func (g *generator) op(depth int) *pb.RequestOp {
	switch n := g.one("op", 12); {
	case n < 5:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: g.put()}}
	case n < 8:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: g.rangeRequest()}}
	case n < 10 || depth == 0:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: g.boundedDelete()}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.txn(depth - 1)}}
}

func (g *generator) compare() *pb.Compare {
	c := &pb.Compare{Key: g.key(), Result: pb.Compare_CompareResult(g.one("result", 4)), Target: pb.Compare_CompareTarget(g.one("compare", 5))}
	if g.chance("span", 20) {
		c.RangeEnd = g.end()
	}
	switch c.Target {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: int64(g.one("version", 3))}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: g.rev()}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: g.rev()}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: []byte(pick(g, "value", "x", "y", ""))}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: pick(g, "lease", 0, g.leaseID())}
	}
	return c
}

// watchSpec is a watch that covers the key k, which ends every run.
type watchSpec struct {
	key      string
	revision int64
	options  []clientv3.OpOption
	names    []string
}

func (g *generator) watch() watchSpec {
	w := watchSpec{key: pick(g, "watch key", "a", "k", "b", "\x00"), revision: min(g.rev(), g.revision+1)}
	if w.revision == 1 {
		w.revision = 2 // at 1 stands what emptied the real store
	}
	g.keep = g.keep || w.revision > 0
	if w.key != "k" {
		w.options = append(w.options, clientv3.WithFromKey())
	}
	add := func(name string, o clientv3.OpOption) {
		w.options, w.names = append(w.options, o), append(w.names, name)
	}
	switch g.one("filter", 6) {
	case 0:
		add("no puts", clientv3.WithFilterPut())
	case 1:
		add("no deletes", clientv3.WithFilterDelete())
	}
	if g.chance("prev", 50) {
		add("previous", clientv3.WithPrevKV())
	}
	if g.chance("fragment", 30) {
		add("fragments", clientv3.WithFragment())
	}
	if g.chance("progress", 30) {
		add("progress", clientv3.WithProgressNotify())
	}
	return w
}
