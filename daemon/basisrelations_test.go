package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// lookers is a plan's basis in which requests that look at others of the app web are decided.
type lookers struct {
	*loop
	t *testing.T
	b *builder
}

func newLookers(t *testing.T) *lookers {
	l := roomy(t)
	return &lookers{l, t, newBuilder(l, time.Now())}
}

// decides decides about a request, which tells what it looks at.
func (s *lookers) decides(id berth.RequestID, change func(*berth.Request)) {
	s.t.Helper()
	sub := submissionOf(s.t, s.loop, id)
	r := &sub.record.Spec
	r.Labels, r.Resources.CPUMilli = map[string]string{"app": "web"}, 1
	change(r)
	w := &waiting{id: id, request: r}
	if d := s.b.decide(w, w.candidate()); d.Verdict != nil {
		s.t.Fatalf("%s is not placed: %+v", id, d.Verdict)
	}
}

func (s *lookers) wants(want ...berth.PlannedCounts) {
	s.t.Helper()
	var told []berth.PlannedCounts
	for _, r := range s.b.basis.record.Relations {
		told = append(told, r.Told...)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		s.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func spreadOver(topology string) func(*berth.Request) {
	return func(r *berth.Request) { r.Spread = []berth.Spread{{Requests: *web, Topology: topology, MaxSkew: 9}} }
}

// What a decision looks at is told whole, and then what has changed, whatever changed it.
func TestTellRelations_Changes(t *testing.T) {
	s := newLookers(t)
	labels := map[string]string{"app": "web"}
	s.fleet.Count("gone", labels, 2)
	s.decides("none", func(*berth.Request) {})
	if s.b.basis.record.Relations != nil {
		t.Errorf("told %+v to who looks at nobody", s.b.basis.record.Relations)
	}
	first := berth.PlannedCounts{From: 1, Counts: map[string]int64{}} // a lost worker of another pool, as far as is known
	s.decides("r1", spreadOver(berth.TopologyHost))
	s.wants(first)
	s.decides("r2", spreadOver(berth.TopologyHost))
	s.wants(first) // nothing has changed
	s.fleet.Count("w", labels, 1)
	one := berth.PlannedCounts{From: 3, Counts: map[string]int64{"w": 1}}
	s.decides("r3", spreadOver(berth.TopologyHost))
	s.wants(first, one)
	s.fleet.Count("w", labels, 1)
	s.fleet.Count("w", labels, 1)
	s.fleet.Count("w", labels, -3)
	s.fleet.Count("gone", labels, -2)
	s.decides("r4", spreadOver(berth.TopologyHost))
	s.wants(first, one, berth.PlannedCounts{From: 4, Counts: map[string]int64{"w": 0}})
	s.fleet.Count("w", labels, 1)
	s.fleet.Count("w", labels, -1)
	s.decides("r5", spreadOver(berth.TopologyHost))
	r := &s.b.basis.record.Relations[0]
	if len(r.Told) != 3 {
		t.Errorf("told %+v; what came and went is nothing new", r.Told)
	}
	for step, want := range map[int64]map[string]int64{1: {}, 2: {}, 3: {"w": 1}, 4: {}} {
		if got, looked := r.At(step); !looked || !cmp.Equal(got, want) {
			t.Errorf("at step %d it was %v, %v; want %v", step, got, looked, want)
		}
	}
	if _, looked := r.At(0); looked {
		t.Error("told before anybody looked")
	}
}

// What is told stays as it was while the fleet goes on, and is told of preferences, too.
func TestTellRelations_StaysAsItWas(t *testing.T) {
	s := newLookers(t)
	labels := map[string]string{"app": "web"}
	s.fleet.Count("w", labels, 1)
	s.decides("r", func(r *berth.Request) {
		r.Affinity = []berth.Affinity{{Requests: web, Topology: berth.TopologyHost, Weight: 5}}
	})
	before := encoded(t, s.b.basis.record)
	s.fleet.Count("w", labels, 1)
	if after := encoded(t, s.b.basis.record); after != before {
		t.Errorf("the basis was\n%s\nand is\n%s", before, after)
	}
	if !s.b.basis.record.TellsOf(&berth.Request{Pool: "default", Affinity: []berth.Affinity{{Requests: web, Topology: berth.TopologyHost}}}, 0) {
		t.Error("it does not tell of what it was asked about")
	}
	for name, other := range map[string]berth.Request{
		"pool":     {Pool: "other", Affinity: []berth.Affinity{{Requests: web, Topology: berth.TopologyHost}}},
		"topology": {Pool: "default", AntiAffinity: []berth.Affinity{{Requests: web, Topology: "rack"}}},
		"label":    {Pool: "default", Spread: []berth.Spread{{Requests: berth.RequestLabel{Label: "app", Value: "db"}, Topology: berth.TopologyHost}}},
	} {
		if s.b.basis.record.TellsOf(&other, 0) {
			t.Errorf("it tells of another %s", name)
		}
	}
}

// Where others are in too many domains, nothing of that is told, and all else is.
func TestTellRelations_TooMuch(t *testing.T) {
	for name, told := range map[string]int{"at once": 0, "by and by": 1} {
		t.Run(name, func(t *testing.T) {
			s := newLookers(t)
			p := s.planBasis(s.b)
			s.b.basis = p
			counted := func(n int) {
				counts := make(map[string]int64)
				for i := range n {
					counts[fmt.Sprintf("worker-%06d", i)] = 1
				}
				s.fleet.SetCounts("default", *web, berth.TopologyHost, counts)
			}
			for i := range told {
				counted(basisMostRelated / 40)
				s.decides(berth.RequestID(fmt.Sprint("few", i)), spreadOver(berth.TopologyHost))
			}
			if len(p.record.Relations) != told {
				t.Fatalf("told %d", len(p.record.Relations))
			}
			counted(basisMostRelated / 10)
			for i := range 3 {
				s.decides(berth.RequestID(fmt.Sprint("r", i)), spreadOver(berth.TopologyHost))
			}
			if b := p.record; b.Partial || len(b.Relations) > 0 || len(b.Steps) != 3+told {
				t.Errorf("the basis is %+v", b)
			}
		})
	}
}
