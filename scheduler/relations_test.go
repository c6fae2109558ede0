package scheduler_test

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// ground is what relations are about, in the plainest form: who is where.
type ground struct {
	fleet   *scheduler.Fleet
	workers map[berth.WorkerID]scheduler.Worker
	where   map[berth.WorkerID]map[string]string // labels when it was last seen: a lost worker's requests are still there
	runs    []resident
	claims  []resident
	next    int
}

type resident struct {
	worker  berth.WorkerID
	request *berth.Request
}

var someTopologies = []string{berth.TopologyHost, "rack", "zone"}

func (g *ground) put(t *rapid.T) {
	w := worker(fmt.Sprintf("w%d", rapid.IntRange(0, 5).Draw(t, "id")), rapid.Int64Range(1, 9).Draw(t, "cpu"), 9)
	w.Labels = map[string]string{}
	for _, topology := range someTopologies[1:] {
		if v := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, topology); v != "" {
			w.Labels[topology] = v
		}
	}
	w.Cordoned = rapid.IntRange(0, 4).Draw(t, "cordoned") == 0
	if rapid.IntRange(0, 4).Draw(t, "tainted") == 0 {
		w.Taints = []berth.Taint{{Key: "gpu", Effect: berth.EffectNoPlace}}
	}
	if was, ok := g.workers[w.ID]; ok {
		w.Ledger.Reserved, w.Ledger.Count = was.Ledger.Reserved, was.Ledger.Count
		w.Ledger.Capacity.CPUMilli = max(w.Ledger.Capacity.CPUMilli, w.Ledger.Reserved.CPUMilli)
	}
	g.fleet.Put(w)
	g.workers[w.ID], g.where[w.ID] = w, w.Labels
}

func genTerms(t *rapid.T, r *berth.Request) {
	label := rapid.SampledFrom([]berth.RequestLabel{{Label: "app", Value: "x"}, {Label: "app", Value: "y"}})
	topology := rapid.SampledFrom(someTopologies)
	weight := rapid.SampledFrom([]int64{0, 0, 1, 30})
	r.Labels = map[string]string{"app": rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "app")}
	for range rapid.IntRange(0, 1).Draw(t, "near") {
		l := label.Draw(t, "to")
		r.Affinity = append(r.Affinity, berth.Affinity{Requests: &l, Topology: topology.Draw(t, "topology"), Weight: weight.Draw(t, "weight")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "apart") {
		l := label.Draw(t, "from")
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: &l, Topology: topology.Draw(t, "topology"), Weight: weight.Draw(t, "weight")})
	}
	for range rapid.IntRange(0, 1).Draw(t, "even") {
		r.Spread = append(r.Spread, berth.Spread{
			Requests: label.Draw(t, "of"), Topology: topology.Draw(t, "topology"), MaxSkew: rapid.Int64Range(1, 2).Draw(t, "skew"), Weight: weight.Draw(t, "weight"),
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "likes") == 0 {
		r.Affinity = append(r.Affinity, berth.Affinity{Weight: 10, Workers: []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}}}})
	}
	if rapid.IntRange(0, 2).Draw(t, "tolerant") == 0 {
		r.Tolerations = []berth.Toleration{{Key: "gpu", Operator: berth.TolerateExists}}
	}
	if rapid.IntRange(0, 3).Draw(t, "constrained") == 0 {
		r.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorExists}}
	}
}

func (g *ground) domain(topology string, w berth.WorkerID) (string, bool) {
	if topology == berth.TopologyHost {
		return string(w), true
	}
	d, ok := g.where[w][topology]
	return d, ok
}

// in counts the requests with a label in a domain; "*": in any.
func (g *ground) in(l berth.RequestLabel, topology, domain string) (n int64) {
	for _, r := range g.runs {
		d, ok := g.domain(topology, r.worker)
		if ok && (d == domain || domain == "*") && l.Matches(r.request.Labels) {
			n++
		}
	}
	return n
}

// eligible says whether a worker is one of those that a request could have at all.
func (g *ground) eligible(r *berth.Request, w scheduler.Worker) bool {
	if w.Cordoned || len(w.Taints) > 0 && len(r.Tolerations) == 0 {
		return false
	}
	for _, c := range r.Constraints {
		if !c.Allows(w.Labels) {
			return false
		}
	}
	return true
}

// judge says whether a worker may have a request by force, and what speaks against it.
func (g *ground) judge(r *berth.Request, id berth.WorkerID) (fits bool, dislike int64) {
	w := *g.fleet.Worker(id)
	fits = g.eligible(r, w) && w.Ledger.Reserved.CPUMilli+r.Resources.CPUMilli <= w.Ledger.Capacity.CPUMilli
	weigh := func(weight, excess int64) {
		fits = fits && (weight > 0 || excess == 0)
		dislike += weight * excess
	}
	for _, a := range r.Affinity {
		if a.Requests == nil {
			if w.Labels["zone"] != "a" {
				dislike += a.Weight
			}
			continue
		}
		d, ok := g.domain(a.Topology, id)
		total := g.in(*a.Requests, a.Topology, "*")
		met := ok && (g.in(*a.Requests, a.Topology, d) > 0 || total == 0 && a.Requests.Matches(r.Labels))
		if !met && (a.Weight == 0 || total > 0) {
			weigh(a.Weight, 1)
		}
	}
	for _, a := range r.AntiAffinity {
		if d, ok := g.domain(a.Topology, id); ok && g.in(*a.Requests, a.Topology, d) > 0 {
			weigh(a.Weight, 1)
		}
	}
	for _, s := range r.Spread {
		d, ok := g.domain(s.Topology, id)
		skew := g.in(s.Requests, s.Topology, d) - g.fewest(r, &s) - s.MaxSkew
		if s.Requests.Matches(r.Labels) {
			skew++
		}
		if !ok {
			skew = 1
		}
		weigh(s.Weight, max(skew, 0))
	}
	return fits, dislike
}

// fewest is how many are in one of the domains of a spread.
func (g *ground) fewest(r *berth.Request, s *berth.Spread) int64 {
	fewest := int64(-1)
	for other, ow := range g.workers {
		if od, in := g.domain(s.Topology, other); in && g.fleet.Worker(other) != nil && g.eligible(r, ow) {
			if n := g.in(s.Requests, s.Topology, od); fewest < 0 || n < fewest {
				fewest = n
			}
		}
	}
	return max(fewest, 0)
}

func (g *ground) place(t *rapid.T) {
	g.next++
	r := request(fmt.Sprintf("r%d", g.next), rapid.Int64Range(0, 3).Draw(t, "cpu"), 0)
	genTerms(t, r)
	some, least := false, int64(0)
	for id := range g.workers {
		if g.fleet.Worker(id) == nil {
			continue
		}
		fits, dislike := g.judge(r, id)
		if got := g.fleet.Fits(ask(r), id); got != fits {
			t.Fatalf("%+v fits %s: %t, by force %t", r, id, got, fits)
		}
		if fits && (!some || dislike < least) {
			some, least = true, dislike
		}
	}
	want := g.fleet.ByForce(ask(r))
	d := g.fleet.Place(ask(r))
	if d.Worker != want || (d.Verdict == nil) != some {
		t.Fatalf("%+v on %q, by force on %q, some worker fits: %t", r, d.Worker, want, some)
	}
	if d.Verdict != nil {
		return
	}
	if _, dislike := g.judge(r, d.Worker); dislike != least {
		t.Fatalf("%+v on %s, against which %d speaks; the least is %d", r, d.Worker, dislike, least)
	}
	w := g.workers[d.Worker]
	w.Ledger = g.fleet.Worker(d.Worker).Ledger
	g.workers[d.Worker] = w
	g.runs = append(g.runs, resident{d.Worker, r})
	g.fleet.Count(d.Worker, r.Labels, 1)
	g.fleet.Occupy(d.Worker, 0, &d.Share, 1)
}

func (g *ground) end(t *rapid.T) {
	if len(g.runs) == 0 {
		t.Skip("nothing runs")
	}
	i := rapid.IntRange(0, len(g.runs)-1).Draw(t, "which")
	r := g.runs[i]
	g.runs = append(g.runs[:i], g.runs[i+1:]...)
	g.fleet.Count(r.worker, r.request.Labels, -1)
	g.fleet.Occupy(r.worker, 0, &berth.Share{Quantities: r.request.Resources.Quantities}, -1)
}

// TestProperty_Relations: a request is placed if and only if some worker may have it,
// and on one against which the least speaks, by counting who is where.
func TestProperty_Relations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: map[berth.WorkerID]map[string]string{}}
		g.fleet.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
		t.Repeat(map[string]func(*rapid.T){
			"":       func(t *rapid.T) { checkIndex(t, g.fleet) },
			"put":    g.put,
			"place":  g.place,
			"place2": g.place,
			"end":    g.end,
			"lose": func(t *rapid.T) {
				g.fleet.Remove(berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 5).Draw(t, "id"))))
			},
		})
	})
}

// What Counts tells is what decisions go by: a fleet to which it is given decides alike. Equal
// stamps are of equal counts, and Before of those that differ in Last alone.
func TestCounts_DecideAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &ground{fleet: scheduler.NewFleet(), workers: map[berth.WorkerID]scheduler.Worker{}, where: map[berth.WorkerID]map[string]string{}}
		for range rapid.IntRange(1, 6).Draw(t, "workers") {
			g.put(t)
		}
		r := berth.Request{ID: "r", Pool: "default"}
		genTerms(t, &r)
		type seen struct {
			stamp  uint64
			counts map[string]int64
		}
		was := map[string]seen{}
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			on := berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 5).Draw(t, "on")))
			g.fleet.Count(on, map[string]string{"app": rapid.SampledFrom([]string{"x", "y"}).Draw(t, "app")}, 1)
			for label, topology := range r.Relations() {
				name, now := label.String()+topology, g.fleet.Counts("default", label, topology)
				before, known := was[name]
				switch {
				case known && before.stamp == now.Stamp && !maps.Equal(before.counts, now.Of):
					t.Fatalf("%s was %v, and is %v, with the same stamp", name, before.counts, now.Of)
				case known && before.stamp == now.Before:
					before.counts[now.Last] = now.Of[now.Last]
					if !maps.Equal(before.counts, now.Of) {
						t.Fatalf("%s is %v; with the change in %q alone it would be %v", name, now.Of, now.Last, before.counts)
					}
				}
				was[name] = seen{now.Stamp, maps.Clone(now.Of)}
			}
		}
		again := scheduler.NewFleet()
		for _, w := range g.workers {
			again.Put(w)
		}
		for label, topology := range r.Relations() {
			again.SetCounts("default", label, topology, maps.Clone(g.fleet.Counts("default", label, topology).Of))
		}
		want, got := g.fleet.Place(scheduler.Candidate{Request: &r}), again.Place(scheduler.Candidate{Request: &r})
		if want.Worker != got.Worker {
			t.Fatalf("placed on %q, and again on %q: %+v", want.Worker, got.Worker, got.Verdict)
		}
	})
}
