package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// comes tells that a tenant's request gets so much memory of w1, which alone has 100, in place of another. Somebody has
// the rest of it.
func (s *stage) comes(id, instead berth.RequestID, memory int64) {
	w := berth.WorkerID("w1")
	rec, epoch := s.view.worker(w)
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 10, MemoryBytes: memory}}
	r := requestOf("x", id, 10)
	r.Resources.MemoryBytes = memory
	if instead != "" {
		s.tell(allocationKey(w, instead), nil)
		s.tell(stateKey(instead), nil)
		s.tell(requestKey(instead), nil)
	}
	s.tell(requestKey(id), &berth.Submission{Spec: r})
	s.tell(stateKey(id), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
	s.tell(allocationKey(w, id), &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: "x", Share: share, PlacedAt: s.clock.UTC()})
	reserved := berth.Share{Quantities: berth.Quantities{CPUMilli: 20, MemoryBytes: 100}}
	s.tell(ledgerKey(w), &berth.Ledger{Epoch: epoch, Capacity: rec.Capacity, Count: 2, Reserved: reserved})
}

// remembers gives w1 a memory of 100.
func (s *stage) remembers() {
	s.tell(workerKey("w1"), &berth.Worker{Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: bigWorker, MemoryBytes: 100}}})
}

// Who got room in which a lender's request would have had its place passes it by, and then as much is reclaimed as that
// one lacks: not where that was less, nor where the request is gone.
func TestReclaim_PassedBy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		gets   int64 // of memory, who comes
		change func(s *stage, waits berth.RequestID)
		want   []berth.RequestID
	}{
		{"it had room", 100, func(*stage, berth.RequestID) {}, []berth.RequestID{"b5"}},
		{"too little", 59, func(*stage, berth.RequestID) {}, nil},
		{"in parts, one after the other", 50, func(s *stage, _ berth.RequestID) { s.comes("x2", "", 50) }, nil},
		{"it waits no more", 100, func(s *stage, waits berth.RequestID) { s.tell(requestKey(waits), nil) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := lends(t, 50, 40*time.Second, 6)
			s.remembers()
			s.comes("x0", "", 100)
			waits := s.waits("a", 50, 60)
			if p := s.reclaimed(2 * time.Second); p != nil {
				t.Fatalf("%+v are told to stop in vain", p.Stops)
			}
			s.comes("x1", "x0", tt.gets)
			tt.change(s, waits)
			var told []berth.RequestID
			if p := s.reclaimed(2 * time.Second); p != nil {
				for i := range p.Stops {
					told = append(told, p.Stops[i].Request)
				}
			}
			if !slices.Equal(told, tt.want) {
				t.Errorf("%v are told to stop, want %v", told, tt.want)
			}
		})
	}
}

// However many wait in vain, few of them are looked at when somebody gets a place, and all of them in turn.
func TestReclaim_PassedByOfMany(t *testing.T) {
	q, vain := newQuotas(), make(map[berth.RequestID]*berth.Request)
	const n = 3*passingsMost + 1
	for i := range n {
		r := requestOf("a", berth.RequestID(fmt.Sprint("a", i)), 10)
		r.Resources.MemoryBytes = 60
		vain[r.ID] = &r
	}
	q.awaited(account{"a", berth.DefaultPool}, vain)
	s := newStage(t, bigWorker)
	s.quotas.passings = q.passings
	s.remembers()
	in := q.passings[berth.DefaultPool]
	for i := range 4 {
		s.comes(berth.RequestID(fmt.Sprint("x", i)), "", 100)
		s.step()
		passed := 0
		for _, p := range in.all {
			if p.passed {
				passed++
			}
		}
		if want := min(n, (i+1)*passingsMost); passed != want {
			t.Fatalf("%d are passed by when %d got a place, want %d", passed, i+1, want)
		}
	}
}

// Of very many that wait in vain as many of each shape are remembered as what is guaranteed has room for, of which others may be passed by; no more in all than are
// looked at, but one of each shape; and those behind the shapes for which ends are looked for at a time stay remembered.
func TestReclaim_AwaitsFewOfMany(t *testing.T) {
	for _, tt := range []struct {
		name       string
		shapes     int
		guaranteed int64
		want       []int // after each look
	}{
		{"few have room", 4, 3001, []int{3 + 2 + 2 + 2, 3 + 2 + 2 + 2}},
		{"many have room", 3, bigWorker, []int{reclaimersMost + 2, reclaimersMost + 2}},
		{"many shapes", searchesMost + 10, 1999, []int{searchesMost + 1, searchesMost + 10, searchesMost + 10, searchesMost + 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := reclaims(t, true, tt.shapes, tt.guaranteed)
			for i, want := range tt.want {
				s.looksAtReclaim(t)
				if got := len(s.quotas.passings[berth.DefaultPool].all); got != want {
					t.Errorf("%d are awaited after look %d, want %d", got, i, want)
				}
			}
		})
	}
}
