package serve

import (
	"context"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

func (s *service) Groups(ctx context.Context, req *berthv1.GroupsRequest) (*berthv1.GroupsResponse, error) {
	if id := req.GetId(); id != "" {
		g, err := s.d.Group(ctx, berth.GroupID(id))
		if err != nil {
			return nil, asField(err, "group", "id")
		}
		return &berthv1.GroupsResponse{Groups: []*berthv1.Group{groupMessage(&g)}}, nil
	}
	page, next, err := s.d.Groups(ctx, berth.GroupID(req.GetPageToken()), int(req.GetPageSize()))
	if err != nil {
		return nil, asField(err, "limit", "page_size")
	}
	out := &berthv1.GroupsResponse{Groups: make([]*berthv1.Group, len(page)), NextPageToken: string(next)}
	for i := range page {
		out.Groups[i] = groupMessage(&page[i])
	}
	return out, nil
}

func (s *service) CancelGroup(ctx context.Context, req *berthv1.CancelGroupRequest) (*berthv1.CancelGroupResponse, error) {
	g, err := s.d.CancelGroup(ctx, berth.GroupID(req.GetId()), req.GetMessage())
	if err != nil {
		return nil, asField(err, "group", "id")
	}
	return &berthv1.CancelGroupResponse{Group: groupMessage(&g)}, nil
}

func groupMessage(g *daemon.GroupStatus) *berthv1.Group {
	r := &g.Record
	m := &berthv1.Group{
		Id: string(g.ID), State: string(r.State), Size: r.Size, MinCount: r.MinCount, Attempt: r.Attempt, Since: wire.Time(r.Since),
		Domain: r.Domain, Link: r.Link, Succeeded: g.Succeeded, Failed: r.Failed, Reason: string(r.Reason), Message: wire.Text(r.Message),
		Verdict: wire.Verdict(g.Verdict), Revision: int64(g.Revision), States: make(map[string]int64),
		Wait: groupWaitMessage(g.Wait),
	}
	for state, n := range g.States {
		m.States[string(state)] = int64(n)
	}
	for _, id := range g.Members {
		m.Members = append(m.Members, string(id))
	}
	if g.Spec.Group != nil {
		m.Spec, m.Topology, m.Linked = wire.FromRequest(&g.Spec), g.Spec.Group.Topology, g.Spec.Group.Linked
	}
	return m
}

func groupWaitMessage(w *daemon.GroupWait) *berthv1.GroupWait {
	if w == nil {
		return nil
	}
	return &berthv1.GroupWait{NotBefore: wire.Time(w.NotBefore), Member: string(w.Member), Ending: w.Ending, ExpiresAt: wire.Time(w.ExpiresAt)}
}
