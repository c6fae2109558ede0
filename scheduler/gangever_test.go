package scheduler_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A gang is told that it never fits where no workers would have room for it, were they empty, and only there; and it stays so, as long
// as those that would are there.
func TestProperty_EverOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		_, g := genGang(t)
		as := berth.Membership{MinCount: int64(g.Need), Topology: g.Topology, Linked: g.Linked}
		on := f.EverOn(g.Members[0], as, nil)
		d := f.PlaceGang(g)
		f.Undo(d)
		if d.Verdict == nil && len(on) == 0 || d.Verdict != nil && d.Verdict.NeverFits != (len(on) == 0) {
			t.Fatalf("of a gang of which is told %+v the workers are %v", d.Verdict, on)
		}
		for _, w := range workers {
			if !slices.Contains(on, w.ID) {
				f.Remove(w.ID)
			}
		}
		if left := f.EverOn(g.Members[0], as, nil); len(on) > 0 && len(left) == 0 {
			t.Fatalf("of %v none are left, and they are there", on)
		}
	})
}

// Of a request by itself, too, and of members whose places depend on each other, none is large enough.
func TestEverOn_TooLarge(t *testing.T) {
	f := fleet(worker("w", 1, 1), worker("v", 2, 1))
	apart := func(cpu int64) scheduler.Candidate {
		r := request("g.0", cpu, 1)
		r.Spread = []berth.Spread{{Topology: berth.TopologyHost, MaxSkew: 1}}
		return ask(r)
	}
	alone := func(cpu int64) scheduler.Candidate {
		r := request("g.0", cpu, 1)
		r.Labels = map[string]string{"app": "web"}
		r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "web"}, Topology: berth.TopologyHost}}
		return ask(r)
	}
	for _, tt := range []struct {
		name string
		of   scheduler.Candidate
		as   berth.Membership
		want bool
	}{
		{"a request", ask(request("r", 2, 1)), berth.Membership{}, true},
		{"a request that is too large", ask(request("r", 3, 1)), berth.Membership{}, false},
		{"a request of another pool", ask(&berth.Request{ID: "r", Pool: "other"}), berth.Membership{}, false},
		{"members apart", apart(1), berth.Membership{MinCount: 2}, true},
		{"members apart, of which one has room", apart(2), berth.Membership{MinCount: 2}, false},
		{"members that each have a worker", alone(1), berth.Membership{MinCount: 2}, true},
		{"members that each need a worker, and are too many", alone(1), berth.Membership{MinCount: 3}, false},
		{"members that each need a worker, of which one is too small", alone(2), berth.Membership{MinCount: 2}, false},
		{"members apart that are too large", apart(3), berth.Membership{MinCount: 2}, false},
	} {
		if on := f.EverOn(tt.of, tt.as, nil); len(on) > 0 != tt.want {
			t.Errorf("%s: %v", tt.name, on)
		}
	}
}
