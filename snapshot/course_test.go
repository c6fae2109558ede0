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

// edit changes what is placed of a request, and its request.
func (s *store) edit(id string, spec func(*berth.Request), allocation func(*berth.Allocation)) {
	for i, f := range s.facts {
		switch r := f.Record.(type) {
		case *berth.Submission:
			if f.Key.ID == id && spec != nil {
				next := *r
				spec(&next.Spec)
				s.facts[i].Record = &next
			}
		case *berth.Allocation:
			if f.Key.ID == id && allocation != nil {
				allocation(r)
			}
		}
	}
}

// runs adds a request that runs on a worker, of a priority.
func (s *store) runs(id string, cpu int64, on string, priority int32) {
	s.submit(id, cpu, on)
	s.edit(id, func(r *berth.Request) { r.Priority = priority }, func(a *berth.Allocation) { a.Stop, a.PlacedAt = nil, time.Unix(int64(s.rev), 0) })
}

func urgent(id string, cpu int64, priority int32) berth.Request {
	r := request(id, cpu)
	r.Priority, r.Preemption = priority, berth.PreemptionLower
	return r
}

// roomForGroup has one make room on w1 for the only member that is left of a group of a size, which is to be apart from its like.
func (s *store) roomForGroup(member string, size int64) {
	for i, w := range []string{"w2", "w2", "w1", "w1"} {
		s.runs(fmt.Sprint("low", i), 2000, w, 0)
	}
	s.edit("low2", nil, func(a *berth.Allocation) {
		a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: time.Unix(5, 0)}
	})
	s.submit(member, 2000, "")
	s.edit(member, func(r *berth.Request) {
		r.Labels, r.Group = apart("").Labels, &berth.Membership{ID: "g", Size: size, MinCount: size}
	}, nil)
	s.put(berth.KindGroup, "", "g", &berth.Group{Size: size, MinCount: size, Attempt: 1, State: berth.GroupPending})
	kept := berth.KeptWorker{Worker: "w1", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 2000}}}
	s.put(berth.KindKeep, "", "default", &berth.Keep{Group: "g", Since: time.Unix(1, 0), Chosen: time.Unix(1, 0), MadeRoom: time.Unix(1, 0), Workers: []berth.KeptWorker{kept}})
}

// apart has others make room, and is apart from its like.
func apart(id string) berth.Request {
	r := urgent(id, 2000, 9)
	of := berth.RequestLabel{Label: "app", Value: "web"}
	r.Labels, r.AntiAffinity = map[string]string{"app": "web"}, []berth.Affinity{{Requests: &of, Topology: berth.TopologyHost}}
	return r
}

func group(id string, cpu, size, least int64) berth.Request {
	r := request(id, cpu)
	r.Group = &berth.Membership{Size: size, MinCount: least}
	return r.Normalize()
}

// typed is a group that asks for a device of one of these types for each.
func typed(id string, size, least int64, types ...string) berth.Request {
	r := group(id, 100, size, least)
	r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: types}}
	return r
}

// either asks for a device of either type, and for one of a type.
func either(id, of string) berth.Request {
	r := request(id, 100)
	r.Resources.Devices = []berth.DeviceDemand{
		{Count: 1, Milli: berth.WholeDevice, Types: []string{"h100", "a100"}}, {Count: 1, Milli: berth.WholeDevice, Types: []string{of}},
	}
	return r
}

// twice is a group that asks for half a device and for a whole one for each.
func twice(id string, size int64) berth.Request {
	r := typed(id, size, size, "h100", "a100")
	half := r.Resources.Devices[0]
	half.Milli = berth.WholeDevice / 2
	r.Resources.Devices = append(r.Resources.Devices, half)
	return r
}

// linked is a group that asks for a device of each, all linked.
func linked(id string, size, least int64) berth.Request {
	r := group(id, 100, size, least)
	r.Group.Linked = true
	r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice}}
	return r
}

// links gives a worker devices of these link domains, its own.
func (s *store) links(w string, domains ...string) {
	var devices []berth.Device
	for i, local := range domains {
		devices = append(devices, berth.Device{Name: fmt.Sprint("g", i), Type: "h100", Link: berth.LinkOf(berth.WorkerID(w), local)})
	}
	s.has(w, devices)
}

// has gives a worker those devices.
func (s *store) has(w string, devices []berth.Device) {
	for _, f := range s.facts {
		switch r := f.Record.(type) {
		case *berth.Worker:
			if f.Key.ID == w {
				r.Capacity.Devices = devices
			}
		case *berth.Ledger:
			if f.Key.ID == w {
				r.Capacity.Devices = devices
			}
		}
	}
}

func text(o *snapshot.Outcome) string {
	text := fmt.Sprintf("%s %s", o.Request, o.Kind)
	if o.From != "" {
		text += " from " + string(o.From)
	}
	if o.For != "" {
		text += " for " + string(o.For)
	}
	if o.Verdict != nil {
		return text + ": waits for " + string(o.Verdict.Reasons[0].Code) + " " + o.Verdict.Reasons[0].Detail
	}
	text += ": " + string(o.Worker)
	if len(o.Victims) > 0 {
		text += fmt.Sprint(" after ", o.Victims)
	}
	return text
}

// What a tenant has lent comes back when what uses it ends, so what is beyond that waits for it; what is beyond the
// limit could never be placed. A file of the snapshot tells the same.
func TestForecast_Loan(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 64000, berth.Intent{})
	cpu := func(n int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: n} }
	s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: cpu(16000), Guaranteed: cpu(8000), Lent: berth.Loans{"red": cpu(8000)}}}})
	s.put(berth.KindTenant, "", "red", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: cpu(16000), Guaranteed: cpu(8000), Borrowed: berth.Loans{"default": cpu(8000)}}}})
	s.runs("uses", 16000, "w1", 0)
	s.edit("uses", func(r *berth.Request) { r.Tenant = "red" }, func(a *berth.Allocation) { a.Tenant = "red" })
	read, err := snapshot.Read(bytes.NewReader(s.written(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &berth.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Lent: 8000, Borrowers: []berth.TenantID{"red"}}
	for _, of := range []*snapshot.Snapshot{s.taken(), read} {
		outcomes, err := of.Forecast(&snapshot.Change{Requests: []berth.Request{request("a", 2000), request("b", 17000)}})
		if err != nil || len(outcomes) != 2 {
			t.Fatal(outcomes, err)
		}
		for i, never := range []bool{false, true} {
			v := outcomes[i].Verdict
			if v == nil || v.NeverFits != never || v.Reasons[0].Total != 16000 || v.Reasons[0].Best != 0 {
				t.Fatalf("%s: %+v", outcomes[i].Request, v)
			}
			if diff := cmp.Diff(want, v.Reasons[0].Stands); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// Groups go whole; quotas are kept to; who must makes room, and waits again.
func TestForecast_Course(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		build  func(*store)
		change snapshot.Change
		want   []string
	}{
		{
			"a group has its places", func(*store) {},
			snapshot.Change{Requests: []berth.Request{group("g", 3000, 2, 2)}},
			[]string{"g.0 new: w1", "g.1 new: w2"},
		},
		{
			"or none of them", func(*store) {},
			snapshot.Change{Requests: []berth.Request{group("g", 3000, 3, 3)}},
			[]string{"g.0 new: waits for group ", "g.1 new: waits for group ", "g.2 new: waits for group "},
		},
		{
			"the least that it needs, and the rest waits by itself", func(*store) {},
			snapshot.Change{Requests: []berth.Request{group("g", 3000, 3, 2)}},
			[]string{"g.0 new: w1", "g.1 new: w2", "g.2 new: waits for cpu_milli "},
		},
		{
			"a linked group is in one link domain, and who follows in the same",
			func(s *store) { s.links("w1", "x", "x"); s.links("w2", "y", "y") },
			snapshot.Change{Requests: []berth.Request{linked("g", 3, 2)}, Add: []snapshot.Addition{{Count: 1, Like: "w1"}}},
			[]string{"g.0 new: new-1", "g.1 new: new-1", "g.2 new: waits for devices any in link domain new-1.x"},
		},
		{
			"as it has one that it is in already",
			func(s *store) {
				s.links("w1", "x", "x")
				s.links("w2", "y", "y", "y")
				s.runs("g.0", 100, "w1", 0)
				s.submit("g.1", 100, "")
				g := linked("g", 2, 1)
				for _, m := range g.Members() {
					s.edit(string(m.ID), func(r *berth.Request) { *r = m }, func(a *berth.Allocation) { a.Group, a.GroupAttempt = "g", 1 })
				}
				s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 1, Attempt: 1, State: berth.GroupPlaced, Link: "w1.x"})
			},
			snapshot.Change{},
			[]string{"g.1 waiting: w1"},
		},
		{
			"what is beyond a quota waits for that", func(s *store) {
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DimensionCPU: 3500}}}})
				s.runs("old", 2000, "w1", 0)
			},
			snapshot.Change{Requests: []berth.Request{request("a", 1000), request("b", 1000), group("g", 250, 3, 2)}},
			[]string{"a new: w2", "b new: waits for quota cpu_milli", "g.0 new: w2", "g.1 new: w2", "g.2 new: waits for quota cpu_milli"},
		},
		{
			"fewer of a group have a type that a quota has too little of for all", func(s *store) {
				s.links("w1", "x", "x")
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DeviceDimension("h100"): 1000}}}})
			},
			snapshot.Change{Requests: []berth.Request{typed("g", 4, 1, "h100", "a100")}},
			[]string{"g.0 new: w1", "g.1 new: waits for devices a100", "g.2 new: waits for devices a100", "g.3 new: waits for devices a100"},
		},
		{
			"a group gets devices of two types where its quota has enough of neither for all", func(s *store) {
				s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "a100"}, {Name: "g3", Type: "a100"}})
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
					Limits: berth.Amounts{berth.DeviceDimension("h100"): 2000, berth.DeviceDimension("a100"): 1000},
				}}})
			},
			snapshot.Change{Requests: []berth.Request{typed("g", 3, 3, "h100", "a100"), typed("h", 3, 3)}},
			[]string{
				"g.0 new: w1", "g.1 new: w1", "g.2 new: w1",
				"h.0 new: waits for quota devices.a100", "h.1 new: waits for quota devices.a100", "h.2 new: waits for quota devices.a100",
			},
		},
		{
			"a member asks for devices twice, and its quota has enough of both types together", func(s *store) {
				s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "a100"}, {Name: "g3", Type: "a100"}})
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
					Limits: berth.Amounts{berth.DeviceDimension("h100"): 1000, berth.DeviceDimension("a100"): 1000},
				}}})
			},
			snapshot.Change{Requests: []berth.Request{twice("g", 1)}},
			[]string{"g.0 new: w1"},
		},
		{
			"a request asks for devices of either type, and for one of them, and its quota has one of each", func(s *store) {
				s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "a100"}, {Name: "g3", Type: "a100"}})
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
					Limits: berth.Amounts{berth.DeviceDimension("h100"): 1000, berth.DeviceDimension("a100"): 1000},
				}}})
			},
			snapshot.Change{Requests: []berth.Request{either("one", "h100"), either("two", "h100")}},
			[]string{"one new: w1", "two new: waits for quota devices.h100"},
		},
		{
			"others make room for the choice of types that its quota has", func(s *store) {
				s.has("w1", []berth.Device{{Name: "g0", Type: "h100"}})
				s.has("w2", []berth.Device{{Name: "g0", Type: "a100"}, {Name: "g1", Type: "h100"}})
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
					Limits: berth.Amounts{berth.DeviceDimension("h100"): 1000, berth.DeviceDimension("a100"): 1000},
				}}})
				s.runs("low", 3950, "w2", 0)
			},
			snapshot.Change{Requests: []berth.Request{func() berth.Request {
				r := either("now", "h100")
				r.Priority, r.Preemption = 5, berth.PreemptionLower
				return r
			}()}},
			[]string{"now new: w2 after [low]", "low stopped from w2 for now: w1"},
		},
		{
			"the cheapest makes room, and finds none", func(s *store) {
				s.runs("low", 3000, "w1", 1)
				s.runs("lower", 3000, "w2", 0)
			},
			snapshot.Change{Requests: []berth.Request{urgent("now", 3000, 5)}},
			[]string{"now new: w2 after [lower]", "lower stopped from w2 for now: waits for cpu_milli "},
		},
		{
			"it goes elsewhere where there is room", func(s *store) {
				s.runs("low", 1000, "w1", 1)
				s.runs("lower", 1000, "w2", 0)
			},
			snapshot.Change{Requests: []berth.Request{urgent("now", 4000, 5)}},
			[]string{"now new: w2 after [lower]", "lower stopped from w2 for now: w1"},
		},
		{
			"nobody makes room beyond a quota", func(s *store) {
				s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DimensionCPU: 5000}}}})
				s.runs("low", 3000, "w1", 1)
			},
			snapshot.Change{Cordon: []berth.WorkerID{"w2"}, Requests: []berth.Request{urgent("now", 3000, 5)}},
			[]string{"now new: waits for quota cpu_milli"},
		},
		{
			"a group makes room whole", func(s *store) {
				s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPlaced})
				for i, w := range []string{"w1", "w2"} {
					id := fmt.Sprint("g.", i)
					s.runs(id, 3000, w, 0)
					s.edit(id, func(r *berth.Request) { r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 2} }, func(a *berth.Allocation) { a.Group, a.GroupAttempt = "g", 1 })
				}
			},
			snapshot.Change{Requests: []berth.Request{urgent("now", 3000, 5)}},
			[]string{"now new: w2 after [g.0 g.1]", "g.0 stopped from w1 for now: waits for group ", "g.1 stopped from w2 for now: waits for group "},
		},
		{
			"others make room for two that are to be apart on two workers", func(s *store) {
				for i, w := range []string{"w1", "w1", "w2", "w2"} {
					s.runs(fmt.Sprint("low", i), 2000, w, 0)
				}
			},
			snapshot.Change{Requests: []berth.Request{apart("a"), apart("b")}},
			[]string{
				"a new: w2 after [low3]", "b new: w1 after [low1]",
				"low1 stopped from w1 for b: waits for cpu_milli ", "low3 stopped from w2 for a: waits for cpu_milli ",
			},
		},
		{
			"and for one that is to be apart from a group for which they do already, elsewhere", func(s *store) { s.roomForGroup("g.0", 1) },
			snapshot.Change{Requests: []berth.Request{apart("a")}},
			[]string{
				"a new: w2 after [low1]", "g.0 waiting: w1 after [low2]",
				"low1 stopped from w2 for a: waits for cpu_milli ", "low2 stopped from w1 for g: waits for cpu_milli ",
			},
		},
		{
			"also where its first member has ended well", func(s *store) { s.roomForGroup("g.1", 2) },
			snapshot.Change{Requests: []berth.Request{apart("a")}},
			[]string{
				"a new: w2 after [low1]", "g.1 waiting: w1 after [low2]",
				"low1 stopped from w2 for a: waits for cpu_milli ", "low2 stopped from w1 for g: waits for cpu_milli ",
			},
		},
		{
			"and moves whole", func(s *store) {
				s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPlaced})
				for i, w := range []string{"w1", "w2"} {
					id := fmt.Sprint("g.", i)
					s.runs(id, 2000, w, 0)
					s.edit(id, func(r *berth.Request) { r.Group = &berth.Membership{ID: "g", Size: 2, MinCount: 2} }, func(a *berth.Allocation) { a.Group, a.GroupAttempt = "g", 1 })
				}
			},
			snapshot.Change{Drain: []berth.WorkerID{"w1"}},
			[]string{"g.0 moved from w1: w2", "g.1 moved from w2: w2"},
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
