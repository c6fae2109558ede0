package memetcd

import (
	"cmp"
	"maps"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// maxLeaseTTL is etcd's bound, in seconds.
const maxLeaseTTL = 9_000_000_000

// ExpiryPoll is how often etcd looks for leases that are over.
const ExpiryPoll = 500 * time.Millisecond

type lease struct {
	id, ttl int64
	ends    time.Duration
	keys    map[string]bool
}

func (s *Store) attach(id int64, key string) {
	if l := s.leases[id]; l != nil {
		l.keys[key] = true
	}
}

func (s *Store) detach(id int64, key string) {
	if l := s.leases[id]; l != nil {
		delete(l.keys, key)
	}
}

func (s *Store) grant(r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	id := r.ID
	if id == 0 {
		id = s.freeLeaseID()
	}
	if r.TTL > maxLeaseTTL {
		return nil, rpctypes.ErrGRPCLeaseTTLTooLarge
	}
	if s.leases[id] != nil {
		return nil, rpctypes.ErrGRPCLeaseExist
	}
	l := &lease{id: id, ttl: max(r.TTL, s.cfg.MinLeaseTTL), keys: map[string]bool{}}
	l.ends = s.now + time.Duration(l.ttl)*time.Second
	s.leases[id] = l
	return &pb.LeaseGrantResponse{Header: s.header(s.revision), ID: id, TTL: l.ttl}, nil
}

func (s *Store) freeLeaseID() int64 {
	for {
		id := s.nextID
		s.nextID++
		if s.leases[id] == nil {
			return id
		}
	}
}

func (s *Store) revoke(r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	l := s.leases[r.ID]
	if l == nil {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	s.endLease(l)
	return &pb.LeaseRevokeResponse{Header: s.header(s.revision)}, nil
}

// endLease deletes a lease's keys in one revision.
func (s *Store) endLease(l *lease) {
	w := s.begin()
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		s.deleteKey(key, w.rev)
		w.changed = true
	}
	w.end()
	delete(s.leases, l.id)
}

// Expire ends the leases whose time is over, as etcd does every ExpiryPoll, and
// says how many.
func (s *Store) Expire() int {
	var over []*lease
	for _, l := range s.leases {
		if s.now >= l.ends {
			over = append(over, l)
		}
	}
	slices.SortFunc(over, func(a, b *lease) int { return cmp.Or(cmp.Compare(a.ends, b.ends), cmp.Compare(a.id, b.id)) })
	for _, l := range over {
		s.endLease(l)
	}
	return len(over)
}

// keepAlive renews a lease. One that is over but not yet ended is ended first:
// etcd lets its keepalive wait for that. TTL 0 says that there is none.
func (s *Store) keepAlive(r *pb.LeaseKeepAliveRequest) (*pb.LeaseKeepAliveResponse, error) {
	l := s.leases[r.ID]
	if l != nil && s.now >= l.ends {
		s.endLease(l)
		l = nil
	}
	resp := &pb.LeaseKeepAliveResponse{ID: r.ID, Header: s.header(s.revision)}
	if l != nil {
		l.ends = s.now + time.Duration(l.ttl)*time.Second
		resp.TTL = l.ttl
	}
	return resp, nil
}

func (s *Store) timeToLive(r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	resp := &pb.LeaseTimeToLiveResponse{Header: s.header(s.revision), ID: r.ID, TTL: -1}
	l := s.leases[r.ID]
	if l == nil {
		return resp, nil
	}
	resp.TTL, resp.GrantedTTL = int64((l.ends-s.now)/time.Second), l.ttl
	if r.Keys {
		for _, key := range slices.Sorted(maps.Keys(l.keys)) {
			resp.Keys = append(resp.Keys, []byte(key))
		}
	}
	return resp, nil
}

func (s *Store) listLeases() (*pb.LeaseLeasesResponse, error) {
	resp := &pb.LeaseLeasesResponse{Header: s.header(s.revision)}
	for _, id := range slices.Sorted(maps.Keys(s.leases)) {
		resp.Leases = append(resp.Leases, &pb.LeaseStatus{ID: id})
	}
	return resp, nil
}
