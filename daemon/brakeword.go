package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// BrakeWord is an operator's word on a pool's brake: release it, or hold for so
// long from now. It concerns the loss that the brake is about, and no later one.
type BrakeWord struct {
	Release bool
	For     time.Duration // of a hold; default: the pool's bound
	Message string
}

// BrakeStatus is a pool's brake as an operator sees it.
type BrakeStatus struct {
	Pool  berth.PoolID
	Brake berth.Brake
	Held  int64     // containers that may run on lost workers now
	Until time.Time // engaged: it releases by itself
}

// Brakes lists the pools' brakes, by pool.
func (d *Daemon) Brakes(ctx context.Context) ([]BrakeStatus, error) {
	var out []BrakeStatus
	err := d.call(ctx, func(l *loop) { out = l.brakeStatuses() })
	return out, err
}

func (l *loop) brakeStatuses() []BrakeStatus {
	var out []BrakeStatus
	for _, p := range slices.Sorted(maps.Keys(l.brakes.pools)) {
		if s, ok := l.brakeStatus(p); ok {
			out = append(out, s)
		}
	}
	return out
}

func (l *loop) brakeStatus(p berth.PoolID) (BrakeStatus, bool) {
	r := l.brakeOf(p)
	if r == nil {
		return BrakeStatus{}, false
	}
	b := l.brakes.of(p)
	s := BrakeStatus{Pool: p, Brake: *r, Held: b.held}
	s.Brake.Lost = max(0, r.Size-int64(l.brakes.alive[p])) // some may have come back
	if r.State == berth.BrakeEngaged {
		s.Until = b.seenAt.Add(time.Duration(r.BoundMS) * time.Millisecond)
	}
	return s, true
}

// heldUntil says whether a request is held by the brake of a lost worker's pool,
// and when that releases at the latest.
func (l *loop) heldUntil(id berth.RequestID) (BrakeStatus, bool) {
	w, a, _ := l.view.allocationOf(id)
	e := l.lost[w]
	if a == nil || e == nil || e.epoch != a.Epoch || !a.State.MayRun() {
		return BrakeStatus{}, false
	}
	return l.brakeStatus(e.pool)
}

// SetBrake puts an operator's word into the store, where every daemon obeys it.
func (d *Daemon) SetBrake(ctx context.Context, p berth.PoolID, word BrakeWord) (BrakeStatus, error) {
	if err := berth.CheckID("pool", string(p)); err != nil {
		return BrakeStatus{}, err
	}
	for {
		next, was, err := d.spoken(ctx, p, word)
		if err != nil {
			return BrakeStatus{}, err
		}
		fact, err := d.store.SetBrake(ctx, p, was, next)
		conflict, isConflict := errors.AsType[*etcdstore.ConflictError](err)
		if err != nil && !isConflict {
			return BrakeStatus{}, err
		}
		var s BrakeStatus
		err = d.call(ctx, func(l *loop) {
			if isConflict {
				l.takeFacts(conflict.Facts)
				return
			}
			l.takeFact(fact)
			s, _ = l.brakeStatus(p)
			l.tellBrake(p, next)
		})
		if !isConflict || err != nil {
			return s, err
		}
	}
}

// spoken is the brake after the word, and the revision that it was made from.
func (d *Daemon) spoken(ctx context.Context, p berth.PoolID, word BrakeWord) (*berth.Brake, berth.Revision, error) {
	var next *berth.Brake
	var was berth.Revision
	err := d.call(ctx, func(l *loop) {
		r, mod := record[berth.Brake](l.view, brakeKey(p))
		if r == nil {
			return
		}
		copied := *r
		next, was = &copied, mod
		next.Message, next.Why = word.Message, ""
		l.brakeCaseOf(p, l.now()).fill(next)
		next.State, next.BoundMS = berth.BrakeEngaged, word.For.Milliseconds()
		if word.For == 0 {
			next.BoundMS = l.brakePolicy(p).Bound().Milliseconds()
		}
		if word.Release {
			next.State, next.Why, next.BoundMS = berth.BrakeReleased, berth.ReleaseOperator, r.BoundMS
		}
	})
	if err != nil {
		return nil, 0, fmt.Errorf("brake of pool %s: %w", p, err)
	}
	if next == nil {
		return nil, 0, fmt.Errorf("brake of pool %s: %w: no mass loss of this pool is known; berth status shows those there are", p, ErrNotFound)
	}
	if err := next.Check(); err != nil {
		return nil, 0, err
	}
	return next, was, nil
}
