package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// MinTTL is the shortest lease: etcd looks for expired ones every half second.
const MinTTL = 2 * time.Second

// Lease is kept alive by Run. Its deadline counts from the sending of the last
// answered keepalive, never from the answer's arrival, by a clock that counts
// while the machine is suspended.
type Lease struct {
	ID  string        // hexadecimal, as etcdctl prints it
	TTL time.Duration // granted

	store *Store
	id    clientv3.LeaseID
	lost  chan struct{} // closed by Run

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
	granted := time.Duration(resp.TTL) * time.Second
	return &Lease{
		ID: strconv.FormatInt(int64(resp.ID), 16), TTL: granted, store: s, id: resp.ID,
		lost: make(chan struct{}), deadline: sent + granted,
	}, nil
}

// Deadline is the moment, by CLOCK_BOOTTIME, at which the lease may be over.
func (l *Lease) Deadline() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// Lost is closed when the lease is over, or its deadline has passed.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

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
		if errors.Is(err, rpctypes.ErrLeaseNotFound) || l.store.opts.Clock() >= l.Deadline() {
			close(l.lost)
			return nil
		}
		wait = l.TTL / 3
		if err != nil {
			wait = l.TTL / 20
		}
	}
}

func (l *Lease) keepalive(ctx context.Context) error {
	left := l.Deadline() - l.store.opts.Clock()
	ctx, cancel := context.WithTimeout(ctx, max(min(left, l.TTL/3), time.Millisecond))
	defer cancel()
	sent := l.store.opts.Clock()
	resp, err := l.store.client.KeepAliveOnce(ctx, l.id)
	if err != nil {
		return err
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
	case resp.TTL < 0:
		return 0, true, nil
	}
	return time.Duration(resp.TTL) * time.Second, false, nil
}

func parseLease(id string) (clientv3.LeaseID, error) {
	v, err := strconv.ParseInt(id, 16, 64)
	if err != nil || v == 0 {
		return 0, fmt.Errorf("lease %q is no hexadecimal id", id)
	}
	return clientv3.LeaseID(v), nil
}
