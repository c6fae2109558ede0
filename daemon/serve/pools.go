package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

func (s *service) Pools(ctx context.Context, _ *berthv1.PoolsRequest) (*berthv1.PoolsResponse, error) {
	all, err := s.d.Pools(ctx)
	if err != nil {
		return nil, err
	}
	shadows, err := s.d.Shadows(ctx)
	if err != nil {
		return nil, err
	}
	out := &berthv1.PoolsResponse{}
	for id, settings := range all {
		m := poolMessage(id, &settings)
		if c, has := shadows[id]; has {
			m.ShadowCounts = shadowCounts(&c)
		}
		out.Pools = append(out.Pools, m)
	}
	slices.SortFunc(out.Pools, func(a, b *berthv1.Pool) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return out, nil
}

func poolMessage(id berth.PoolID, p *berth.Pool) *berthv1.Pool {
	return &berthv1.Pool{
		Id: string(id), Strategy: string(p.Strategy), BrakePercent: p.Percent, BrakeWorkers: p.Workers,
		BrakeWindowMs: p.WindowMS, BrakeBoundMs: p.BoundMS, Weights: wire.FromWeights(p.Weights), Shadow: wire.FromShadow(p.Shadow),
	}
}

func shadowCounts(c *daemon.ShadowCounts) *berthv1.ShadowCounts {
	return &berthv1.ShadowCounts{
		Same: c.Same, Other: c.Other, Skipped: c.Skipped, LoadMilli: c.LoadMilli, ShadowLoadMilli: c.ShadowLoadMilli,
		LossMilli: c.LossMilli, ShadowLossMilli: c.ShadowLossMilli,
	}
}

func (s *service) SetPool(ctx context.Context, req *berthv1.SetPoolRequest) (*berthv1.SetPoolResponse, error) {
	p := req.GetPool()
	err := s.d.SetPool(ctx, berth.PoolID(p.GetId()), berth.Pool{
		Strategy: berth.Strategy(p.GetStrategy()), Weights: wire.ToWeights(p.GetWeights()), Shadow: wire.ToShadow(p.GetShadow()),
		BrakePolicy: berth.BrakePolicy{
			Percent: p.GetBrakePercent(), Workers: p.GetBrakeWorkers(), WindowMS: p.GetBrakeWindowMs(), BoundMS: p.GetBrakeBoundMs(),
		},
	})
	if err != nil {
		return nil, err
	}
	return &berthv1.SetPoolResponse{}, nil
}

// Words of an operator on a brake.
const (
	brakeRelease = "release"
	brakeHold    = "hold"
)

func (s *service) SetBrake(ctx context.Context, req *berthv1.SetBrakeRequest) (*berthv1.SetBrakeResponse, error) {
	if a := req.GetAction(); a != brakeRelease && a != brakeHold {
		return nil, &berth.FieldError{Field: "action", Value: a, Problem: "is unknown", Bound: "release, hold"}
	}
	if ms := req.GetForMs(); ms < 0 || ms > berth.MaxBrakeBoundMS {
		return nil, &berth.FieldError{Field: "for_ms", Value: strconv.FormatInt(ms, 10), Problem: "is out of range", Bound: fmt.Sprintf("%d to %d", berth.MinBrakeMS, berth.MaxBrakeBoundMS)}
	}
	b, err := s.d.SetBrake(ctx, berth.PoolID(req.GetPool()), daemon.BrakeWord{
		Release: req.GetAction() == brakeRelease, For: time.Duration(req.GetForMs()) * time.Millisecond, Message: req.GetMessage(),
	})
	if err != nil {
		return nil, err
	}
	return &berthv1.SetBrakeResponse{Brake: brakeMessage(&b)}, nil
}

// brakeMessage is the message of a brake; of none, nil.
func brakeMessage(b *daemon.BrakeStatus) *berthv1.Brake {
	if b == nil {
		return nil
	}
	return &berthv1.Brake{
		Pool: string(b.Pool), State: string(b.Brake.State), Why: string(b.Brake.Why), Size: b.Brake.Size, Lost: b.Brake.Lost,
		Held: b.Held, Since: wire.Time(b.Brake.Since), Until: wire.Time(b.Until), Message: b.Brake.Message,
	}
}

func (s *service) Overview(ctx context.Context, _ *berthv1.OverviewRequest) (*berthv1.OverviewResponse, error) {
	o, err := s.d.Overview(ctx)
	if err != nil {
		return nil, err
	}
	out := &berthv1.OverviewResponse{Info: infoMessage(&o.Info)}
	for _, m := range o.Daemons {
		out.Daemons = append(out.Daemons, &berthv1.Member{
			Id: string(m.ID), Version: m.Daemon.Program, Address: m.Daemon.Address, OwnsWorkers: int64(m.Owns),
			MaxSchema: m.Daemon.MaxSchema, StartedAt: wire.Time(m.Daemon.StartedAt),
		})
	}
	for i := range o.Pools {
		out.Pools = append(out.Pools, poolOverview(&o.Pools[i]))
	}
	for i := range o.Brakes {
		out.Brakes = append(out.Brakes, brakeMessage(&o.Brakes[i]))
	}
	return out, nil
}

func poolOverview(p *daemon.PoolStatus) *berthv1.PoolOverview {
	m := &berthv1.PoolOverview{Pool: poolMessage(p.ID, &p.Settings), Workers: make(map[string]int64), Requests: make(map[string]int64)}
	for state, n := range p.Workers {
		m.Workers[state] = int64(n)
	}
	for state, n := range p.Requests {
		m.Requests[string(state)] = int64(n)
	}
	return m
}
