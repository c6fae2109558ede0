package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
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

// Hollow workers of which another agent has the names end at once, and say so; told to, they
// wait for its end.
func TestHollow_NameTaken(t *testing.T) {
	s := newSite(t)
	_, lease := s.crashed("hollow-0002", t.TempDir())
	h, err := NewHollow(HollowOptions{Store: s.store, Count: 3, Log: s.log()})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Run(t.Context()); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "worker hollow-0002: ") {
		t.Fatalf("Run: %v, want ErrNameTaken of hollow-0002", err)
	}
	regs := make(chan berth.Epoch, 3)
	h, err = NewHollow(HollowOptions{Store: s.store, Count: 3, WaitForName: true, Log: s.log(), OnRegistered: func(_ berth.WorkerID, e berth.Epoch) { regs <- e }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	if err := s.store.RevokeLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		receive(t, regs, "registration")
	}
	stop()
	if err := receive(t, ended, "end"); err != nil {
		t.Error(err)
	}
}

// Hollow workers take images, and say which are there: those that all of them were given,
// and those of their shape. What they start changes nothing.
func TestHollow_Images(t *testing.T) {
	s := newSite(t)
	shapes, err := ReadShapes(strings.NewReader("name,cpu_milli,warm_images\na,1000,train:3; serve:1\nb,1000,\n"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHollow(HollowOptions{Store: s.store, Shapes: shapes, WarmImages: []string{"base"}, WarmKeys: []string{"model"}, Log: s.log()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	said := map[string]*berth.Conditions{}
	bounded, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = s.store.Follow(bounded, func(_ context.Context, d etcdstore.Delta) error {
		for _, f := range d.Facts {
			if c, ok := f.Record.(*berth.Conditions); ok {
				said[f.Key.ID] = c
			}
		}
		if len(said) == 2 {
			return errFound
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		t.Fatalf("%v; said %v", err, said)
	}
	for name, want := range map[string][]string{"a": {"base", "serve:1", "train:3"}, "b": {"base"}} {
		if c := said[name]; !slices.Equal(c.WarmImages, want) || !slices.Equal(c.WarmKeys, []string{"model"}) {
			t.Errorf("%s says %v and %v", name, c.WarmImages, c.WarmKeys)
		}
		if !s.worker(berth.WorkerID(name)).Images {
			t.Errorf("%s takes no images", name)
		}
	}
	stop()
	if err := receive(t, ended, "end"); err != nil {
		t.Error(err)
	}
}
