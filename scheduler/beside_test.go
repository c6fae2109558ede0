package scheduler_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What Beside tells of a worker is all that decides there: a fleet of that worker alone, to which it is
// given, decides as the whole one, of whatever runs elsewhere; also once some have gone.
func TestBeside_DecidesAlike(t *testing.T) {
	t.Parallel()
	placed, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: map[berth.WorkerID]map[string]string{}}
		for range rapid.IntRange(1, 6).Draw(t, "workers") {
			g.put(t)
		}
		r := request("r", 1, 0)
		genTerms(t, r)
		ids := slices.Sorted(maps.Keys(g.workers))
		on := rapid.SampledFrom(ids).Draw(t, "on")
		var here []map[string]string
		for range rapid.IntRange(0, 8).Draw(t, "run") {
			w, labels := rapid.SampledFrom(ids).Draw(t, "where"), map[string]string{"app": rapid.SampledFrom([]string{"x", "y"}).Draw(t, "app")}
			if g.fleet.Count(w, labels, 1); w == on {
				here = append(here, labels)
			}
		}
		gone := here[:rapid.IntRange(0, len(here)).Draw(t, "gone")]
		for _, labels := range gone {
			g.fleet.Count(on, labels, -1)
		}
		met := g.fleet.Beside(ask(r), on)
		again := scheduler.NewFleet()
		again.Put(g.workers[on])
		again.SetBeside(on, met)
		_, want := g.fleet.PlaceOn(ask(r), on)
		if _, got := again.PlaceOn(ask(r), on); got != want {
			t.Fatalf("%+v on %s: %t, and by %+v: %t", r, on, want, met, got)
		}
		if want {
			placed++
		} else if len(met) > 0 {
			refused++
		}
	})
	if placed == 0 || refused == 0 {
		t.Errorf("%d placed and %d refused: the test compares nothing", placed, refused)
	}
}

// Of who requires nothing of others nothing is told.
func TestBeside_OfWhoRequiresNothing(t *testing.T) {
	t.Parallel()
	f := scheduler.NewFleet()
	f.Put(worker("w", 9, 9))
	f.Count("w", map[string]string{"app": "x"}, 1)
	r := request("r", 1, 0)
	x := berth.RequestLabel{Label: "app", Value: "x"}
	r.AntiAffinity = []berth.Affinity{{Requests: &x, Topology: berth.TopologyHost, Weight: 9}}
	if met := f.Beside(ask(r), "w"); met != nil {
		t.Errorf("%+v of what is preferred", met)
	}
	r.AntiAffinity[0].Weight = 0
	want := []berth.PlannedBeside{{Topology: berth.TopologyHost, Requests: x, Here: 1, All: 1}}
	if met := f.Beside(ask(r), "w"); !slices.Equal(met, want) {
		t.Errorf("%+v, want %+v", met, want)
	}
	if met := f.Beside(ask(r), "none"); met != nil {
		t.Errorf("%+v on a worker that is none", met)
	}
}
