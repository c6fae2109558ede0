package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// TestReclaim_BesideWhatIsIdle: for a lender's group that lacks a part of its quota only that ends, where another of its requests waits in vain for a
// worker with the rest.
func TestReclaim_BesideWhatIsIdle(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.checked()()
		s := r.seen()
		ds, stop := r.several(1)
		defer stop()
		var kills []func()
		defer func() { endAll(kills) }()
		for i := range 5 {
			kills = append(kills, s.livesOf(berth.WorkerID(fmt.Sprint("w", i)), 4000, 1<<30))
		}
		s.works(time.Second, nil)
		s.reclaimsAfter(ds[0], "a", 20000, 9000, 2*time.Second)
		s.guarantee(ds[0], "b", 20000, 6000)
		for i := range 5 {
			q := s.wants(fmt.Sprint("x", i), "x", 1000, 0)
			q.Labels, q.AntiAffinity = map[string]string{"app": "x"}, near("x")
			s.asks(ds[0], q)
		}
		s.works(time.Second, nil)
		s.asks(ds[0], s.wants("m", "a", 4000, 0)) // on each worker is one that is no tenant's with a quota
		s.works(time.Second, nil)
		for i := range 11 {
			s.asks(ds[0], s.wants(fmt.Sprint("b", i), "b", 1000, 0))
		}
		s.works(time.Second, nil)
		if there, _ := s.snapshot(); len(there) != 16 {
			t.Fatalf("%d are placed, want 16: %s", len(there), s.where())
		}
		s.asks(ds[0], s.wants("g", "a", 1000, 5))
		s.works(20*time.Second, nil)
		if sum, _, _ := s.tolds(); sum != 1 || !s.has("g", 5) || s.faulty() != "" {
			t.Errorf("%d end, want 1: %s; %s", sum, s.where(), s.faulty())
		}
	})
}

// TestReclaim_OnceForAll: where three daemons reclaim for groups and requests of one lender, hardly anything ends beside what has to. Judges found one
// of ten that did: of what ended for one daemon's, another's had less wanted back, so it was used again. What of that is left is rare:
// a daemon takes the quota that comes back for one of its own, whose room is not made yet.
func TestReclaim_OnceForAll(t *testing.T) {
	const (
		rounds = 12
		most   = 5 // that end beside what has to, in all
	)
	beside := make(chan int, rounds)
	t.Run("rounds", func(t *testing.T) {
		for i := range rounds {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				bubble(t, func(r *rig) { beside <- onceForAll(r, i) })
			})
		}
	})
	close(beside)
	sum := 0
	for n := range beside {
		sum += n
	}
	if sum > most {
		t.Errorf("%d end beside what has to, of %d rounds, want %d at most", sum, rounds, most)
	}
}

// onceForAll is one round, in which the daemons are asked in other turns; how many end beside what has to.
func onceForAll(r *rig, round int) int {
	r.t.Helper()
	s := r.seen()
	s.lag = func(int) time.Duration { return 0 }
	ds, stop := r.several(3)
	defer stop()
	var kills []func()
	defer func() { endAll(kills) }()
	for i := range 20 {
		kills = append(kills, s.livesOf(berth.WorkerID(fmt.Sprint("w", i)), 4000, 64<<30))
	}
	s.works(time.Second, nil)
	s.reclaimsAfter(ds[0], "a", 80000, 40000, time.Second)
	for _, t := range []berth.TenantID{"b", "c"} {
		s.guarantee(ds[0], t, 80000, 20000)
	}
	n := 0
	asks := func(id string, of berth.TenantID, milli, size int64) {
		s.asks(ds[(n*n+round*(n%5+1))%3], s.wants(id, of, milli, size))
		n++
	}
	for i := range 50 {
		asks(fmt.Sprint("b", i), "b", 1000, 0)
		if i < 30 { // by turns, so that neither lends to the other
			asks(fmt.Sprint("c", i), "c", 1000, 0)
		}
	}
	allPlaced := func() bool { there, _ := s.snapshot(); return len(there) == 80 }
	s.works(4*time.Second, nil)
	s.works(20*time.Second, allPlaced) // a daemon keeps for a second what it took and does not use: the last wait for that, three times and more
	if !allPlaced() {
		r.t.Fatalf("not all 80 are placed: %s", s.where())
	}
	for i := range 4 {
		asks(fmt.Sprint("g", i), "a", 1000, 5)
	}
	for i := range 10 {
		asks(fmt.Sprint("l", i), "a", 1000, 0)
	}
	for range round % 4 * 125 {
		s.works(4*time.Millisecond, nil)
	}
	for i := range 5 {
		asks(fmt.Sprint("m", i), "a", 2000, 0)
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until) && s.used()["a"] < 40000; {
		s.works(4*time.Millisecond, nil) // what is told to stop has at once, while daemons decide for others
	}
	s.works(5*time.Second, nil)
	if s.faulty() != "" {
		r.t.Error(s.faulty())
	}
	sum, _, _ := s.tolds()
	return max(sum-40, 0)
}
