package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// covered is a worker on which what is kept is taken: as far as it is free.
func covered(w scheduler.Worker, kept *berth.Share) scheduler.Worker {
	if kept == nil {
		return w
	}
	l := &w.Ledger
	up := func(reserved, kept, held, capacity int64) int64 {
		return max(reserved, min(reserved+kept, capacity-held))
	}
	r, k, h, c := l.Reserved.Quantities, kept.Quantities, l.Held.Quantities, l.Capacity.Quantities
	q := berth.Quantities{
		CPUMilli:    up(r.CPUMilli, k.CPUMilli, h.CPUMilli, c.CPUMilli),
		MemoryBytes: up(r.MemoryBytes, k.MemoryBytes, h.MemoryBytes, c.MemoryBytes),
		DiskBytes:   up(r.DiskBytes, k.DiskBytes, h.DiskBytes, c.DiskBytes),
	}
	for name, all := range c.Custom {
		if v := up(r.Custom[name], k.Custom[name], h.Custom[name], all); v > 0 {
			if q.Custom == nil {
				q.Custom = map[string]int64{}
			}
			q.Custom[name] = v
		}
	}
	out := berth.Share{Quantities: q}
	out.Ports = slices.Compact(slices.Sorted(slices.Values(slices.Concat(l.Reserved.Ports, kept.Ports))))
	out.Ports = slices.DeleteFunc(out.Ports, func(p int32) bool { return !l.Capacity.Ports.Holds(p) })
	for _, d := range l.Capacity.Devices {
		milli := int64(0)
		for _, s := range slices.Concat(l.Reserved.Devices, kept.Devices) {
			if s.Name == d.Name {
				milli = min(milli+s.Milli, berth.WholeDevice)
			}
		}
		if milli > 0 {
			out.Devices = append(out.Devices, berth.DeviceShare{Name: d.Name, Milli: milli})
		}
	}
	l.Reserved = out
	return w
}

// keepCase is a fleet on which something is kept for a group.
type keepCase struct {
	f    *scheduler.Fleet
	ids  []berth.WorkerID
	kept map[berth.WorkerID]*berth.Share
	by   int64 // s; 0: not known
	gang scheduler.Gang
}

const keepClock = 1_000_000 // s

// genKeep draws one: what would be kept for a group; or anything, where nothing would.
func genKeep(t *rapid.T) *keepCase {
	c := &keepCase{f: scheduler.NewFleet(), kept: make(map[berth.WorkerID]*berth.Share)}
	for _, w := range genWorkers(t) {
		c.f.Put(w)
		c.ids = append(c.ids, w.ID)
	}
	stays := make(map[berth.WorkerID][]scheduler.Stay)
	for i := range rapid.IntRange(0, 8).Draw(t, "there") {
		if d := c.f.Place(ask(genRequest(t, fmt.Sprintf("there%d", i)))); d.Verdict == nil {
			s := scheduler.Stay{Share: &d.Share, Age: rapid.Int64Range(0, 100_000).Draw(t, "age")}
			if s.Ends = rapid.Bool().Draw(t, "ends"); s.Ends {
				s.Left = rapid.Int64Range(0, 100_000).Draw(t, "left")
			}
			stays[d.Worker] = append(stays[d.Worker], s)
		}
	}
	r := genMember(t)
	size := rapid.IntRange(1, 4).Draw(t, "size")
	r.Group = &berth.Membership{ID: "g", Size: int64(size), MinCount: int64(size)}
	c.gang = gangOf(r, size, size, "")
	want, ok := c.f.KeepFor(scheduler.Wanting{Gang: c.gang, Waited: rapid.Int64Range(0, 50_000).Draw(t, "waited")}, func(w berth.WorkerID) []scheduler.Stay {
		return slices.Clone(stays[w])
	})
	if !ok {
		want = genKept(t, c)
	}
	k := &berth.Keep{Group: "g", Workers: want.Workers}
	if want.Within > 0 {
		c.by = keepClock + want.Within/1000
		k.By = time.Unix(c.by, 0)
	}
	for i := range k.Workers {
		c.kept[k.Workers[i].Worker] = &k.Workers[i].Share
	}
	c.f.Keep(berth.DefaultPool, k)
	c.f.SetClock(keepClock * 1000)
	return c
}

func genKept(t *rapid.T, c *keepCase) (out scheduler.Wanted) {
	out.Within = rapid.Int64Range(0, 50).Draw(t, "within") * 1000
	for _, id := range c.ids {
		if rapid.Bool().Draw(t, "kept") {
			s := berth.Share{Quantities: berth.Quantities{CPUMilli: rapid.Int64Range(0, 4).Draw(t, "cpu"), MemoryBytes: rapid.Int64Range(0, 4).Draw(t, "memory")}}
			if rapid.Bool().Draw(t, "port") {
				s.Ports = []int32{80}
			}
			if rapid.Bool().Draw(t, "licence") {
				s.Custom = map[string]int64{"licence": 1}
			}
			if len(c.f.Worker(id).Ledger.Capacity.Devices) > 0 {
				s.Devices = []berth.DeviceShare{{Name: "g0", Milli: rapid.SampledFrom([]int64{300, 1000}).Draw(t, "of g0")}}
			}
			out.Workers = append(out.Workers, berth.KeptWorker{Worker: id, Share: s})
		}
	}
	return out
}

// A request is placed if and only if some worker takes it beside what is kept, or, where it
// ends in time, as if nothing were; and nobody takes what is kept of what is free.
func TestKeep_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genKeep(t)
		for i := range rapid.IntRange(1, 6).Draw(t, "come") {
			r := genRequest(t, fmt.Sprintf("r%d", i))
			r.AffinityKey = ""
			if rapid.Bool().Draw(t, "limited") {
				r.RunLimitMS = rapid.Int64Range(1, 60_000).Draw(t, "limit")
			}
			ends := r.RunLimitMS + r.StartTimeoutMS + r.StopTimeoutMS
			inTime := r.RunLimitMS > 0 && c.by > 0 && keepClock*1000+ends+ends/4 <= c.by*1000
			tooLate := r.RunLimitMS == 0 || c.by == 0 || keepClock*1000+ends > c.by*1000
			if !inTime && !tooLate {
				continue // how its end is rounded is the scheduler's own matter
			}
			fits := func(beside bool) bool {
				return slices.ContainsFunc(c.ids, func(id berth.WorkerID) bool {
					w := *c.f.Worker(id)
					if beside {
						w = covered(w, c.kept[id])
					}
					return bruteFits(r, w)
				})
			}
			want, was := fits(!inTime), c.before()
			d := c.f.Place(ask(r))
			if got := d.Verdict == nil; got != want {
				t.Fatalf("%+v placed: %t, want %t: %+v", r.Resources, got, want, d.Verdict)
			}
			if d.Verdict == nil && !inTime {
				c.compare(t, d, was)
			}
			if explained := c.f.Diagnose(ask(r)); d.Verdict != nil && len(explained.Verdict.Reasons) == 0 {
				t.Fatalf("not placed, and nothing is against it")
			}
		}
	})
}

// before is the workers as they are.
func (c *keepCase) before() map[berth.WorkerID]scheduler.Worker {
	out := make(map[berth.WorkerID]scheduler.Worker)
	for _, id := range c.ids {
		out[id] = *c.f.Worker(id)
	}
	return out
}

// compare demands that what was free of what is kept still is.
func (c *keepCase) compare(t *rapid.T, d scheduler.Decision, was map[berth.WorkerID]scheduler.Worker) {
	kept := c.kept[d.Worker]
	if kept == nil {
		return
	}
	left := func(w scheduler.Worker) int64 {
		l := w.Ledger
		return min(l.Capacity.CPUMilli-l.Reserved.CPUMilli-l.Held.CPUMilli, kept.CPUMilli)
	}
	if a, b := left(was[d.Worker]), left(*c.f.Worker(d.Worker)); b < a {
		t.Fatalf("%s: of %d CPU kept %d were free, and %d are", d.Worker, kept.CPUMilli, a, b)
	}
	for _, s := range d.Share.Devices {
		for _, k := range kept.Devices {
			if s.Name == k.Name && s.Milli+k.Milli > berth.WholeDevice {
				t.Fatalf("%s: %s is kept", d.Worker, s.Name)
			}
		}
	}
	for _, p := range d.Share.Ports {
		if slices.Contains(kept.Ports, p) {
			t.Fatalf("%s: port %d is kept", d.Worker, p)
		}
	}
}

// The group itself is decided as if nothing were kept, and the fleet is as before when that
// is taken back.
func TestKeep_GroupSeesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genKeep(t)
		got := c.f.PlaceGang(c.gang)
		c.f.Undo(got)
		probe := ask(genRequest(t, "probe"))
		with := c.f.Explain(probe)
		k := &berth.Keep{Group: "g"}
		for id, s := range c.kept {
			k.Workers = append(k.Workers, berth.KeptWorker{Worker: id, Share: *s})
		}
		if c.by > 0 {
			k.By = time.Unix(c.by, 0)
		}
		c.f.Keep(berth.DefaultPool, nil)
		want := c.f.PlaceGang(c.gang)
		c.f.Undo(want)
		c.f.Keep(berth.DefaultPool, k)
		if diff := cmp.Diff(want.Placed, got.Placed); diff != "" {
			t.Fatalf("the group (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(with, c.f.Explain(probe)); diff != "" {
			t.Fatalf("another (-want +got):\n%s", diff)
		}
	})
}

// Who may have what is kept for a while goes to the worker that is best by the scores, as it
// would were nothing kept, and not to the first that is: so what explain tells is what decided.
func TestKeep_BackfillByScore(t *testing.T) {
	short := request("short", 1, 0)
	short.RunLimitMS = 1000
	for strategy, want := range map[berth.Strategy]berth.WorkerID{berth.StrategySpread: "b", berth.StrategyBinpack: "a"} {
		k := &berth.Keep{Group: "g", By: time.UnixMilli(3_600_000)}
		f := scheduler.NewFleet()
		f.SetStrategy(berth.DefaultPool, strategy)
		for id, used := range map[string]int64{"a": 18, "b": 2, "c": 10} {
			w := worker(id, 20, 20)
			w.Ledger.Reserved.CPUMilli, w.Ledger.Count = used, 1
			f.Put(w)
			k.Workers = append(k.Workers, berth.KeptWorker{Worker: w.ID, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 20 - used}}})
		}
		f.Keep(berth.DefaultPool, k)
		f.SetClock(1)
		told := f.Standings(ask(short), 2)
		if d := f.Place(ask(short)); d.Worker != want || len(told) < 2 || told[0].Worker != want {
			t.Errorf("%s: on %q, want %s; told of %+v", strategy, d.Worker, want, told)
		}
	}
}

// What is kept does not depend on the order in which workers came.
func TestKeepFor_OrderOfPut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		stays := make(map[berth.WorkerID][]scheduler.Stay)
		first := fleet(workers...)
		for i := range 6 {
			if d := first.Place(ask(genRequest(t, fmt.Sprintf("there%d", i)))); d.Verdict == nil {
				stays[d.Worker] = append(stays[d.Worker], scheduler.Stay{Share: &d.Share, Age: rapid.Int64Range(0, 3).Draw(t, "age")})
			}
		}
		second := scheduler.NewFleet()
		for _, w := range rapid.Permutation(workers).Draw(t, "order") {
			second.Put(*first.Worker(w.ID))
		}
		ask := scheduler.Wanting{Gang: gangOf(genMember(t), 3, 2, "")}
		on := func(w berth.WorkerID) []scheduler.Stay { return slices.Clone(stays[w]) }
		a, okA := first.KeepFor(ask, on)
		b, okB := second.KeepFor(ask, on)
		if diff := cmp.Diff(a, b); diff != "" || okA != okB {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

// Who has others make room beside what is kept for a group has as many end as it needs, whatever the group waits for yet; what is free already, or
// comes free by itself, stays kept, and where there could not be room for both, nobody ends.
func TestPreempt_BesideWhatIsKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		runs, leaves int64 // requests of a core, on a worker of four
		kept, wants  int64
		victims      string
	}{
		{"all that is kept is used", 4, 0, 2, 1, "3"},
		{"two of them", 4, 0, 2, 2, "23"},
		{"there could not be room for both", 4, 0, 2, 3, ""},
		{"a part of it is free", 3, 0, 2, 1, "2"},
		{"all of it is", 2, 0, 2, 1, "1"},
		{"there is room beside it", 1, 0, 2, 1, ""},
		{"what leaves is kept", 2, 2, 2, 1, "1"},
		{"more leaves than is kept", 1, 3, 2, 2, "03"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := scheduler.NewFleet()
			w := worker("w", 4, 0)
			var all []scheduler.Occupant
			for i := range tt.runs + tt.leaves {
				share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}
				o := scheduler.Occupant{Request: berth.RequestID(fmt.Sprint(i)), Placed: i, Share: share, Leaving: i >= tt.runs}
				all = append(all, o)
				w.Ledger.Reserved.CPUMilli++
				w.Ledger.Count++
				level := int32(0)
				if o.Leaving {
					level = scheduler.PriorityLeaving
				}
				f.Occupy("w", level, &share, 1)
			}
			f.Put(w)
			f.Keep(berth.DefaultPool, &berth.Keep{Group: "g", Workers: []berth.KeptWorker{{Worker: "w", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: tt.kept}}}}})
			c := ask(request("h", tt.wants, 0))
			c.Priority = 9
			d, _ := f.Preempt(c, func(berth.WorkerID) []scheduler.Occupant { return all })
			got := ""
			for _, id := range d.Victims {
				got += string(id)
			}
			if got != tt.victims {
				t.Errorf("%s end, want %s", got, tt.victims)
			}
			if can := f.CanPreemptOn(c, "w", func(berth.WorkerID) []scheduler.Occupant { return all }); can != (tt.victims != "") && !f.Fits(c, "w") {
				t.Errorf("room can be made: %t", can)
			}
		})
	}
}
