package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// MinTTL is the shortest lease: etcd looks for expired ones every half second.
const MinTTL = 2 * time.Second

// Lease is kept alive by Run. Its deadline counts from the sending of the last
// answered keepalive, never from the answer's arrival, by a clock that counts
// while the machine is suspended.
//
// A lease may live on after its deadline: while etcd is away no lease ends, and a
// new leader gives each its whole TTL again. So who has passed the deadline must
// act as if the lease were over, and may find that it is not.
type Lease struct {
	ID      string        // hexadecimal, as etcdctl prints it
	TTL     time.Duration // granted
	Cluster uint64        // that granted it

	store   *Store
	id      clientv3.LeaseID
	lost    chan struct{} // closed by Run
	renewed chan struct{} // written by Run after each answer; one is enough: the reader asks for the deadline

	mu       sync.Mutex // guards deadline
	deadline time.Duration
}

// KeepLease grants a lease; Run keeps it alive. ttl is whole seconds, MinTTL at least.
func (s *Store) KeepLease(ctx context.Context, ttl time.Duration) (*Lease, error) {
	if ttl < MinTTL || ttl%time.Second != 0 {
		return nil, fmt.Errorf("lease TTL %s; allowed: whole seconds, at least %s", ttl, MinTTL)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	sent := s.opts.Clock()
	resp, err := s.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return nil, fmt.Errorf("grant a lease: %w", err)
	}
	return s.newLease(resp.ID, resp.ResponseHeader, resp.TTL, sent), nil
}

// ResumeLease takes up a lease that a former program has left, by a keepalive
// that is answered. ErrLeaseGone: it is over, or of another cluster.
func (s *Store) ResumeLease(ctx context.Context, id string, cluster uint64) (*Lease, error) {
	lease, err := parseLease(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	sent := s.opts.Clock()
	resp, err := s.client.KeepAliveOnce(ctx, lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) || err == nil && resp.GetClusterId() != cluster {
		return nil, fmt.Errorf("resume lease %s: %w", id, ErrLeaseGone)
	}
	if err != nil {
		return nil, fmt.Errorf("resume lease %s: %w", id, err)
	}
	return s.newLease(lease, resp.ResponseHeader, resp.TTL, sent), nil
}

func (s *Store) newLease(id clientv3.LeaseID, header *pb.ResponseHeader, ttl int64, sent time.Duration) *Lease {
	granted := time.Duration(ttl) * time.Second
	return &Lease{
		ID: formatLease(id), TTL: granted, Cluster: header.GetClusterId(), store: s, id: id,
		lost: make(chan struct{}), renewed: make(chan struct{}, 1), deadline: sent + granted,
	}
}

// Deadline is the moment, by CLOCK_BOOTTIME, at which the lease may be over.
func (l *Lease) Deadline() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// Lost is closed when the store says that the lease is over, or when another
// cluster answers in its place.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Renewed tells that a keepalive was answered: the deadline has moved.
func (l *Lease) Renewed() <-chan struct{} { return l.renewed }

// Run sends a keepalive every third of the TTL, sooner after a failure, until
// the lease is lost (nil, with Lost closed) or ctx ends. Call it once.
func (l *Lease) Run(ctx context.Context) error {
	wait := l.TTL / 3
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err := l.keepalive(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, rpctypes.ErrLeaseNotFound), errors.Is(err, ErrLeaseGone):
			close(l.lost)
			return nil
		case err != nil:
			wait = l.TTL / 20
			continue
		}
		wait = l.TTL / 3
		select {
		case l.renewed <- struct{}{}:
		default:
		}
	}
}

func (l *Lease) keepalive(ctx context.Context) error {
	patience := l.TTL / 3
	if left := l.Deadline() - l.store.opts.Clock(); left > 0 {
		patience = max(min(left, patience), time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := l.store.opts.Clock()
	resp, err := l.store.client.KeepAliveOnce(ctx, l.id)
	if err != nil {
		return err
	}
	if resp.GetClusterId() != l.Cluster {
		return fmt.Errorf("cluster %x answers, %x granted it: %w", resp.GetClusterId(), l.Cluster, ErrLeaseGone)
	}
	l.mu.Lock()
	l.deadline = sent + time.Duration(resp.TTL)*time.Second
	l.mu.Unlock()
	return nil
}

// RevokeLease ends a lease and deletes its keys. One that is over already is no error.
func (s *Store) RevokeLease(ctx context.Context, id string) error {
	lease, err := parseLease(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	if _, err := s.client.Revoke(ctx, lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("revoke lease %s: %w", id, err)
	}
	return nil
}

// LeaseRemaining says how long a lease still lives, or that it is gone.
func (s *Store) LeaseRemaining(ctx context.Context, id string) (left time.Duration, gone bool, err error) {
	lease, err := parseLease(id)
	if err != nil {
		return 0, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	resp, err := s.client.TimeToLive(ctx, lease)
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return 0, true, nil
	case err != nil:
		return 0, false, fmt.Errorf("time to live of lease %s: %w", id, err)
	case s.sameCluster(resp.ClusterId) != nil:
		return 0, false, fmt.Errorf("time to live of lease %s: %w", id, s.sameCluster(resp.ClusterId))
	case resp.TTL < 0:
		return 0, true, nil
	}
	return time.Duration(resp.TTL) * time.Second, false, nil
}

func formatLease(id clientv3.LeaseID) string { return strconv.FormatInt(int64(id), 16) }

func parseLease(id string) (clientv3.LeaseID, error) {
	v, err := strconv.ParseInt(id, 16, 64)
	if err != nil || v == 0 {
		return 0, fmt.Errorf("lease %q is no hexadecimal id", id)
	}
	return clientv3.LeaseID(v), nil
}
