package snapshot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// What is kept for a group that does not fit, and who is told to stop for one, when much happens at once.
func TestForecast_GroupsAndOthers(t *testing.T) {
	t.Parallel()
	above := func(n int) (out []berth.Request) { // groups that nobody can make room for
		for i := range n {
			out = append(out, pressing(fmt.Sprint("big", i), 4000, 2, 2, 7))
		}
		return out
	}
	high := func(s *store) { s.runs("low", 2500, "w1", 0); s.runs("high", 4000, "w2", 9) }
	two := func(s *store) { s.runs("low", 3000, "w1", 0); s.runs("other", 3000, "w2", 9) }
	for _, tt := range []struct {
		name   string
		build  func(*store)
		change snapshot.Change
		want   []string
	}{
		{
			"what comes free is kept for a group that nobody makes room for", two,
			snapshot.Change{Requests: []berth.Request{urgent("hot", 2000, 5), group("g", 1500, 3, 3), request("small", 1500)}},
			[]string{
				"hot new: w1 after [low]", "small new: waits for cpu_milli ", "g.0 new: waits for group ", "g.1 new: waits for group ", "g.2 new: waits for group ",
				"low stopped from w1 for hot: waits for cpu_milli ",
			},
		},
		{
			"and is anybody's where no group waits", two,
			snapshot.Change{Requests: []berth.Request{urgent("hot", 2000, 5), request("small", 1500)}},
			[]string{"hot new: w1 after [low]", "small new: w1", "low stopped from w1 for hot: waits for cpu_milli "},
		},
		{
			"of two that one plan placed none is the younger", func(s *store) {
				s.runs("theirs", 500, "w1", 9)
				s.edit("theirs", func(r *berth.Request) { r.Tenant = "red" }, func(a *berth.Allocation) { a.Tenant = "red" })
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Weight: 100})
			},
			snapshot.Change{Requests: []berth.Request{request("a", 3000), request("b", 3000), of(pressing("g", 3000, 1, 1, 5), "red")}},
			[]string{"a stopped from w2 for g: waits for cpu_milli ", "b new: w1", "g.0 new: w2 after [a]"},
		},
		{
			"who has not started ends before those who have their grace", func(s *store) {
				s.runs("old", 2500, "w2", 0)
				s.runs("young", 3000, "w1", 1)
				s.edit("young", nil, func(a *berth.Allocation) { a.State = berth.StatePlaced })
			},
			snapshot.Change{Requests: []berth.Request{urgent("hot", 4000, 5), pressing("g", 1500, 2, 1, 5)}},
			[]string{
				"hot new: w2 after [old]", "g.0 new: w1 after [young]", "g.1 new: w1",
				"young stopped from w1 for g: waits for cpu_milli ", "old stopped from w2 for hot: waits for cpu_milli ",
			},
		},
		{
			"room is sought when all have been tried", high,
			snapshot.Change{Requests: append(above(1), pressing("mid", 1500, 1, 1, 5), pressing("more", 1500, 1, 1, 5))},
			[]string{
				"big0.0 new: waits for group ", "big0.1 new: waits for group ", "mid.0 new: w1", "more.0 new: w1 after [low]",
				"low stopped from w1 for more: waits for cpu_milli ",
			},
		},
		{
			"and so where none is placed", high,
			snapshot.Change{Requests: append(above(1), pressing("more", 2000, 1, 1, 5))},
			[]string{"big0.0 new: waits for group ", "big0.1 new: waits for group ", "more.0 new: w1 after [low]", "low stopped from w1 for more: waits for cpu_milli "},
		},
		{
			"room is sought for no more groups than a daemon seeks it for", high,
			snapshot.Change{Requests: append(above(8), pressing("more", 2000, 1, 1, 5))},
			append(strings.Split(strings.Repeat("big# new: waits for group \n", 16), "\n")[:16], "more.0 new: waits for group "),
		},
		{
			"a group that leaves its workers goes before what is younger", func(s *store) {
				s.runs("low", 2500, "w2", 0)
				s.placedGroup("g", 1500, "w1", "w2")
				s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 1, Attempt: 1, State: berth.GroupPlaced})
			},
			snapshot.Change{Drain: []berth.WorkerID{"w1"}, Requests: []berth.Request{urgent("hot", 2000, 5), request("small", 1500)}},
			[]string{"hot new: w2 after [low]", "g.0 moved from w1: w2", "g.1 moved from w2: waits for cpu_milli ", "small new: waits for cpu_milli ", "low stopped from w2 for hot: waits for cpu_milli "},
		},
		{
			"what a drain makes useless is given up", keptOf(4000),
			snapshot.Change{Drain: []berth.WorkerID{"w2"}},
			[]string{"long moved from w2: waits for constraint disk", "small waiting: w1", "small2 waiting: w1", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"and so by a cordon", keptOf(4000),
			snapshot.Change{Cordon: []berth.WorkerID{"w2"}},
			[]string{"small waiting: w1", "small2 waiting: w1", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"where another worker can take its place, that is kept instead", func(s *store) { keptOf(4000)(s); s.worker("w3", 4000, berth.Intent{}); s.runs("there", 4000, "w3", 0) },
			snapshot.Change{Drain: []berth.WorkerID{"w2"}},
			[]string{"long moved from w2: waits for constraint disk", "small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"and what is of use stays kept", keptOf(4000),
			snapshot.Change{},
			[]string{"small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"it is given up for who goes first by priority", keptOf(4000),
			snapshot.Change{Requests: []berth.Request{first(request("first", 2000))}},
			[]string{"first new: w1", "small waiting: w1", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"but not for a group that could never be placed", keptOf(4000),
			snapshot.Change{Requests: []berth.Request{first(group("h", 2000, 9, 9))}},
			append(nines("h"), "small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "),
		},
		{
			"nor for one for which nothing can be kept", func(s *store) { keptOf(4000)(s); s.worker("w3", 20_000, berth.Intent{Cordon: true}) },
			snapshot.Change{Requests: []berth.Request{first(group("h", 2000, 9, 9))}},
			append(nines("h"), "small waiting: waits for cordoned ", "small2 waiting: waits for cordoned ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "),
		},
		{
			"or for a tenant with less", keptOf(4000),
			snapshot.Change{Requests: []berth.Request{of(request("first", 3000), "red")}},
			[]string{"first new: w1", "small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
		{
			"and where those who would make room there are kept off", func(s *store) { keptOf(4000)(s); s.runs("low", 1000, "w1", 0) },
			snapshot.Change{Requests: []berth.Request{urgent("first", 4000, 5)}},
			[]string{
				"first new: w1 after [low]", "small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ",
				"g.0 waiting: waits for group ", "g.1 waiting: waits for group ", "low stopped from w1 for first: waits for cpu_milli ",
			},
		},
		{
			"of room that others make, too, and before they have ended", func(s *store) {
				standingRoom(s)
				s.submit("mine", 4000, "") // low is the older one, and its turn came when it has ended
				s.submit("theirs", 4000, "")
				s.edit("theirs", func(r *berth.Request) { r.Tenant = "red" }, nil)
			},
			snapshot.Change{Cordon: []berth.WorkerID{"w2"}},
			[]string{
				"theirs waiting: w1", "g.0 waiting: waits for group ", "g.1 waiting: waits for group ", "mine waiting: waits for cordoned ",
				"low stopped from w2 for g: waits for cordoned ",
			},
		},
		{
			"not while others make room for the group", standingRoom,
			snapshot.Change{Requests: []berth.Request{first(request("first", 2000))}},
			[]string{"first new: waits for cpu_milli ", "g.0 waiting: w1 after [low]", "g.1 waiting: w2", "low stopped from w2 for g: waits for cpu_milli "},
		},
		{
			"nor for what would find no room there either", keptOf(4000),
			snapshot.Change{Requests: []berth.Request{first(request("first", 5000))}},
			[]string{"first new: waits for cpu_milli ", "small waiting: waits for cpu_milli ", "small2 waiting: waits for cpu_milli ", "g.0 waiting: waits for group ", "g.1 waiting: waits for group "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 4000, berth.Intent{})
			tt.build(s)
			outcomes, err := s.taken().Forecast(&tt.change)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range outcomes {
				one := text(&outcomes[i])
				if id, rest, _ := strings.Cut(one, " "); strings.HasPrefix(id, "big") && len(outcomes) > 8 {
					one = "big# " + rest
				}
				got = append(got, one)
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// keptOf is a group for which two workers are kept, of which it has one, and two small requests that wait.
func keptOf(cpu int64) func(*store) {
	return func(s *store) {
		s.runs("long", cpu, "w2", 9)
		s.edit("long", func(r *berth.Request) {
			r.Constraints = []berth.Constraint{{Label: "disk", Operator: berth.OperatorExists}} // it finds no other place
		}, nil)
		s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPending})
		for _, m := range []string{"g.0", "g.1"} {
			s.submit(m, 3000, "")
			s.edit(m, func(r *berth.Request) { r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 2} }, nil)
		}
		var workers []berth.KeptWorker
		for _, w := range []berth.WorkerID{"w1", "w2"} {
			workers = append(workers, berth.KeptWorker{Worker: w, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 3000}}})
		}
		s.put(berth.KindKeep, "", string(berth.DefaultPool), &berth.Keep{Group: "g", Workers: workers})
		s.submit("small", 2000, "")
		s.submit("small2", 1500, "")
	}
}

// nines are nine members of a group that waits.
func nines(group string) (out []string) {
	for i := range 9 {
		out = append(out, fmt.Sprintf("%s.%d new: waits for group ", group, i))
	}
	return out
}

// first is a request that goes before others of its tenant.
func first(r berth.Request) berth.Request {
	r.Priority = 9
	return r
}

// What was kept for a group of no members, which no program of ours writes, is told of, or refused, as any other.
func TestForecast_GroupOfNone(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w", 4000, berth.Intent{})
	s.put(berth.KindGroup, "", "g", &berth.Group{Attempt: 1, State: berth.GroupPending})
	at := time.Unix(1, 0)
	s.put(berth.KindKeep, "", "default", &berth.Keep{Group: "g", Since: at, Chosen: at, MadeRoom: at, Workers: []berth.KeptWorker{{Worker: "w"}}})
	out, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{request("r", 100)}})
	if err != nil || len(out) != 1 || out[0].Worker != "w" {
		t.Errorf("%+v, %v", out, err)
	}
}
