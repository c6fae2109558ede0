package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// Maintain is what is done to the store while it is measured.
type Maintain string

// What there is. Nothing is the default.
const (
	MaintainNothing    Maintain = "none"
	MaintainCompact    Maintain = "compact"    // ten times a round, of all that is superseded then
	MaintainDefragment Maintain = "defragment" // once, halfway, and a compaction before it
)

func (m Maintain) check() error {
	switch m {
	case MaintainNothing, MaintainCompact, MaintainDefragment:
		return nil
	}
	return &berth.FieldError{
		Field: "maintain", Value: string(m), Problem: "is unknown",
		Bound: fmt.Sprintf("%s, %s, %s", MaintainNothing, MaintainCompact, MaintainDefragment),
	}
}

// turns are after how many of n placements it is done.
func (m Maintain) turns(n int) []int64 {
	switch m {
	case MaintainCompact:
		var out []int64
		for i := range 10 {
			out = append(out, int64(n*(2*i+1)/20))
		}
		return out
	case MaintainDefragment:
		return []int64{int64(n / 2)}
	}
	return nil
}

// maintenance is of one round.
type maintenance struct {
	etcd   *etcd
	what   Maintain
	turns  []int64
	placed atomic.Int64
	due    chan struct{} // a turn each: as many as there are; written by whose placement makes it due
	times  []time.Duration
}

func newMaintenance(e *etcd, what Maintain, n int) *maintenance {
	turns := what.turns(n)
	return &maintenance{etcd: e, what: what, turns: turns, due: make(chan struct{}, len(turns))}
}

// done counts placements.
func (m *maintenance) done(n int) {
	to := m.placed.Add(int64(n))
	for _, at := range m.turns {
		if to-int64(n) < at && at <= to {
			m.due <- struct{}{}
		}
	}
}

// run does what is due until the load is over, and what became due before that is done, too.
func (m *maintenance) run(ctx context.Context, over <-chan struct{}) error {
	for {
		select {
		case <-m.due:
		case <-over:
			if len(m.due) == 0 {
				return nil
			}
			continue
		case <-ctx.Done():
			return nil
		}
		began := time.Now()
		if err := m.turn(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // interrupted
			}
			return err
		}
		m.times = append(m.times, time.Since(began))
	}
}

func (m *maintenance) turn(ctx context.Context) error {
	head, err := m.etcd.client.Get(ctx, "none", clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	_, err = m.etcd.client.Compact(ctx, head.Header.Revision, clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // there already: by the turn before, and nothing has changed since
		return fmt.Errorf("compact: %w", err)
	}
	if m.what != MaintainDefragment {
		return nil
	}
	for _, endpoint := range m.etcd.members() {
		if _, err := m.etcd.client.Defragment(ctx, endpoint); err != nil {
			return fmt.Errorf("defragment: %w", err)
		}
	}
	return nil
}
