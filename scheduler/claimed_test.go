package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// claim gives a request a claim on a worker, or takes one back.
func (g *ground) claim(t *rapid.T) {
	if len(g.claims) > 0 && rapid.Bool().Draw(t, "less") {
		i := rapid.IntRange(0, len(g.claims)-1).Draw(t, "which")
		c := g.claims[i]
		g.claims = slices.Delete(g.claims, i, i+1)
		g.fleet.Claim(c.worker, c.request.Labels, -1)
		return
	}
	c := resident{berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 5).Draw(t, "on"))), request("c", 0, 0)}
	if g.fleet.Worker(c.worker) == nil {
		t.Skip("it is not there")
	}
	c.request.Labels = map[string]string{"app": rapid.SampledFrom([]string{"x", "y"}).Draw(t, "app")}
	g.claims = append(g.claims, c)
	g.fleet.Claim(c.worker, c.request.Labels, 1)
}

// takes says by force whether a worker takes a request when some of those on it have ended, with those who have claims as there for who is to be apart
// from them, or evenly spread with them.
func (g *ground) takes(r *berth.Request, id berth.WorkerID, gone []berth.RequestID) bool {
	after := &ground{fleet: g.fleet, workers: g.workers, where: g.where}
	free := int64(0)
	for _, one := range g.runs {
		if one.worker == id && slices.Contains(gone, one.request.ID) {
			free += one.request.Resources.CPUMilli
		} else {
			after.runs = append(after.runs, one)
		}
	}
	w := *g.fleet.Worker(id)
	w.Ledger.Reserved.CPUMilli -= free
	if !g.eligible(r, w) || w.Ledger.Reserved.CPUMilli+r.Resources.CPUMilli > w.Ledger.Capacity.CPUMilli {
		return false
	}
	claimed := &ground{fleet: g.fleet, workers: g.workers, where: g.where, runs: g.claims}
	for _, a := range r.AntiAffinity {
		if d, ok := g.domain(a.Topology, id); a.Weight == 0 && ok && after.in(*a.Requests, a.Topology, d)+claimed.in(*a.Requests, a.Topology, d) > 0 {
			return false
		}
	}
	for _, s := range r.Spread {
		d, ok := g.domain(s.Topology, id)
		most := after.fewest(r, &s) + s.MaxSkew - claimed.in(s.Requests, s.Topology, d)
		if s.Requests.Matches(r.Labels) {
			most--
		}
		if s.Weight == 0 && (!ok || after.in(s.Requests, s.Topology, d) > most) {
			return false
		}
	}
	return true
}

// makes has others make room for a request on one of the workers; it says so where by force there is none, or where they do not on one that would do.
func (g *ground) makes(t *rapid.T) {
	r := request("new", rapid.Int64Range(0, 5).Draw(t, "cpu"), 0)
	genTerms(t, r)
	r.Affinity = slices.DeleteFunc(r.Affinity, func(a berth.Affinity) bool { return a.Weight == 0 }) // all that end could be what it is to be near to
	on := func(w berth.WorkerID) (all []scheduler.Occupant) {
		for i, one := range g.runs {
			if one.worker == w {
				all = append(all, scheduler.Occupant{Request: one.request.ID, Placed: int64(i), Share: berth.Share{Quantities: one.request.Resources.Quantities}, Labels: one.request.Labels})
			}
		}
		return all
	}
	c := ask(r)
	c.Priority = 9
	could := false
	for id := range g.workers {
		if all := on(id); g.fleet.Worker(id) != nil && len(all) > 0 {
			var gone []berth.RequestID
			for i := range all {
				gone = append(gone, all[i].Request)
			}
			could = could || g.takes(r, id, gone)
		}
	}
	p, ok := g.fleet.Preempt(c, on)
	switch {
	case ok && !g.takes(r, p.Worker, p.Victims):
		t.Fatalf("%+v has room made on %s by %v, and by force has none then; claims: %+v", r, p.Worker, p.Victims, g.claims)
	case !ok && could && !g.takesAny(r):
		t.Fatalf("%+v has no room made, and by force would have; claims: %+v", r, g.claims)
	}
}

// takesAny says whether some worker takes a request without anybody's end.
func (g *ground) takesAny(r *berth.Request) bool {
	for id := range g.workers {
		if g.fleet.Worker(id) != nil && g.takes(r, id, nil) {
			return true
		}
	}
	return false
}

// TestProperty_Claims: who has a claim is there already for who has others make room, and has to be apart from it or evenly spread with it; and for nobody
// who is placed.
func TestProperty_Claims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: map[berth.WorkerID]map[string]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"":       func(t *rapid.T) { checkIndex(t, g.fleet) },
			"put":    g.put,
			"place":  g.place,
			"end":    g.end,
			"claim":  g.claim,
			"claim2": g.claim,
			"makes":  g.makes,
			"lose": func(t *rapid.T) {
				g.fleet.Remove(berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 5).Draw(t, "id"))))
			},
		})
	})
}
