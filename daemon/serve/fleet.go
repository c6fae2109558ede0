package serve

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/daemon"
)

func (s *service) Workers(ctx context.Context, _ *berthv1.WorkersRequest) (*berthv1.WorkersResponse, error) {
	all, err := s.d.Workers(ctx)
	if err != nil {
		return nil, err
	}
	out := &berthv1.WorkersResponse{Workers: make([]*berthv1.Worker, len(all))}
	for i := range all {
		out.Workers[i] = workerMessage(&all[i])
	}
	return out, nil
}

func workerMessage(w *daemon.WorkerStatus) *berthv1.Worker {
	capacity := w.Worker.Capacity
	if w.State == "lost" {
		capacity = w.Ledger.Capacity // its registration is gone
	}
	m := &berthv1.Worker{
		Id: string(w.ID), Epoch: int64(w.Epoch), Pool: string(w.Pool), State: w.State, Address: w.Worker.Address,
		Hostname: w.Worker.Hostname, Agent: w.Worker.Agent, Labels: w.Worker.AllLabels(), Spot: w.Worker.Spot, Enforces: w.Worker.Enforces, WarmKeys: texts(w.WarmKeys),
		Images: w.Worker.Images, WarmImages: texts(w.WarmImages),
		Capacity: wire.Capacity(capacity), Reserved: wire.Share(&w.Ledger.Reserved), Held: wire.Share(&w.Ledger.Held),
		Count: int64(w.Count), Cordon: w.Intent.Cordon, Drain: w.Intent.Drain, Message: w.Intent.Message,
		StartFailures: int64(w.StartFailures), SuspendedUntil: wire.Time(w.SuspendedUntil), LostSince: wire.Time(w.LostSince),
		StartedAt: wire.Time(w.Worker.StartedAt), TtlSeconds: w.Worker.TTLSeconds,
		Remove: w.Intent.Remove, Dead: w.Intent.Dead, Parallel: w.Intent.Parallel, PerMinute: w.Intent.PerMinute,
		Deadline: wire.Time(w.Intent.Deadline), BegunWith: w.Intent.BegunWith, Stopping: int64(w.Stopping), Replacing: int64(w.Replacing), BrakedUntil: wire.Time(w.BrakedUntil),
		Taints: wire.Taints(w.Worker.Taints), OperatorTaints: wire.Taints(w.Intent.Taints),
	}
	for _, id := range w.Unplaced {
		m.Unplaced = append(m.Unplaced, string(id))
	}
	return m
}

// texts are names as a message can hold them: a worker has said them.
func texts(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, wire.Text(name))
	}
	return out
}

func (s *service) SetTaints(ctx context.Context, req *berthv1.SetTaintsRequest) (*berthv1.SetTaintsResponse, error) {
	var add []berth.Taint
	for _, t := range req.GetAdd() {
		add = append(add, wire.ToTaint(t))
	}
	w, err := s.d.SetTaints(ctx, berth.WorkerID(req.GetWorker()), func(taints []berth.Taint) []berth.Taint {
		for _, t := range req.GetRemove() {
			gone := wire.ToTaint(t)
			taints = berth.DropTaints(taints, gone.Key, gone.Effect)
		}
		return berth.SetTaints(taints, add)
	})
	if err != nil {
		return nil, err
	}
	return &berthv1.SetTaintsResponse{Worker: workerMessage(&w)}, nil
}

func (s *service) SetIntent(ctx context.Context, req *berthv1.SetIntentRequest) (*berthv1.SetIntentResponse, error) {
	if ms := req.GetDeadlineMs(); ms < 0 || ms > berth.MaxDurationMS {
		return nil, &berth.FieldError{Field: "deadline_ms", Value: strconv.FormatInt(ms, 10), Problem: "is out of range", Bound: fmt.Sprintf("0 to %d", berth.MaxDurationMS)}
	}
	w, err := s.d.SetIntent(ctx, berth.WorkerID(req.GetWorker()), daemon.Wish{
		Cordon: req.GetCordon(), Drain: req.GetDrain(), Remove: req.GetRemove(), Dead: req.GetDead(), Message: req.GetMessage(),
		Parallel: req.GetParallel(), PerMinute: req.GetPerMinute(), Deadline: time.Duration(req.GetDeadlineMs()) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return &berthv1.SetIntentResponse{Worker: workerMessage(&w)}, nil
}

func (s *service) Info(ctx context.Context, _ *berthv1.InfoRequest) (*berthv1.InfoResponse, error) {
	in, err := s.d.Info(ctx)
	if err != nil {
		return nil, err
	}
	return infoMessage(&in), nil
}

func infoMessage(in *daemon.Info) *berthv1.InfoResponse {
	return &berthv1.InfoResponse{
		Daemon: string(in.Daemon), Version: in.Version, Revision: int64(in.Revision), Requests: int64(in.Requests),
		Pending: int64(in.Pending), Blocked: int64(in.Blocked), Running: int64(in.Running), Archived: int64(in.Archived),
		Workers: int64(in.Workers), Commits: in.Commits, Conflicts: in.Conflicts,
		StoreSizeBytes: in.Space.SizeBytes, StoreInUseBytes: in.Space.InUseBytes, StoreQuotaBytes: in.Space.QuotaBytes, StoreAlarm: in.Space.Alarm,
		StoreRefusesSubmissions: in.Space.RefusesSubmissions(), StoreUnreached: in.Space.Unreached,
		StoreLayout: in.Layout, HoldUntil: wire.Time(in.HoldUntil), Unreadable: int64(in.Unreadable),
	}
}
