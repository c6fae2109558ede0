package snapshot_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

func pressing(id string, cpu, size, least int64, priority int32) berth.Request {
	r := group(id, cpu, size, least)
	r.Priority, r.Preemption = priority, berth.PreemptionLower
	return r
}

// pressed is one for which others make room.
func pressed(r berth.Request) berth.Request {
	r.Priority, r.Preemption = 5, berth.PreemptionLower
	return r
}

// brief waits for ten seconds.
func brief(r berth.Request) berth.Request {
	r.PendingLimitMS = 10_000
	return r
}

// placedGroup adds a group whose members run on these workers, one on each.
func (s *store) placedGroup(id string, cpu int64, on ...string) {
	size := int64(len(on))
	s.put(berth.KindGroup, "", id, &berth.Group{Size: size, MinCount: size, Attempt: 1, State: berth.GroupPlaced})
	for i, w := range on {
		m := fmt.Sprint(id, ".", i)
		s.runs(m, cpu, w, 0)
		s.edit(m, func(r *berth.Request) {
			r.Group = &berth.Membership{ID: berth.GroupID(id), Size: size, MinCount: size}
		}, func(a *berth.Allocation) { a.Group, a.GroupAttempt = berth.GroupID(id), 1 })
	}
}

// followed is a group with a member on each worker and one that is to follow, beside what a tenant runs
// that waits for more.
func followed(s *store) {
	red := func(r *berth.Request) { r.Tenant, r.Priority = "red", 9 }
	for _, w := range []string{"w1", "w2"} {
		s.runs("red-"+w, 1000, w, 9)
		s.edit("red-"+w, red, func(a *berth.Allocation) { a.Tenant = "red" })
	}
	s.placedGroup("h", 3000, "w1", "w2")
	s.submit("h.2", 3000, "")
	for _, m := range []string{"h.0", "h.1", "h.2"} {
		s.edit(m, func(r *berth.Request) { r.Group = &berth.Membership{ID: "h", Size: 3, MinCount: 1} }, nil)
	}
	s.put(berth.KindGroup, "", "h", &berth.Group{Size: 3, MinCount: 1, Attempt: 1, State: berth.GroupPlaced})
	s.submit("one", 3000, "")
	s.edit("one", func(r *berth.Request) { r.Tenant = "red" }, nil)
}

// madeRoom is a group that waits, whose former attempt ended for that; its member had to make room once.
func madeRoom(s *store, last berth.EndReason) {
	s.runs("low", 3000, "w1", 1)
	s.runs("high", 3000, "w2", 9)
	s.submit("g.0", 2000, "")
	g := pressing("g", 2000, 1, 1, 5)
	s.edit("g.0", func(r *berth.Request) { *r = g.Members()[0] }, nil)
	s.put(berth.KindState, "", "g.0", &berth.Progress{State: berth.StatePending, Attempt: 2, LastEnd: berth.EndPreempted})
	s.put(berth.KindGroup, "", "g", &berth.Group{Size: 1, MinCount: 1, Attempt: 3, State: berth.GroupPending, LastEnd: last})
}

// ranAgain is one on w1 that may have others make room, and had to itself before it ran there; lower runs on w2.
func ranAgain(s *store, group bool) {
	s.runs("low", 3000, "w2", 0)
	id, edit := "r", func(r *berth.Request) { r.Priority, r.Preemption = 5, berth.PreemptionLower }
	if group {
		id = "g.0"
		s.placedGroup("g", 3000, "w1")
	} else {
		s.runs(id, 3000, "w1", 5)
	}
	s.edit(id, edit, nil)
	for _, f := range s.facts {
		switch r := f.Record.(type) {
		case *berth.Progress:
			if f.Key.ID == id {
				r.LastEnd = berth.EndPreempted
			}
		case *berth.Group:
			r.LastEnd = berth.EndPreempted
		}
	}
}

// standingRoom is a group that waits, and for which the only one on w2 was told to stop.
func standingRoom(s *store) {
	s.runs("low", 3000, "w2", 0)
	s.edit("low", nil, func(a *berth.Allocation) {
		a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: time.Unix(5, 0)}
	})
	g := pressing("g", 3000, 2, 2, 5)
	for _, m := range g.Members() {
		s.submit(string(m.ID), 3000, "")
		s.edit(string(m.ID), func(r *berth.Request) { *r = m }, nil)
	}
	s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPending})
	kept := func(w berth.WorkerID) berth.KeptWorker {
		return berth.KeptWorker{Worker: w, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 3000}}}
	}
	at := time.Unix(1, 0)
	s.put(berth.KindKeep, "", "default", &berth.Keep{Group: "g", Since: at, Chosen: at, MadeRoom: at, Workers: []berth.KeptWorker{kept("w1"), kept("w2")}})
}

// A group of preemption lower has others make room, and is placed when they have ended.
func TestForecast_GroupMakesRoom(t *testing.T) {
	t.Parallel()
	two := func(s *store) { s.runs("low", 3000, "w1", 1); s.runs("lower", 2000, "w2", 0) }
	for _, tt := range []struct {
		name   string
		build  func(*store)
		change snapshot.Change
		want   []string
	}{
		{
			"on as many workers as it needs", two,
			snapshot.Change{Requests: []berth.Request{pressing("g", 3000, 2, 2, 5)}},
			[]string{"g.0 new: w1 after [low lower]", "g.1 new: w2", "low stopped from w1 for g: waits for cpu_milli ", "lower stopped from w2 for g: waits for cpu_milli "},
		},
		{
			"no more than that, and who follows stops nobody", two,
			snapshot.Change{Requests: []berth.Request{pressing("g", 3000, 2, 1, 5)}},
			[]string{"g.0 new: w2 after [lower]", "g.1 new: waits for cpu_milli ", "lower stopped from w2 for g: waits for cpu_milli "},
		},
		{
			"with another worker nobody has to", two,
			snapshot.Change{Add: []snapshot.Addition{{Count: 2, Like: "w1"}}, Requests: []berth.Request{pressing("g", 3000, 2, 2, 5)}},
			[]string{"g.0 new: new-1", "g.1 new: new-2"},
		},
		{
			"nobody where it would not do", two,
			snapshot.Change{Cordon: []berth.WorkerID{"w2"}, Requests: []berth.Request{pressing("g", 3000, 2, 2, 5)}},
			[]string{"g.0 new: waits for group ", "g.1 new: waits for group "},
		},
		{
			"again, when it has run since it had to itself", func(s *store) { madeRoom(s, berth.EndExited) },
			snapshot.Change{},
			[]string{"g.0 waiting: w1 after [low]", "low stopped from w1 for g: waits for cpu_milli "},
		},
		{
			"where it is drained, too", func(s *store) { ranAgain(s, true) },
			snapshot.Change{Drain: []berth.WorkerID{"w1"}},
			[]string{"g.0 moved from w1: w2 after [low]", "low stopped from w2 for g: waits for cpu_milli "},
		},
		{
			"so has a request", func(s *store) { ranAgain(s, false) },
			snapshot.Change{Drain: []berth.WorkerID{"w1"}},
			[]string{"r moved from w1: w2 after [low]", "low stopped from w2 for r: waits for cpu_milli "},
		},
		{
			"neither has one that is told to make room yet", func(s *store) {
				ranAgain(s, false)
				s.edit("r", nil, func(a *berth.Allocation) {
					a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: time.Unix(5, 0)}
				})
			},
			snapshot.Change{Drain: []berth.WorkerID{"w1"}},
			[]string{"r moved from w1: waits for cpu_milli "},
		},
		{
			"nobody before that", func(s *store) { madeRoom(s, berth.EndPreempted) },
			snapshot.Change{},
			[]string{"g.0 waiting: waits for group "},
		},
		{
			"nor by a record that does not tell", func(s *store) { madeRoom(s, "") },
			snapshot.Change{},
			[]string{"g.0 waiting: waits for group "},
		},
		{
			"nobody who may end only when it has expired", func(s *store) {
				two(s)
				s.edit("lower", func(r *berth.Request) { r.StopTimeoutMS = 60_000 }, nil)
			},
			snapshot.Change{Requests: []berth.Request{brief(pressing("g", 3000, 2, 2, 5))}},
			[]string{"g.0 new: waits for group ", "g.1 new: waits for group "},
		},
		{
			"nor for a request, and the others do", func(s *store) {
				two(s)
				s.edit("lower", func(r *berth.Request) { r.StopTimeoutMS = 60_000 }, nil)
			},
			snapshot.Change{Requests: []berth.Request{brief(urgent("now", 3000, 5))}},
			[]string{"now new: w1 after [low]", "low stopped from w1 for now: waits for cpu_milli "},
		},
		{
			"nobody who matters as much", func(s *store) { s.runs("as-much", 3000, "w1", 5) },
			snapshot.Change{Requests: []berth.Request{pressing("g", 3000, 2, 2, 5)}},
			[]string{"g.0 new: waits for group ", "g.1 new: waits for group "},
		},
		{
			"nobody beyond a quota", func(s *store) {
				two(s)
				s.put(berth.KindTenant, "", "vision", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DimensionCPU: 5000}}}})
			},
			snapshot.Change{Requests: []berth.Request{of(pressing("g", 3000, 2, 2, 5), "vision")}},
			[]string{"g.0 new: waits for quota cpu_milli", "g.1 new: waits for quota cpu_milli"},
		},
		{
			"a group whole, which stops nobody itself", func(s *store) {
				s.placedGroup("h", 3000, "w1", "w2")
				s.edit("h.0", func(r *berth.Request) { r.Preemption = berth.PreemptionLower }, nil)
			},
			snapshot.Change{Requests: []berth.Request{pressing("g", 3000, 1, 1, 5)}},
			[]string{"g.0 new: w1 after [h.0 h.1]", "h.0 stopped from w1 for g: waits for group ", "h.1 stopped from w2 for g: waits for group "},
		},
		{
			"the more important of two first, and what it has is not the other's", func(s *store) { two(s) },
			snapshot.Change{Requests: []berth.Request{pressing("a", 3000, 1, 1, 5), pressing("b", 3000, 2, 2, 6)}},
			[]string{"b.0 new: w2 after [low lower]", "b.1 new: w1", "a.0 new: waits for group ", "low stopped from w1 for b: waits for cpu_milli ", "lower stopped from w2 for b: waits for cpu_milli "},
		},
		{
			"who was to follow a group that makes room waits with it, and has no turn of its own", followed,
			snapshot.Change{Requests: []berth.Request{of(pressing("g", 3000, 1, 1, 5), "red")}},
			[]string{
				"g.0 new: w1 after [h.0 h.1]", "one waiting: waits for cpu_milli ", "h.2 waiting: waits for cpu_milli ",
				"h.0 stopped from w1 for g: w2", "h.1 stopped from w2 for g: waits for cpu_milli ",
			},
		},
		{
			"for one behind others for which nobody can", func(s *store) { s.runs("low", 3000, "w1", 1); s.runs("high", 3000, "w2", 9) },
			snapshot.Change{Requests: append(inVain(7), pressing("last", 3000, 1, 1, 4))},
			append(waiting(7), "last.0 new: w1 after [low]", "low stopped from w1 for last: waits for cpu_milli "),
		},
		{
			"for members of two types of devices, where its quota has enough of neither for all", func(s *store) {
				s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "h100"}, {Name: "g3", Type: "a100"}, {Name: "g4", Type: "a100"}})
				s.runs("low", 4000, "w1", 1)
				s.put(berth.KindTenant, "", "vision", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
					Limits: berth.Amounts{berth.DeviceDimension("h100"): 1000, berth.DeviceDimension("a100"): 3000},
				}}})
			},
			snapshot.Change{Requests: []berth.Request{pressed(of(typed("g", 3, 3, "h100", "a100"), "vision"))}},
			[]string{"g.0 new: w1 after [low]", "g.1 new: w1", "g.2 new: w1", "low stopped from w1 for g: w2"},
		},
		{
			"those who were told already end, and no others", standingRoom,
			snapshot.Change{},
			[]string{"g.0 waiting: w1 after [low]", "g.1 waiting: w2", "low stopped from w2 for g: waits for cpu_milli "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 4000, berth.Intent{})
			tt.build(s)
			read, err := snapshot.Read(bytes.NewReader(s.written(t)), nil)
			if err != nil {
				t.Fatal(err)
			}
			for of, s := range map[string]*snapshot.Snapshot{"store": s.taken(), "file": read} {
				outcomes, err := s.Forecast(&tt.change)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for i := range outcomes {
					got = append(got, text(&outcomes[i]))
				}
				if diff := cmp.Diff(strings.Join(tt.want, "\n"), strings.Join(got, "\n")); diff != "" {
					t.Errorf("of the %s (-want +got):\n%s", of, diff)
				}
			}
		})
	}
}

// inVain are n groups for which nobody can make room on two workers, one of which is full of what matters more.
func inVain(n int) (all []berth.Request) {
	for i := range n {
		all = append(all, pressing(fmt.Sprint("g", i), 3000, 2, 2, 5))
	}
	return all
}

// waiting are they, as a plan tells of them.
func waiting(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("g%d.0 new: waits for group ", i), fmt.Sprintf("g%d.1 new: waits for group ", i))
	}
	return all
}

func of(r berth.Request, tenant berth.TenantID) berth.Request {
	r.Tenant = tenant
	return r
}
