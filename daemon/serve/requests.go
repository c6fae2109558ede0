package serve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

func (s *service) Submit(ctx context.Context, req *berthv1.SubmitRequest) (*berthv1.SubmitResponse, error) {
	requests := make([]berth.Request, len(req.GetRequests()))
	for i, m := range req.GetRequests() {
		requests[i] = wire.ToRequest(m)
	}
	results, err := s.d.Submit(ctx, requests)
	if err != nil {
		return nil, err
	}
	out := &berthv1.SubmitResponse{Results: make([]*berthv1.SubmitResult, len(results))}
	for i, r := range results {
		out.Results[i] = submitResult(r)
	}
	return out, nil
}

func submitResult(r daemon.SubmitResult) *berthv1.SubmitResult {
	m := &berthv1.SubmitResult{Id: wire.Text(string(r.ID)), Existing: r.Existing}
	if r.Err == nil {
		m.Status = status(&r.Status)
		return m
	}
	m.Refusal = &berthv1.Refusal{Code: codeOf(r.Err).String(), Message: wire.Text(r.Err.Error())}
	if fe, ok := errors.AsType[*berth.FieldError](r.Err); ok {
		m.Refusal.Field = wire.Violation(fe)
	}
	return m
}

func (s *service) Get(ctx context.Context, req *berthv1.GetRequest) (*berthv1.GetResponse, error) {
	st, err := s.d.Get(ctx, berth.RequestID(req.GetId()))
	if err != nil {
		return nil, err
	}
	m := status(&st)
	m.Former = formerMessage(s.d.Former(ctx, &st))
	return &berthv1.GetResponse{Status: m}, nil
}

func (s *service) List(ctx context.Context, req *berthv1.ListRequest) (*berthv1.ListResponse, error) {
	f, err := filter(req.GetFilter())
	if err != nil {
		return nil, err
	}
	f.Limit, f.After = int(req.GetPageSize()), berth.RequestID(req.GetPageToken())
	if f.Limit == 0 {
		f.Limit = daemon.DefaultPage
	}
	page, err := s.d.List(ctx, f)
	if err != nil {
		return nil, asField(err, "limit", "page_size")
	}
	out := &berthv1.ListResponse{Statuses: make([]*berthv1.Status, len(page))}
	for i := range page {
		out.Statuses[i] = status(&page[i])
	}
	if len(page) == f.Limit {
		out.NextPageToken = string(page[len(page)-1].ID)
	}
	return out, nil
}

func (s *service) Watch(ctx context.Context, req *berthv1.WatchRequest, stream *connect.ServerStream[berthv1.WatchResponse]) error {
	f, err := filter(req.GetFilter())
	if err != nil {
		return err
	}
	from, err := position(req.GetFrom())
	if err != nil {
		return err
	}
	return s.d.WatchFrom(ctx, f, from, func(st *daemon.Status, at daemon.Position) error {
		if st == nil && at == (daemon.Position{}) {
			return stream.Send(nil) // the header tells that the watch stands before anything happens
		}
		m := &berthv1.WatchResponse{Position: &berthv1.WatchPosition{
			Store: strconv.FormatUint(at.Store, 16), Revision: int64(at.Revision), After: string(at.After),
		}}
		if st != nil {
			m.Status = status(st)
		}
		return stream.Send(m)
	})
}

func position(m *berthv1.WatchPosition) (daemon.Position, error) {
	if m == nil {
		return daemon.Position{}, nil
	}
	store, err := strconv.ParseUint(m.GetStore(), 16, 64)
	if err != nil || store == 0 || m.GetRevision() <= 0 {
		return daemon.Position{}, &berth.FieldError{Field: "from", Value: fmt.Sprintf("%q, %d", m.GetStore(), m.GetRevision()), Problem: "is no position", Bound: "one that a watch has told"}
	}
	return daemon.Position{Store: store, Revision: berth.Revision(m.GetRevision()), After: berth.RequestID(m.GetAfter())}, nil
}

func (s *service) Cancel(ctx context.Context, req *berthv1.CancelRequest) (*berthv1.CancelResponse, error) {
	st, err := s.d.Cancel(ctx, berth.RequestID(req.GetId()), req.GetMessage())
	if err != nil {
		return nil, err
	}
	return &berthv1.CancelResponse{Status: status(&st)}, nil
}

func (s *service) Explain(ctx context.Context, req *berthv1.ExplainRequest) (*berthv1.ExplainResponse, error) {
	e, err := s.explain(ctx, req)
	if err != nil {
		return nil, err
	}
	return &berthv1.ExplainResponse{
		Status: status(&e.Status), Verdict: wire.Verdict(e.Verdict), Nearest: wire.Miss(e.Nearest), Since: wire.Time(e.Since),
		Brake: brakeMessage(e.Brake), Standings: wire.Standings(e.Standings), NotTold: wire.Text(e.NotTold), WouldPreempt: e.WouldPreempt, MadeRoom: madeRoom(e.MadeRoom), Past: pastMessage(e.Past),
		Turn: turnMessage(e.Turn), Victims: victimMessages(e.Victims), Former: formerMessage(e.Former),
	}, nil
}

func victimMessages(all []daemon.Victim) []*berthv1.Victim {
	out := make([]*berthv1.Victim, 0, len(all))
	for i := range all {
		out = append(out, &berthv1.Victim{Id: string(all[i].ID), Stop: wire.StopOrder(all[i].Stop)})
	}
	return out
}

func formerMessage(f *daemon.Former) *berthv1.Former {
	if f == nil {
		return nil
	}
	return &berthv1.Former{
		Worker: string(f.Worker), Revision: int64(f.Revision), Reason: string(f.Reason), Stop: wire.StopOrder(f.Stop), Exit: wire.Exit(f.Exit), At: wire.Time(f.At),
		Member: string(f.Member), MemberEnd: formerMessage(f.MemberEnd),
	}
}

// maxFilterIDs bounds the ids of a filter, each of which is looked up.
const maxFilterIDs = 10_000

// What a filter may name beside the states: people are shown these as such.
const (
	stateBlocked  = "BLOCKED"
	stateReplaced = "REPLACED"
)

func filter(m *berthv1.Filter) (daemon.Filter, error) {
	f := daemon.Filter{
		Labels: m.GetLabels(), Worker: berth.WorkerID(m.GetWorker()), Pool: berth.PoolID(m.GetPool()), Ended: m.GetEnded(),
		Group: berth.GroupID(m.GetGroup()), Tenant: berth.TenantID(m.GetTenant()),
	}
	for _, one := range []struct{ field, id string }{
		{"filter.pool", m.GetPool()}, {"filter.worker", m.GetWorker()}, {"filter.group", m.GetGroup()}, {"filter.tenant", m.GetTenant()},
	} {
		if one.id == "" {
			continue
		}
		if err := berth.CheckID(one.field, one.id); err != nil {
			return f, err
		}
	}
	if err := berth.ValidateLabels("filter.labels", m.GetLabels()); err != nil {
		return f, err
	}
	if n := len(m.GetIds()); n > maxFilterIDs {
		return f, &berth.FieldError{Field: "filter.ids", Value: fmt.Sprint(n), Problem: "has too many entries", Bound: fmt.Sprintf("at most %d", maxFilterIDs)}
	}
	for _, id := range m.GetIds() {
		if err := berth.CheckID("filter.ids", id); err != nil {
			return f, err
		}
		f.IDs = append(f.IDs, berth.RequestID(id))
	}
	for _, word := range m.GetStates() {
		switch strings.ToUpper(word) {
		case stateBlocked:
			f.Blocked = true
			continue
		case stateReplaced:
			f.Replaced, f.Ended = true, true
			continue
		}
		var state berth.State
		if err := state.UnmarshalText([]byte(strings.ToUpper(word))); err != nil {
			return f, &berth.FieldError{Field: "filter.states", Value: berth.Clip(word, 64), Problem: "is unknown", Bound: "PENDING, BLOCKED, PLACED, STARTING, RUNNING, EXITED, SUCCEEDED, FAILED, CANCELLED, REPLACED, EXPIRED, LOST"}
		}
		f.States = append(f.States, state)
		f.Ended = f.Ended || state.Final()
	}
	return f, nil
}

// status is the message of a request's status.
func status(s *daemon.Status) *berthv1.Status {
	m := &berthv1.Status{
		Id: string(s.ID), State: string(s.State), Reason: string(s.Reason), Message: wire.Text(s.Message),
		Attempt: s.Attempt, UsedAttempts: s.UsedAttempts, Worker: string(s.Worker), Share: wire.Share(s.Share),
		Exit: wire.Exit(s.Exit), Stop: wire.StopOrder(s.Stop), Spec: wire.FromRequest(&s.Spec),
		SubmittedAt: wire.Time(s.SubmittedAt), PlacedAt: wire.Time(s.PlacedAt), StartedAt: wire.Time(s.StartedAt),
		EndedAt: wire.Time(s.EndedAt), NotBefore: wire.Time(s.NotBefore),
		Blocked: s.Blocked, Verdict: wire.Verdict(s.Verdict), Revision: int64(s.Revision), ReplacedBy: string(s.ReplacedBy), Replacement: string(s.Replacement),
		ChangedRevision: int64(s.Changed), ExpiresAt: wire.Time(s.ExpiresAt), GroupWait: groupWaitMessage(s.GroupWait),
	}
	if s.Lost != nil {
		m.Lost = &berthv1.Loss{Since: wire.Time(s.Lost.Since), Until: wire.Time(s.Lost.Until), Braked: s.Lost.Braked}
	}
	return m
}

func madeRoom(m *daemon.MadeRoom) *berthv1.MadeRoom {
	if m == nil {
		return nil
	}
	out := &berthv1.MadeRoom{Revision: int64(m.Revision)}
	for _, id := range m.By {
		out.By = append(out.By, string(id))
	}
	return out
}
