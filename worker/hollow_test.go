package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

func TestHollow(t *testing.T) {
	for _, count := range []int{50, ownWatches + 10} { // each its watch; one for all
		t.Run(fmt.Sprintf("workers=%d", count), func(t *testing.T) {
			s := newSite(t)
			type reg struct {
				id    berth.WorkerID
				epoch berth.Epoch
			}
			regs := make(chan reg, count)
			h, err := NewHollow(HollowOptions{
				Store: s.store, Name: "h", Count: count, RunFor: 50 * time.Millisecond, TTL: 10 * time.Second,
				Log: s.log(), OnRegistered: func(w berth.WorkerID, e berth.Epoch) { regs <- reg{w, e} },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- h.Run(ctx) }()
			defer stop()
			requests := map[berth.WorkerID][2]berth.RequestID{}
			for range count {
				r := receive(t, regs, "registration")
				s.open(r.id, r.epoch)
				pair := [2]berth.RequestID{"ends-" + berth.RequestID(r.id), "stays-" + berth.RequestID(r.id)}
				requests[r.id] = pair
				s.place(r.id, r.epoch, pair[:], func(q *berth.Request, _ *berth.Allocation) {
					if q.ID == pair[1] {
						q.Env = map[string]string{EnvHollowRunMS: "3600000"}
					} else {
						q.Env = map[string]string{EnvHollowExitCode: "3"}
					}
				})
			}
			for w, pair := range requests {
				if got := s.await(w, pair[0], berth.StateExited); got.Exit.Code != 3 {
					t.Errorf("%s: exit %+v", pair[0], got.Exit)
				}
				s.await(w, pair[1], berth.StateRunning)
			}
			stop()
			if err := receive(t, ended, "end"); err != nil {
				t.Error(err)
			}
			for w, pair := range requests {
				if f := s.fact(berth.Key{Kind: berth.KindWorker, ID: string(w)}); f.Record != nil {
					t.Errorf("%s is still registered", w)
				}
				if got := s.allocation(w, pair[1]); got.State != berth.StateExited {
					t.Errorf("%s is %s", pair[1], got.State)
				}
			}
		})
	}
}

func TestHollow_FailStarts(t *testing.T) {
	s := newSite(t)
	regs := make(chan berth.Epoch, 1)
	h, err := NewHollow(HollowOptions{
		Store: s.store, Count: 1, FailStarts: true, Log: s.log(),
		OnRegistered: func(_ berth.WorkerID, e berth.Epoch) { regs <- e },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	w, epoch := h.IDs()[0], receive(t, regs, "registration")
	s.open(w, epoch)
	s.place(w, epoch, ids("r1"), nil)
	if got := s.await(w, "r1", berth.StateExited); got.Exit.Kind != berth.ExitStartFailed {
		t.Errorf("exit %+v", got.Exit)
	}
	stop()
	if err := receive(t, ended, "end"); err != nil {
		t.Error(err)
	}
}
