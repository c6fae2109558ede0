package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// choiceCase is workers with allocations, and a gang that waits.
type choiceCase struct {
	f     *scheduler.Fleet
	ids   []berth.WorkerID
	stays map[berth.WorkerID][]scheduler.Stay
	kept  map[berth.WorkerID]bool
	ask   scheduler.Wanting
}

func (c *choiceCase) on(w berth.WorkerID) []scheduler.Stay { return slices.Clone(c.stays[w]) }

// genChoice draws one that has many more places than are needed, as often as not.
func genChoice(t *rapid.T) *choiceCase {
	c := &choiceCase{f: scheduler.NewFleet(), stays: make(map[berth.WorkerID][]scheduler.Stay), kept: make(map[berth.WorkerID]bool)}
	for i := range rapid.IntRange(1, 40).Draw(t, "workers") {
		c.f.Put(genPlain(t, fmt.Sprintf("w%02d", i)))
		c.ids = append(c.ids, berth.WorkerID(fmt.Sprintf("w%02d", i)))
	}
	for i := range rapid.IntRange(0, 80).Draw(t, "there") {
		r := request(fmt.Sprintf("there%d", i), rapid.Int64Range(0, 3).Draw(t, "cpu"), rapid.Int64Range(0, 1).Draw(t, "memory"))
		if rapid.IntRange(0, 3).Draw(t, "with a device") == 0 {
			r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: rapid.SampledFrom([]int64{500, 1000}).Draw(t, "of it")}}
		}
		if d := c.f.Place(ask(r)); d.Verdict == nil {
			s := scheduler.Stay{Share: &d.Share, Age: rapid.Int64Range(0, 40).Draw(t, "age") * 1000}
			if s.Ends = rapid.Bool().Draw(t, "ends"); s.Ends {
				s.Left = rapid.SampledFrom([]int64{0, 1000, 20_000, 3_000_000, week, week + 1}).Draw(t, "left")
			}
			c.stays[d.Worker] = append(c.stays[d.Worker], s)
		}
	}
	r := request("g", rapid.Int64Range(1, 4).Draw(t, "cpu"), rapid.Int64Range(0, 1).Draw(t, "memory"))
	if rapid.IntRange(0, 2).Draw(t, "wants devices") == 0 {
		r.Resources.Devices = []berth.DeviceDemand{{Count: rapid.Int64Range(1, 2).Draw(t, "count"), Milli: berth.WholeDevice}}
	}
	size := rapid.IntRange(1, 6).Draw(t, "size")
	r.Group = &berth.Membership{ID: "g", Size: int64(size), MinCount: int64(size)}
	c.ask = scheduler.Wanting{
		Gang: gangOf(r, size, size, rapid.SampledFrom([]string{"", "zone"}).Draw(t, "topology")),
		Anew: rapid.Bool().Draw(t, "anew"), Waited: rapid.SampledFrom([]int64{0, 30_000}).Draw(t, "waited"),
	}
	k := &berth.Keep{Group: "g"}
	for _, id := range c.ids {
		if c.kept[id] = rapid.IntRange(0, 4).Draw(t, "kept") == 0; c.kept[id] {
			k.Workers = append(k.Workers, berth.KeptWorker{Worker: id})
		}
	}
	c.f.Keep(berth.DefaultPool, k)
	return c
}

const week = 7 * 24 * 3_600_000

func genPlain(t *rapid.T, id string) scheduler.Worker {
	w := worker(id, rapid.Int64Range(2, 6).Draw(t, "cpus"), 4)
	w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
	for i := range rapid.IntRange(0, 2).Draw(t, "devices") {
		w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprintf("gpu%d", i), Type: "t4"})
	}
	w.Cordoned = rapid.IntRange(0, 9).Draw(t, "cordoned") == 0
	return w
}

// bruteOpening is room for one more member on a worker when so much of it has ended.
type bruteOpening struct {
	worker     berth.WorkerID
	at, opens  int64
	isNew      int
	ends, room int
	waitsFor   []scheduler.Stay
}

// openings are all of a zone, in order; every way to put members on a worker is tried.
func (c *choiceCase) openings(zone string) (all []bruteOpening) {
	r, need := c.ask.Members[0].Request, c.ask.Need
	for _, id := range c.ids {
		w := *c.f.Worker(id)
		if c.ask.Topology != "" && w.Labels["zone"] != zone {
			continue
		}
		stays := c.inOrder(id)
		for ends, had := 0, 0; ends <= len(stays); ends++ {
			if ends > 0 {
				w.Ledger, _ = w.Ledger.Release(*stays[ends-1].Share)
			}
			o := bruteOpening{worker: id, ends: ends, opens: 1000, isNew: 1, waitsFor: stays[:ends]}
			if ends > 0 {
				o.opens = max(c.after(stays[ends-1]), 1000)
			}
			if o.at = o.opens; c.kept[id] {
				if o.isNew = 0; ends == 0 || !c.ask.Anew {
					o.at = 0
				}
			}
			if o.room = bruteRoom(r, w, need) - had; o.room > 0 {
				all = append(all, o)
				had += o.room
			}
		}
	}
	slices.SortFunc(all, func(a, b bruteOpening) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.isNew, b.isNew), cmp.Compare(a.opens, b.opens), cmp.Compare(a.ends, b.ends), cmp.Compare(a.worker, b.worker))
	})
	return all
}

func (c *choiceCase) after(s scheduler.Stay) int64 {
	switch guess := max(s.Age, c.ask.Waited/4); {
	case s.Ends && s.Left <= week:
		return s.Left
	case c.lasting(s):
		return week + guess
	default:
		return guess
	}
}

// lasting says whether what nobody knows the end of is too old to be waited for.
func (c *choiceCase) lasting(s scheduler.Stay) bool {
	waited := c.ask.Waited
	return waited > 0 && c.ask.Anew && (!s.Ends || s.Left > week) && s.Age >= min(waited, max(waited-s.Age, 10_000))
}

func (c *choiceCase) inOrder(id berth.WorkerID) []scheduler.Stay {
	return slices.SortedStableFunc(slices.Values(c.stays[id]), func(a, b scheduler.Stay) int {
		return cmp.Or(cmp.Compare(c.after(a), c.after(b)), cmp.Compare(a.Age, b.Age),
			cmp.Compare(a.Share.CPUMilli, b.Share.CPUMilli), cmp.Compare(a.Share.MemoryBytes, b.Share.MemoryBytes))
	})
}

// choose is what is kept of each worker, in members.
func (c *choiceCase) choose() (best map[berth.WorkerID]int, ok bool) {
	last := int64(math.MaxInt64)
	var waitsFor []scheduler.Stay
	for _, zone := range []string{"a", "b"} {
		left, of := c.ask.Need, make(map[berth.WorkerID]int)
		var on []scheduler.Stay
		for _, o := range c.openings(zone) {
			n := min(o.room, left)
			of[o.worker] += n
			on = append(on, o.waitsFor...)
			if left -= n; left == 0 {
				if o.at < last {
					best, last, waitsFor, ok = of, o.at, on, true
				}
				break
			}
		}
	}
	return best, ok && !slices.ContainsFunc(waitsFor, c.lasting)
}

// What is kept are the places that come free first, as a search by brute force has it.
func TestKeepChoice_Oracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genChoice(t)
		want, ok := c.choose()
		got, is := c.f.KeepFor(c.ask, c.on)
		if ok != is {
			t.Fatalf("ok: %t, want %t", is, ok)
		}
		if !ok {
			return
		}
		has := make(map[berth.WorkerID]int)
		for _, w := range got.Workers {
			has[w.Worker] = int(w.Share.CPUMilli / c.ask.Members[0].Request.Resources.CPUMilli)
		}
		if !maps.Equal(has, want) {
			t.Fatalf("kept: %v, want %v", has, want)
		}
	})
}

// The choice is the same in however many parts, and in whatever order is told who is on a worker.
func TestKeepChoice_Parts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genChoice(t)
		want, ok := c.f.KeepFor(c.ask, c.on)
		choice := c.f.BeginKeep(c.ask)
		parts, most := 0, rapid.IntRange(1, 30).Draw(t, "part")
		for done := false; !done; parts++ {
			_, done = choice.Look(most, c.on)
			c.f.Diagnose(ask(genRequest(t, "another"))) // who else asks changes nothing
		}
		if parts > len(c.ids)+1 {
			t.Fatalf("%d parts for %d workers", parts, len(c.ids))
		}
		got, is := choice.Choose(c.on)
		if is != ok || !slices.EqualFunc(got.Workers, want.Workers, func(a, b berth.KeptWorker) bool {
			return a.Worker == b.Worker && a.Share.CPUMilli == b.Share.CPUMilli && slices.Equal(a.Share.Devices, b.Share.Devices)
		}) || got.Within != want.Within {
			t.Fatalf("in parts: %+v %t, want %+v %t", got, is, want, ok)
		}
	})
}

// What goes between two parts is not kept, nor are two of one worker; what comes may be.
func TestKeepChoice_ChangedMeanwhile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genChoice(t)
		choice := c.f.BeginKeep(c.ask)
		for i, done := 0, false; !done; i++ {
			_, done = choice.Look(rapid.IntRange(1, 30).Draw(t, "part"), c.on)
			id := rapid.SampledFrom(c.ids).Draw(t, "of")
			switch w := c.f.Worker(id); rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.f.Remove(id)
			case 1:
				if w != nil {
					is := *w
					is.Cordoned = !is.Cordoned
					c.f.Put(is)
				}
			case 2:
				c.f.Put(genPlain(t, fmt.Sprintf("new%d", i)))
			case 3:
				if there := c.stays[id]; w != nil && len(there) > 0 {
					is := *w
					is.Ledger, _ = is.Ledger.Release(*there[0].Share)
					c.f.Put(is) // its end is in the ledger, and is not told yet
				}
			}
		}
		got, ok := choice.Choose(c.on)
		for i, k := range got.Workers {
			w := c.f.Worker(k.Worker)
			if ok && (w == nil || w.Cordoned || i > 0 && got.Workers[i-1].Worker >= k.Worker) {
				t.Fatalf("kept: %+v", got.Workers)
			}
		}
	})
}
