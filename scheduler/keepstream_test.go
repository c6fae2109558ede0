package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// stream is a pool that is always full: whatever is free, small requests take, second by
// second. Some workers have a service each, which never ends.
type stream struct {
	f       *scheduler.Fleet
	now     int64 // s
	runs    map[berth.WorkerID][]*stint
	lasts   func() int64 // s, of the next small one
	spare   func() int64 // s, that its limit is beyond that; below 0: it has none
	placed  int          // small ones
	waiting []*waitingGang
	kept    *waitingGang
	since   int64 // that one is kept something
	chosen  int64
	rests   bool
	keeps   bool
}

type stint struct {
	share       berth.Share
	since, ends int64 // ends 0: never
	limit       int64 // when its limit is; 0: it has none
}

type waitingGang struct {
	gang scheduler.Gang
	at   int64 // when it was placed
}

// second plays one: ends, then groups in their order, then small requests.
func (s *stream) second(t *rapid.T) {
	s.now++
	for id, there := range s.runs {
		w := *s.f.Worker(id)
		s.runs[id] = slices.DeleteFunc(there, func(r *stint) bool {
			if r.ends == 0 || r.ends > s.now {
				return false
			}
			var err error
			if w.Ledger, err = w.Ledger.Release(r.share); err != nil {
				t.Fatal(err)
			}
			return true
		})
		s.f.Put(w)
	}
	s.groups(t)
	for i := 0; ; i++ {
		d := s.f.Place(ask(request(fmt.Sprintf("small-%d-%d", s.now, i), 1, 0)))
		if d.Verdict != nil {
			return
		}
		s.placed++
		s.run(d, s.now+s.lasts())
	}
}

func (s *stream) run(d scheduler.Decision, ends int64) {
	one := &stint{share: d.Share, since: s.now, ends: ends}
	if spare := s.spare(); ends > 0 && spare >= 0 {
		one.limit = ends + spare
	}
	s.runs[d.Worker] = append(s.runs[d.Worker], one)
}

func (s *stream) groups(t *rapid.T) {
	for len(s.waiting) > 0 {
		g := s.waiting[0]
		d := s.f.PlaceGang(g.gang)
		if d.Verdict != nil {
			break
		}
		for _, one := range d.Placed {
			s.run(one, s.now+s.lasts())
		}
		g.at = s.now
		s.waiting = s.waiting[1:]
		s.f.Keep(berth.DefaultPool, nil)
	}
	if len(s.waiting) == 0 || !s.keeps {
		return
	}
	g := s.waiting[0]
	if s.kept != g {
		s.kept, s.since, s.chosen, s.rests = g, s.now, s.now, false
	}
	w := scheduler.Wanting{Gang: g.gang, Waited: (s.now - s.since) * 1000}
	if w.Anew = s.rests || scheduler.Round(w.Waited) != scheduler.Round((s.chosen-s.since)*1000); w.Anew {
		s.chosen = s.now
	}
	got, ok := s.f.KeepFor(w, func(id berth.WorkerID) (out []scheduler.Stay) {
		for _, r := range s.runs[id] {
			out = append(out, scheduler.Stay{Share: &r.share, Age: (s.now - r.since) * 1000, Left: (r.limit - s.now) * 1000, Ends: r.limit > 0})
		}
		return out
	})
	if s.rests = !ok; s.rests {
		s.f.Keep(berth.DefaultPool, nil)
		return
	}
	s.f.Keep(berth.DefaultPool, &berth.Keep{Group: g.gang.Members[0].Request.Group.ID, Workers: got.Workers})
}

// newStream is a pool of workers of four cores, full for long.
func newStream(workers, services int, lasts func() int64) *stream {
	s := &stream{f: scheduler.NewFleet(), runs: make(map[berth.WorkerID][]*stint), lasts: lasts, keeps: true}
	s.spare = func() int64 { return -1 }
	for i := range workers {
		w := worker(fmt.Sprintf("w%02d", i), 4, 0)
		s.f.Put(w)
		if i < services {
			d, _ := s.f.PlaceOn(ask(request(fmt.Sprintf("service-%d", i), 2, 0)), w.ID)
			s.run(d, 0)
		}
	}
	return s
}

func (s *stream) wait(name string, size int) *waitingGang {
	r := request(name, 4, 0)
	r.Group = &berth.Membership{ID: berth.GroupID(name), Size: int64(size), MinCount: int64(size)}
	g := &waitingGang{gang: gangOf(r, size, size, "")}
	s.waiting = append(s.waiting, g)
	return g
}

// Groups over busy workers are placed, within a few times of what the longest runs, however
// many small requests come, whatever never ends on others, and whatever limits say; two that together are too
// large do not wait for each other; and small requests are placed all the while.
func TestKeep_NobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		longest := rapid.Int64Range(1, 30).Draw(t, "longest")
		services := rapid.IntRange(0, 3).Draw(t, "services")
		movable := rapid.IntRange(2, 8).Draw(t, "workers without")
		s := newStream(services+movable, services, func() int64 { return rapid.Int64Range(1, longest).Draw(t, "lasts") })
		if rapid.Bool().Draw(t, "limits") {
			s.spare = func() int64 { return rapid.SampledFrom([]int64{-1, 0, 5, 100, 100_000}).Draw(t, "spare") }
		}
		for range longest {
			s.second(t)
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "groups") {
			s.wait(fmt.Sprintf("g%d", i), rapid.IntRange(1, movable-1).Draw(t, "size"))
		}
		for len(s.waiting) > 0 {
			first, placed := s.waiting[0], s.placed
			for range 4 * longest { // groups that are placed together may fill the pool for one run
				s.second(t)
			}
			if s.placed == placed {
				t.Fatalf("no small one was placed from %d to %d", s.now-4*longest, s.now)
			}
			if first.at == 0 && s.kept == first && s.now-s.since > 8*longest+20 {
				t.Fatalf("something is kept for the first since %d, and it waits at %d", s.since, s.now)
			}
		}
	})
}

// Without what is kept, the same group waits for ever: so the test above tests something.
func TestKeep_WithoutItAGroupStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := int64(0)
		s := newStream(4, 0, func() int64 { n++; return 2 + n%5 })
		s.keeps = false
		for range 10 {
			s.second(t)
		}
		g := s.wait("g", 3)
		for range 300 {
			s.second(t)
		}
		if g.at != 0 {
			t.Fatalf("placed at %d", g.at)
		}
	})
}
