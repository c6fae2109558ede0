package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// genSeats draws a small cluster with requests on it, and a gang whose members are related to each other.
func genSeats(t *rapid.T) (*ground, scheduler.Gang) {
	g := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: map[berth.WorkerID]map[string]string{}}
	for i := range rapid.IntRange(2, 6).Draw(t, "workers") {
		w := worker(fmt.Sprint("w", i), rapid.Int64Range(0, 3).Draw(t, "cpu"), 9)
		w.Labels = map[string]string{}
		for _, topology := range []string{"rack", "power", "zone"} {
			if v := rapid.SampledFrom([]string{"a", "b", "c", "a", "b", "c", ""}).Draw(t, topology); v != "" {
				w.Labels[topology] = v
			}
		}
		w.Cordoned = rapid.IntRange(0, 8).Draw(t, "cordoned") == 0
		g.fleet.Put(w)
		g.workers[w.ID], g.where[w.ID] = w, w.Labels
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "others") {
		w := berth.WorkerID(fmt.Sprint("w", rapid.IntRange(0, len(g.workers)-1).Draw(t, "on")))
		r := request(fmt.Sprint("other", i), 0, 0)
		r.Labels = map[string]string{"app": rapid.SampledFrom([]string{"x", "y"}).Draw(t, "other app")}
		g.runs = append(g.runs, resident{w, r})
		g.fleet.Count(w, r.Labels, 1)
	}
	r := request("g", 1, 0)
	r.Labels = map[string]string{"app": "x"}
	label := rapid.SampledFrom([]berth.RequestLabel{{Label: "app", Value: "x"}, {Label: "app", Value: "x"}, {Label: "app", Value: "x"}, {Label: "app", Value: "y"}})
	topology := rapid.SampledFrom([]string{"rack", "power", "zone", berth.TopologyHost})
	for range rapid.SampledFrom([]int{0, 1, 2, 2, 3}).Draw(t, "apart") {
		l := label.Draw(t, "from")
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: &l, Topology: topology.Draw(t, "topology")})
	}
	for range rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "near") {
		l := label.Draw(t, "to")
		r.Affinity = append(r.Affinity, berth.Affinity{Requests: &l, Topology: topology.Draw(t, "topology")})
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "even") {
		r.Spread = append(r.Spread, berth.Spread{Requests: label.Draw(t, "of"), Topology: topology.Draw(t, "topology"), MaxSkew: rapid.Int64Range(1, 2).Draw(t, "skew")})
	}
	size := rapid.IntRange(2, 5).Draw(t, "size")
	return g, gangOf(r, size, rapid.IntRange(1, size).Draw(t, "need"), rapid.SampledFrom([]string{"", "", "", "zone"}).Draw(t, "together"))
}

// bruteSeats is how many members have places at most, in one value of the topology: each may be wherever judge says.
func bruteSeats(gr *ground, g scheduler.Gang) (best int) {
	for _, n := range bruteSeatsBy(gr, g) {
		best = max(best, n)
	}
	return best
}

// bruteSeatsBy is that in each value.
func bruteSeatsBy(gr *ground, g scheduler.Gang) map[string]int {
	var ids []berth.WorkerID
	for id := range gr.workers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	values := []string{""}
	if g.Topology != "" {
		values = []string{"a", "b", "c"}
	}
	by := make(map[string]int)
	for _, value := range values {
		r := *g.Members[0].Request
		if g.Topology != "" {
			r.Constraints = []berth.Constraint{{Label: g.Topology, Operator: berth.OperatorIn, Values: []string{value}}}
		}
		by[value] = bruteSeatsOn(gr, &r, ids, len(g.Members), map[string]int{})
	}
	return by
}

func bruteSeatsOn(gr *ground, r *berth.Request, ids []berth.WorkerID, members int, known map[string]int) (best int) {
	if members == 0 {
		return 0
	}
	var on []string
	for _, one := range gr.runs {
		on = append(on, string(one.worker))
	}
	slices.Sort(on)
	key := strings.Join(on, " ")
	if n, ok := known[key]; ok {
		return n
	}
	for _, id := range ids {
		used := int64(0)
		for _, one := range gr.runs {
			if one.worker == id {
				used += one.request.Resources.CPUMilli
			}
		}
		if fits, _ := gr.judge(r, id); !fits || used+r.Resources.CPUMilli > gr.workers[id].Ledger.Capacity.CPUMilli {
			continue
		}
		gr.runs = append(gr.runs, resident{id, r})
		best = max(best, 1+bruteSeatsOn(gr, r, ids, members-1, known))
		gr.runs = gr.runs[:len(gr.runs)-1]
	}
	known[key] = best
	return best
}

// A gang whose members are to be near to each other, apart or evenly spread is placed if and only if it has places, with as many
// members as there are; and that it never fits is said of none that would, were all workers empty and nobody else there.
func TestProperty_GangRelatedPlacedIffPlacesExist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gr, g := genSeats(t)
		want := bruteSeats(gr, g)
		before := cmp.Compare(want, g.Need)
		d := gr.fleet.PlaceGang(g)
		if (d.Verdict == nil) != (before >= 0) || d.Verdict == nil && d.Fit != want {
			t.Fatalf("%d fit of %d, need %d; by force %d: %+v\n%+v\n%+v", d.Fit, len(g.Members), g.Need, want, d, *g.Members[0].Request, gr.workers)
		}
		if d.Verdict == nil {
			checkGivenAgain(t, gr.fleet, g, d)
		}
		if err := gr.fleet.Check(); err != nil {
			t.Fatal(err)
		}
		if d.Verdict == nil {
			return
		}
		as := berth.Membership{MinCount: int64(g.Need), Topology: g.Topology, Linked: g.Linked}
		if on := gr.fleet.EverOn(g.Members[0], as, nil); d.Verdict.NeverFits != (len(on) == 0) {
			t.Fatalf("never fits: %t, but would on %v", d.Verdict.NeverFits, on)
		}
		alone := gr.emptied()
		if ever := bruteSeats(alone, g); d.Verdict.NeverFits && ever >= g.Need {
			t.Fatalf("never fits, but %d of %d would, were all empty", ever, g.Need)
		} else if r := g.Members[0].Request; len(r.Affinity)+len(r.Spread) == 0 && d.Verdict.NeverFits != (ever < g.Need) {
			t.Fatalf("never fits: %t, but %d of %d would, were all empty", d.Verdict.NeverFits, ever, g.Need)
		}
	})
}

// emptied is a ground with the same workers, open, and nobody on them.
func (g *ground) emptied() *ground {
	alone := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: g.where}
	for id, w := range g.workers {
		w.Cordoned = false
		alone.workers[id] = w
		alone.fleet.Put(w)
	}
	return alone
}

// seatsGang is a gang apart from itself over topologies.
func seatsGang(size int, topologies ...string) scheduler.Gang {
	r := request("g", 1, 0)
	r.Labels = map[string]string{"app": "x"}
	for _, topology := range topologies {
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: &berth.RequestLabel{Label: "app", Value: "x"}, Topology: topology})
	}
	return gangOf(r, size, size, "")
}

// The member that takes m1 leaves the other none; and so it is whatever their ids are.
func TestPlaceGang_ApartOverTwo(t *testing.T) {
	for i := range 5 {
		var workers []scheduler.Worker
		for k, labels := range []map[string]string{{"rack": "a", "power": "1"}, {"rack": "a", "power": "2"}, {"rack": "b", "power": "1"}} {
			w := worker(fmt.Sprintf("m%d-%d", i, k+1), 4, 4)
			w.Labels = labels
			workers = append(workers, w)
		}
		if d := fleet(workers...).PlaceGang(seatsGang(2, "rack", "power")); d.Verdict != nil || d.Fit != 2 {
			t.Errorf("%d: %d fit: %+v", i, d.Fit, d.Verdict)
		}
	}
}

// Four go on two hosts of one rack, evenly over the hosts and racks that there are for them. Where these two are given they go there again, though the
// hosts of the other rack, and that rack, have none of them: members of the group could not be there.
func TestPlaceGangOn_SpreadWithinDomain(t *testing.T) {
	for _, over := range []string{berth.TopologyHost, "rack"} {
		var workers []scheduler.Worker
		for _, id := range []string{"a1", "a2", "b1", "b2"} {
			w := worker(id, 2, 4)
			w.Labels = map[string]string{"rack": id[:1]}
			workers = append(workers, w)
		}
		g := seatsGang(4)
		r := *g.Members[0].Request
		r.Spread = []berth.Spread{{Requests: berth.RequestLabel{Label: "app", Value: "x"}, Topology: over, MaxSkew: 1}}
		g = gangOf(&r, 4, 4, "rack")
		f := fleet(workers...)
		d := f.PlaceGang(g)
		if d.Verdict != nil {
			t.Fatalf("over %s: %+v", over, d.Verdict)
		}
		f.Undo(d)
		var on []berth.WorkerID
		for _, one := range d.Placed {
			on = append(on, one.Worker)
		}
		if again, ok := f.PlaceGangOn(g, on); !ok || !slices.EqualFunc(d.Placed, again.Placed, func(a, b scheduler.Decision) bool { return a.Worker == b.Worker }) || again.Domain != d.Domain {
			t.Errorf("over %s, placed again on %v: %t %+v", over, on, ok, again)
		}
		if again, ok := f.PlaceGangOn(g, []berth.WorkerID{"a1", "a2", "b1", "b2"}); ok {
			t.Errorf("over %s, in two racks: %+v", over, again)
		}
	}
}

// seatsGrid is 900 workers in 30 racks, on 30 feeds and in 29 zones: very many ways to choose some that share none of these.
func seatsGrid() []scheduler.Worker {
	var workers []scheduler.Worker
	for i := range 900 {
		w := worker(fmt.Sprintf("w%03d", i), 4, 4)
		rack, feed := i/30, i%30
		if (rack < 18) == (feed < 24) && rack >= 6 {
			feed %= 6
		}
		w.Labels = map[string]string{"rack": fmt.Sprint(rack), "power": fmt.Sprint(feed), "zone": fmt.Sprint((rack + feed) % 29)}
		workers = append(workers, w)
	}
	return workers
}

// What would be too much to find out is not said to be never, nor where all are to be in one row.
func TestPlaceGang_SeatsGivenUp(t *testing.T) {
	workers := seatsGrid()
	for i := range workers {
		workers[i].Labels["row"] = "a"
	}
	for _, topology := range []string{"", "row"} {
		g := seatsGang(29, "rack", "power", "zone")
		g.Topology = topology
		d := fleet(workers...).PlaceGang(g)
		if d.Verdict == nil {
			t.Fatal("it was found within the bound: the test needs one that is not")
		}
		if d.Verdict.NeverFits {
			t.Errorf("in one %q it is said never to fit: %+v", topology, d.Verdict.Reasons)
		}
	}
}

// Four that are apart on three hosts never fit.
func TestPlaceGang_ApartOnTooFew(t *testing.T) {
	d := fleet(worker("a", 4, 4), worker("b", 4, 4), worker("c", 4, 4)).PlaceGang(seatsGang(4, berth.TopologyHost))
	if d.Verdict == nil || !d.Verdict.NeverFits || d.Verdict.Reasons[0].Ever != 3 {
		t.Errorf("%+v", d.Verdict)
	}
}

// A worker that is in no domain of a topology may take several that keep apart over it.
func TestPlaceGang_OutsideAllDomains(t *testing.T) {
	f := scheduler.NewFleet()
	for i, labels := range []map[string]string{{"zone": "b"}, {"zone": "b", "rack": "b"}, {"rack": "c"}, {"zone": "b", "rack": "c"}} {
		w := worker(fmt.Sprint("w", i), []int64{2, 2, 2, 3}[i], 9)
		w.Labels = labels
		f.Put(w)
	}
	r := request("g", 1, 0)
	r.Labels = map[string]string{"app": "x"}
	x := berth.RequestLabel{Label: "app", Value: "x"}
	r.AntiAffinity = []berth.Affinity{{Requests: &x, Topology: "zone"}}
	r.Spread = []berth.Spread{{Requests: x, Topology: "rack", MaxSkew: 1}}
	if d := f.PlaceGang(gangOf(r, 3, 3, "")); d.Verdict != nil {
		t.Errorf("%d fit: %+v; one has a place on w1, and two on w2", d.Fit, d.Verdict)
	}
}

// The same workers in another order give the same places, also where they are searched for.
func TestPlaceGang_SeatsWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gr, g := genSeats(t)
		var want scheduler.GangDecision
		ids := slices.Sorted(maps.Keys(gr.workers))
		for i := range 3 {
			f := scheduler.NewFleet()
			for _, id := range rapid.Permutation(ids).Draw(t, "order") {
				f.Put(gr.workers[id])
			}
			for _, one := range gr.runs {
				f.Count(one.worker, one.request.Labels, 1)
			}
			d := f.PlaceGang(g)
			if i == 0 {
				want = d
			}
			if diff := gocmp.Diff(want.Placed, d.Placed) + gocmp.Diff(want.Verdict, d.Verdict); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
