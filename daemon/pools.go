package daemon

import (
	"context"
	"fmt"

	"github.com/berthd/berth"
)

// Pools lists the pools that have workers or settings, with what they are set to.
func (d *Daemon) Pools(ctx context.Context) (map[berth.PoolID]berth.Pool, error) {
	var out map[berth.PoolID]berth.Pool
	err := d.call(ctx, func(l *loop) { out = l.poolSettings() })
	return out, err
}

func (l *loop) poolSettings() map[berth.PoolID]berth.Pool {
	out := make(map[berth.PoolID]berth.Pool)
	for p, n := range l.brakes.alive {
		if n > 0 {
			out[p] = berth.Pool{Strategy: berth.StrategySpread}
		}
	}
	for k, f := range l.view.whole[berth.KindPool] {
		if r, ok := f.Record.(*berth.Pool); ok && (l.brakes.alive[berth.PoolID(k.ID)] > 0 || !saysNothing(r)) {
			out[berth.PoolID(k.ID)] = *r
		}
	}
	for p, s := range out {
		s.BrakePolicy = s.Over(berth.DefaultBrake)
		out[p] = s
	}
	return out
}

// saysNothing says whether a record is as if there were none: what was set has been taken back, or a name was misspelt.
func saysNothing(p *berth.Pool) bool {
	return p.Strategy == berth.StrategySpread && len(p.Weights) == 0 && p.Shadow == nil && p.BrakePolicy == berth.BrakePolicy{}
}

// SetPool sets how a pool chooses among the workers that fit, and when it brakes.
// What is empty or zero stays as it is. Weights replace all there were; empty ones that
// are not nil, by none; likewise a shadow.
func (d *Daemon) SetPool(ctx context.Context, id berth.PoolID, next berth.Pool) error {
	if err := berth.CheckID("pool", string(id)); err != nil {
		return err
	}
	var known berth.Strategy
	if next.Strategy != "" && known.UnmarshalText([]byte(next.Strategy)) != nil {
		return &berth.FieldError{Field: "strategy", Value: string(next.Strategy), Problem: "is unknown", Bound: "spread, binpack"}
	}
	if err := next.Weights.Validate(); err != nil {
		return err
	}
	if next.Shadow != nil {
		if err := next.Shadow.Validate(); err != nil {
			return err
		}
	}
	if err := next.BrakePolicy.Validate(); err != nil {
		return err
	}
	err := d.store.SetPool(ctx, id, func(was berth.Pool) berth.Pool {
		if next.Strategy != "" {
			was.Strategy = next.Strategy
		}
		if next.Weights != nil {
			was.Weights = next.Weights
		}
		if next.Shadow != nil {
			was.Shadow = next.Shadow
		}
		if was.Shadow != nil && was.Shadow.IsZero() {
			was.Shadow = nil
		}
		was.BrakePolicy = next.Over(was.BrakePolicy)
		return was
	})
	if err != nil {
		return fmt.Errorf("set pool %s: %w", id, err)
	}
	facts, err := d.store.Get(ctx, poolKey(id))
	if err != nil {
		return fmt.Errorf("read pool %s back: %w", id, err)
	}
	return d.call(ctx, func(l *loop) { l.takeFacts(facts) }) // who sets it sees it
}
