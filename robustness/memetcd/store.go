package memetcd

import (
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// Config of a Store; zero fields mean etcd's own defaults.
type Config struct {
	MaxTxnOps       int   // compares or operations of one branch; default 128
	MaxRequestBytes int   // default 1.5 MiB
	QuotaBytes      int64 // default 2 GiB
	MinLeaseTTL     int64 // seconds; default 2: three halves of the election time-out
	ClusterID       uint64
	MemberID        uint64
	FirstLeaseID    int64 // of the ids that the store gives; default 1
}

// Store is one etcd. One goroutine may use it at a time.
type Store struct {
	cfg       Config
	now       time.Duration
	term      uint64
	revision  int64
	compacted int64 // history before it is gone; -1: never compacted

	index  []string                      // all keys with a version left, sorted
	keys   map[string][]*mvccpb.KeyValue // versions, oldest first; Version 0 is a tombstone
	log    []*mvccpb.Event               // since compacted, in order
	leases map[int64]*lease
	nextID int64
	alarm  bool // NOSPACE

	used int64 // bytes of all versions
	file int64 // bytes of the file: used, and what was freed since it was defragmented
}

// New is an empty store at revision 1, as etcd's is.
func New(cfg Config) *Store {
	setDefault(&cfg.MaxTxnOps, 128)
	setDefault(&cfg.MaxRequestBytes, 3<<19)
	setDefault(&cfg.QuotaBytes, 2<<30)
	setDefault(&cfg.MinLeaseTTL, 2)
	setDefault(&cfg.FirstLeaseID, 1)
	return &Store{
		cfg: cfg, term: 2, revision: 1, compacted: -1,
		keys: map[string][]*mvccpb.KeyValue{}, leases: map[int64]*lease{}, nextID: cfg.FirstLeaseID,
	}
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Advance tells the store what time it is. It never goes back.
func (s *Store) Advance(now time.Duration) { s.now = max(s.now, now) }

// Revision is the latest.
func (s *Store) Revision() int64 { return s.revision }

// Compacted is the revision before which history is gone; -1: nothing is.
func (s *Store) Compacted() int64 { return s.compacted }

// Events are the changes of the revisions after rev that are not compacted.
func (s *Store) Events(rev int64) []*mvccpb.Event { return s.log[s.logAfter(rev):] }

// Do answers one request, and applies it where it writes. Errors are those that
// etcd's server sends.
func (s *Store) Do(req proto.Message) (proto.Message, error) {
	if err := s.checkRequest(req); err != nil {
		return nil, err
	}
	switch r := req.(type) {
	case *pb.RangeRequest:
		return s.rangeKeys(r, s.revision)
	case *pb.PutRequest:
		return s.put(r)
	case *pb.DeleteRangeRequest:
		return s.deleteRange(r)
	case *pb.TxnRequest:
		return s.txn(r)
	case *pb.CompactionRequest:
		return s.compact(r)
	case *pb.LeaseGrantRequest:
		return s.grant(r)
	case *pb.LeaseRevokeRequest:
		return s.revoke(r)
	case *pb.LeaseKeepAliveRequest:
		return s.keepAlive(r)
	case *pb.LeaseTimeToLiveRequest:
		return s.timeToLive(r)
	case *pb.LeaseLeasesRequest:
		return s.listLeases()
	case *pb.StatusRequest:
		return s.status()
	case *pb.AlarmRequest:
		return s.alarms(r)
	case *pb.DefragmentRequest:
		s.file = s.used
		return &pb.DefragmentResponse{Header: s.header(s.revision)}, nil
	}
	return nil, fmt.Errorf("memetcd: a request of type %T is not supported", req)
}

// Stale answers a serializable read as a member does that has applied nothing
// after revision rev.
func (s *Store) Stale(req proto.Message, rev int64) (proto.Message, error) {
	if err := s.checkRequest(req); err != nil {
		return nil, err
	}
	rev = min(max(rev, s.compacted, 1), s.revision)
	switch r := req.(type) {
	case *pb.RangeRequest:
		return s.rangeKeys(r, rev)
	case *pb.TxnRequest:
		return s.readTxn(r, rev)
	}
	return nil, fmt.Errorf("memetcd: a request of type %T has no stale answer", req)
}

// Serializable says whether a request may be answered by any member, from what
// it has applied so far.
func Serializable(req proto.Message) bool {
	switch r := req.(type) {
	case *pb.RangeRequest:
		return r.Serializable
	case *pb.TxnRequest:
		for _, op := range append(append([]*pb.RequestOp{}, r.Success...), r.Failure...) {
			if g := op.GetRequestRange(); g == nil || !g.Serializable {
				return false
			}
		}
		return len(r.Success)+len(r.Failure) > 0
	}
	return false
}

// NewLeader is a change of the leader: the new one renews all leases, for it
// does not know how much of them is left.
func (s *Store) NewLeader() {
	s.term++
	for _, l := range s.leases {
		l.ends = s.now + time.Duration(l.ttl)*time.Second
	}
}

func (s *Store) header(rev int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{ClusterId: s.cfg.ClusterID, MemberId: s.cfg.MemberID, Revision: rev, RaftTerm: s.term}
}
