package serve

import (
	"context"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

// explain asks about now, or about the moment of the past that is given.
func (s *service) explain(ctx context.Context, req *berthv1.ExplainRequest) (daemon.Explanation, error) {
	id := berth.RequestID(req.GetId())
	rev, err := revision("at_revision", req.GetAtRevision())
	switch {
	case err != nil:
		return daemon.Explanation{}, err
	case rev > 0 && req.GetAtTime() != nil:
		return daemon.Explanation{}, &berth.FieldError{Field: "at_time", Problem: "is given", Bound: "only without at_revision"}
	case rev == 0 && req.GetAtTime() == nil:
		return s.d.Explain(ctx, id)
	case req.GetAtTime() != nil && req.GetAtTime().CheckValid() != nil:
		return daemon.Explanation{}, &berth.FieldError{Field: "at_time", Problem: "is no time", Bound: "years 1 to 9999"}
	case req.GetAtTime() != nil:
		return s.d.ExplainAt(ctx, id, daemon.Moment{Time: req.GetAtTime().AsTime()})
	}
	return s.d.ExplainAt(ctx, id, daemon.Moment{Revision: rev})
}

func pastMessage(p *daemon.Past) *berthv1.Past {
	if p == nil {
		return nil
	}
	return &berthv1.Past{Revision: int64(p.Revision), Time: wire.Time(p.Time), OldestRevision: int64(p.Oldest)}
}

func (s *service) Replay(ctx context.Context, req *berthv1.ReplayRequest) (*berthv1.ReplayResponse, error) {
	r, err := s.d.Replay(ctx, berth.RequestID(req.GetId()), req.GetAttempt())
	if err != nil {
		return nil, err
	}
	m := &berthv1.ReplayResponse{
		Id: string(r.ID), Attempt: r.Attempt, Outcome: string(r.Outcome), Why: wire.Text(r.Why), Revision: int64(r.Revision),
		Standings: wire.Standings(r.Standings),
	}
	if r.Worker != "" {
		m.Placed = &berthv1.Choice{Worker: string(r.Worker), Share: wire.Share(&r.Share)}
	}
	if v := r.Victims; v != nil {
		m.Victims = &berthv1.ReplayedVictims{Outcome: string(v.Outcome), Why: wire.Text(v.Why), Revision: int64(v.At), Were: ids(v.Were), Again: ids(v.Again)}
	}
	if b := r.Basis; b != nil {
		m.Daemon, m.Policy, m.PlannedRevision, m.Clock = string(b.Daemon), b.Policy, int64(b.Revision), wire.Time(b.Clock)
		m.Again = &berthv1.Choice{Worker: string(r.Again.Worker), Verdict: wire.Verdict(r.Again.Verdict)}
		if r.Again.Verdict == nil {
			m.Again.Share = wire.Share(&r.Again.Share)
		}
	}
	return m, nil
}

func ids(of []berth.RequestID) []string {
	out := make([]string, len(of))
	for i, id := range of {
		out[i] = string(id)
	}
	return out
}
