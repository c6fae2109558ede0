package scheduler_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// The domain that is told of is one of those that could have most members, and of these one in which most
// fit; how many do is said, and all workers are counted once.
func TestProperty_GangNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		r, g := genGang(t)
		d := f.PlaceGang(g)
		if d.Verdict == nil || d.Verdict.Reasons[0].Near == "" {
			return
		}
		first := d.Verdict.Reasons[0]
		now, ever := bruteRooms(r, workers, g), bruteRooms(r, emptied(workers), g)
		told := [2]string{d.Domain, d.Link}
		if first.There != int64(now[told]) {
			t.Fatalf("%d fit in %s, by force %d", first.There, first.Near, now[told])
		}
		for where, fit := range now {
			if could, does := min(ever[where], g.Need), min(ever[told], g.Need); could > does || could == does && fit > now[told] {
				t.Fatalf("%s is told of, and %v is nearer", first.Near, where)
			}
		}
		count := 0
		for _, why := range d.Verdict.Reasons {
			count += why.Workers
		}
		if count != len(workersOf(workers, r.Pool)) {
			t.Fatalf("%d workers are told of, of %d: %+v", count, len(workers), d.Verdict)
		}
	})
}

// So it is, too, where how members look at each other decides how many a domain could have.
func TestProperty_GangNearestRelated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gr, g := genSeats(t)
		g.Topology = "zone"
		d := gr.fleet.PlaceGang(g)
		toOthers := func(a berth.Affinity) bool { return !a.Requests.Matches(g.Members[0].Request.Labels) }
		if d.Verdict == nil || d.Verdict.Reasons[0].Near == "" || slices.ContainsFunc(g.Members[0].Request.Affinity, toOthers) {
			return // those others may come to any
		}
		ever := bruteSeatsBy(gr.emptied(), g)
		for zone, could := range ever {
			if min(could, g.Need) > ever[d.Domain] {
				t.Fatalf("zone %s is told of, which could have %d, and %s could have %d: %+v\n%+v", d.Domain, ever[d.Domain], zone, could, *g.Members[0].Request, gr.workers)
			}
		}
		if first := d.Verdict.Reasons[0]; d.Verdict.NeverFits && first.Ever != int64(ever[d.Domain]) {
			t.Fatalf("%d would ever fit in zone %s, by force %d: %+v\n%+v", first.Ever, d.Domain, ever[d.Domain], *g.Members[0].Request, gr.workers)
		}
	})
}

func workersOf(all []scheduler.Worker, pool berth.PoolID) (of []scheduler.Worker) {
	for _, w := range all {
		if w.Pool == pool {
			of = append(of, w)
		}
	}
	return of
}

// Who follows its group is told that a worker is not where that is, and of no constraint.
func TestExplain_WhereItsGroupIs(t *testing.T) {
	a, b := worker("a", 1, 1), worker("b", 1, 1)
	a.Labels, b.Labels = map[string]string{"rack": "a"}, map[string]string{"rack": "b", "disk": "ssd"}
	f := fleet(a, b)
	r := request("g.1", 1, 1)
	r.Constraints = []berth.Constraint{{Label: "disk", Operator: berth.OperatorExists}}
	r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 1, Topology: "rack"}
	beside := r.Beside("a", "")
	v := f.Explain(ask(&beside))
	if len(v.Reasons) != 2 || v.Reasons[0].Code != berth.ReasonConstraint || v.Reasons[0].Detail != "disk" || v.Reasons[1].Code != berth.ReasonElsewhere || v.Reasons[1].Detail != "rack a" {
		t.Errorf("%+v", v.Reasons)
	}
}
