package integration_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// Of several daemons under load, every placement is decided again as it was: with
// plans in flight, what waits, retries, cordons, what looks at others, groups, also those with
// devices in one rack, and three pools: of either strategy, with weights, and with devices.
func TestReplay_EveryPlacement(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 3, workers: 6, runFor: 3 * time.Millisecond})
	s.startHollow(siteOptions{workers: 4, runFor: 3 * time.Millisecond, edit: func(h *worker.HollowOptions) { h.Name, h.Pool = "b", "batch" }})
	s.startHollow(siteOptions{workers: 4, runFor: 3 * time.Millisecond, edit: func(h *worker.HollowOptions) {
		h.Name, h.Pool, h.Shapes = "g", "gpu", []worker.Shape{withDevices("r1", "a100", 4), withDevices("r1", "v100", 2), withDevices("r2", "a100", 4), withDevices("r2", "v100", 2)}
	}})
	for pool, settings := range map[berth.PoolID]berth.Pool{
		"batch": {Strategy: berth.StrategyBinpack, Weights: berth.Weights{berth.ScorerYields: 1, berth.ScorerLoad: 2}},
		"gpu":   {Weights: berth.Weights{berth.ScorerLoss: 3, berth.ScorerFree: 1, berth.ScorerLoad: 1}},
	} {
		if err := s.daemons[0].SetPool(t.Context(), pool, settings); err != nil {
			t.Fatal(err)
		}
	}
	const clients, each = 6, 60
	ids := submitAll(t, s, clients, each)
	for _, d := range s.daemons {
		idle(t, d)
	}
	same, priced, kept, related, crowded := 0, 0, 0, 0, 0
	for i, id := range ids {
		r, err := s.daemons[i%len(s.daemons)].Replay(t.Context(), id, 0)
		if err == nil && (r.Cause == daemon.CauseRelated || r.Cause == daemon.CausePartial) {
			crowded++ // a full batch tells of no others, and where much is in flight a small one of nothing
			continue
		}
		if err != nil || r.Outcome != daemon.ReplaySame {
			t.Errorf("%s: %v, %s %s: placed on %s %+v, and again on %s %+v, by %+v", id, err, r.Outcome, r.Why, r.Worker, r.Share, r.Again.Worker, r.Again.Share, r.Basis)
			continue
		}
		unchosen := r.Basis.Group != nil && r.Basis.Group.Kept
		if same++; !unchosen && (len(r.Standings) == 0 || r.Standings[0].Worker != r.Worker) {
			t.Errorf("%s: %+v stands first, and %s was chosen", id, r.Standings, r.Worker)
		}
		if len(r.Basis.Prices) > 0 {
			priced++
		}
		if g := r.Basis.Group; g != nil && g.Kept {
			kept++
		}
		if len(r.Basis.Relations) > 0 {
			related++
		}
	}
	if crowded > len(ids)/5 {
		t.Errorf("of %d of %d placements too little is told", crowded, len(ids))
	}
	if related == 0 {
		t.Error("no plan tells where others ran")
	}
	if priced == 0 {
		t.Error("devices were dealt by no prices")
	}
	t.Logf("%d of %d placements replayed, %d of them of plans by prices, %d of plans that tell where others ran (%d where that was too much), %d of groups that kept what they had held",
		same, len(ids), priced, related, crowded, kept)
	s.explained(ids[0])
	s.forgotten(ids[0])
}

// withDevices is the shape of a worker in a rack, with so many devices of a type.
func withDevices(rack, kind string, n int) worker.Shape {
	c := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 20 << 30}}
	for i := range n {
		c.Devices = append(c.Devices, berth.Device{Name: fmt.Sprintf("gpu%d", i), Type: kind})
	}
	return worker.Shape{Capacity: c, Labels: map[string]string{"rack": rack}}
}

// drawn are the requests of a client; the last ones are groups.
func drawn(client, n int) (requests []berth.Request, ids []berth.RequestID) {
	random := rand.New(rand.NewPCG(uint64(client), 7)) //nolint:gosec // repeatable, not secret
	for i := range n {
		r := small(fmt.Sprintf("c%d-%03d", client, i))
		r.Resources.CPUMilli *= 1 + random.Int64N(20)
		r.Pool = []berth.PoolID{berth.DefaultPool, "batch", "gpu"}[random.IntN(3)]
		if r.Pool == "gpu" && random.IntN(4) > 0 {
			r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: []int64{190, 320, 470, 810, 1000}[random.IntN(5)]}}
		}
		if random.IntN(4) == 0 {
			r.AffinityKey = fmt.Sprintf("k%d", random.IntN(3))
		}
		looking(&r, random.IntN(12))
		requests = append(requests, r)
		ids = append(ids, r.ID)
	}
	const members = 4
	anywhere, racked := small(fmt.Sprintf("c%d-group", client)), small(fmt.Sprintf("c%d-racked", client))
	anywhere.Pool, anywhere.Group = requests[0].Pool, &berth.Membership{Size: members, MinCount: 2}
	racked.Pool, racked.Group = "gpu", &berth.Membership{Size: members, MinCount: 3, Topology: "rack"}
	racked.Resources.Devices = []berth.DeviceDemand{{Types: []string{"a100"}, Count: 1, Milli: 600}}
	for _, g := range []*berth.Request{&anywhere, &racked} {
		ids = append(ids, berth.GroupID(g.ID).Members(members)...)
	}
	return append(requests, anywhere, racked), ids
}

// looking has some requests look at where others run.
func looking(r *berth.Request, n int) {
	r.Labels = map[string]string{"app": []string{"web", "db"}[n%2]}
	web := berth.RequestLabel{Label: "app", Value: "web"}
	switch n {
	case 0:
		r.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost, Weight: 50}}
	case 1:
		r.Spread = []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 3}}
	case 2:
		r.Affinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
	}
}

// submitAll has several clients submit at any daemons, in calls of some, while an
// operator cordons and frees workers.
func submitAll(t *testing.T, s *site, clients, each int) (ids []berth.RequestID) {
	t.Helper()
	var wg sync.WaitGroup
	for c := range clients {
		mine, of := drawn(c, each)
		ids = append(ids, of...)
		random := rand.New(rand.NewPCG(uint64(c), 8)) //nolint:gosec // repeatable, not secret
		wg.Go(func() {
			for len(mine) > 0 {
				n := min(1+random.IntN(8), len(mine))
				if _, err := s.daemons[random.IntN(len(s.daemons))].Submit(t.Context(), mine[:n]); err != nil {
					t.Error(err)
				}
				mine = mine[n:]
			}
		})
	}
	workers, err := s.daemons[0].Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		for i := range 20 { // each is cordoned, and freed again
			if _, err := s.daemons[i%len(s.daemons)].SetIntent(t.Context(), workers[i/2%3].ID, daemon.Wish{Cordon: i%2 == 0}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	return ids
}

// explained asks about a request when it was not there, and when it was placed.
func (s *site) explained(id berth.RequestID) {
	s.tb.Helper()
	d := s.daemons[1]
	r, err := d.Replay(s.tb.Context(), id, 0)
	if err != nil {
		s.tb.Fatal(err)
	}
	if e, err := d.ExplainAt(s.tb.Context(), id, daemon.Moment{Revision: 3}); err == nil {
		s.tb.Errorf("%s was at revision 3: %+v", id, e)
	}
	e, err := d.ExplainAt(s.tb.Context(), id, daemon.Moment{Revision: r.Revision})
	if err != nil || e.Status.State != berth.StatePlaced || len(e.Standings) == 0 || e.Past.Oldest > 2 {
		s.tb.Errorf("%s at revision %d: %+v, %v", id, r.Revision, e, err)
	}
	e, err = d.ExplainAt(s.tb.Context(), id, daemon.Moment{Time: time.Now()})
	if err != nil || !e.Status.State.Final() {
		s.tb.Errorf("%s now: %+v, %v", id, e, err)
	}
	if _, err := d.ExplainAt(s.tb.Context(), id, daemon.Moment{Time: time.Now().Add(-time.Hour)}); err == nil {
		s.tb.Errorf("%s was an hour ago", id)
	}
}

// forgotten compacts the store's history, and asks about it.
func (s *site) forgotten(id berth.RequestID) {
	s.tb.Helper()
	space, err := s.store.Space(s.tb.Context())
	if err == nil {
		err = s.store.Compact(s.tb.Context(), space.Revision)
	}
	for range 5 { // a disk may be slow for seconds
		if err == nil || !etcdstore.Unreachable(err) {
			break
		}
		err = s.store.Compact(s.tb.Context(), space.Revision)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	want := fmt.Sprintf("reaches back to revision %d", space.Revision)
	r, err := s.daemons[0].Replay(s.tb.Context(), id, 0)
	if err != nil || r.Outcome != daemon.ReplayCannot || !strings.Contains(r.Why, want) {
		s.tb.Errorf("%s %s, %v; want that history %s", r.Outcome, r.Why, err, want)
	}
	if _, err := s.daemons[0].ExplainAt(s.tb.Context(), id, daemon.Moment{Revision: 3}); err == nil || !strings.Contains(err.Error(), want) {
		s.tb.Errorf("%v; want that history %s", err, want)
	}
}
