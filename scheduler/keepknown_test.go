package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What has a limit ends by that, however long it has been there: those places are kept that are known to come first.
func TestKeepFor_KnownEnds(t *testing.T) {
	ends := func(age, left int64) scheduler.Stay {
		return scheduler.Stay{Age: age * 1000, Left: left * 1000, Ends: true}
	}
	stays := func(age int64) scheduler.Stay { return scheduler.Stay{Age: age * 1000} }
	for _, tt := range []struct {
		name   string
		on     [][]scheduler.Stay // of each worker; each has a core, and one of age -1 stands for what is free
		need   int
		waited int64
		want   string // of each worker that is kept, how much; and by when
	}{
		{"the younger one longer", [][]scheduler.Stay{{ends(2, 20), ends(1, 50)}}, 1, 0, "w0:1 by 20"},
		{"the older one longer", [][]scheduler.Stay{{ends(2, 50), ends(1, 20)}}, 1, 0, "w0:1 by 20"},
		{"free, and long beside", [][]scheduler.Stay{{stays(-1), ends(1, 300)}, {ends(3, 20), ends(2, 300)}, {ends(3, 20), ends(2, 300)}}, 2, 0, "w0:1 w1:1 by 20"},
		{"two of one worker", [][]scheduler.Stay{{ends(1, 90), ends(2, 90)}, {ends(3, 20), ends(4, 20)}}, 2, 0, "w1:2 by 20"},
		{"nothing is free", [][]scheduler.Stay{{ends(9, 300), ends(1, 300)}, {ends(9, 20), ends(1, 300)}, {ends(9, 20), ends(1, 300)}}, 2, 0, "w1:1 w2:1 by 20"},
		{"when a round begins", [][]scheduler.Stay{{ends(15, 60), ends(1, 300)}, {ends(30, 20), ends(1, 300)}}, 1, 20, "w1:1 by 20"},
		{"who knows of the other, younger than that is left", [][]scheduler.Stay{{stays(30)}, {ends(60, 40)}}, 1, 0, "w0:1"},
		{"who knows of the other, older than that is left", [][]scheduler.Stay{{stays(50)}, {ends(60, 40)}}, 1, 0, "w1:1 by 40"},
		{"the other was there before", [][]scheduler.Stay{{stays(30)}, {ends(10, 40)}}, 1, 10, "w1:1 by 40"},
		{"the other was there before, and nothing else is", [][]scheduler.Stay{{stays(30)}, {stays(31)}}, 1, 10, ""},
		{"both are needed, and the other was there before", [][]scheduler.Stay{{stays(30)}, {ends(10, 40)}}, 2, 10, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, on := scheduler.NewFleet(), make(map[berth.WorkerID][]scheduler.Stay)
			for i, there := range tt.on {
				w := worker(fmt.Sprint("w", i), int64(len(there)), 0)
				for _, s := range there {
					if s.Age >= 0 {
						s.Share = &berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}
						w.Ledger, _ = w.Ledger.Reserve(*s.Share)
						on[w.ID] = append(on[w.ID], s)
					}
				}
				f.Put(w)
			}
			r := request("g", 1, 0)
			r.Group = &berth.Membership{ID: "g", Size: int64(tt.need), MinCount: int64(tt.need)}
			w := scheduler.Wanting{Gang: gangOf(r, tt.need, tt.need, ""), Waited: tt.waited * 1000, Anew: true}
			got, _ := f.KeepFor(w, func(id berth.WorkerID) []scheduler.Stay { return slices.Clone(on[id]) })
			if diff := cmp.Diff(tt.want, keptBy(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// keptBy is how much CPU is kept of each worker, and in how many seconds all that it waits for has ended.
func keptBy(w scheduler.Wanted) (text string) {
	for i := range w.Workers {
		text += fmt.Sprintf("%s:%d ", w.Workers[i].Worker, w.Workers[i].Share.CPUMilli)
	}
	if w.Within > 0 {
		return text + fmt.Sprint("by ", w.Within/1000)
	}
	return text[:max(len(text)-1, 0)]
}

// Where everything has a limit, what is kept is there as early as can be known, a second more or less; it is kept if, and only if, the
// group waits so long; and it stays so for a round.
func TestProperty_KeptIsKnownFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genChoice(t)
		for _, there := range c.stays {
			for i := range there {
				there[i].Ends, there[i].Left = true, rapid.Int64Range(0, 90).Draw(t, "left")*1000
			}
		}
		c.ask.Anew = true
		want, ever := c.earliest()
		got, ok := c.f.KeepFor(c.ask, c.on)
		if ok != ever || ok && max(got.Within, 1000) != max(want, 1000) {
			t.Fatalf("kept: %+v %t, want by %d %t", got, ok, want, ever)
		}
		if !ok {
			return
		}
		c.ask.Patience = max(want, 1000) + rapid.SampledFrom([]int64{-1, 0}).Draw(t, "patience")
		if _, ok := c.f.KeepFor(c.ask, c.on); ok != (got.Within <= c.ask.Patience) {
			t.Fatalf("it waits for %d, and the places are there by %d; kept: %t", c.ask.Patience, got.Within, ok)
		}
		c.f.Keep(berth.DefaultPool, &berth.Keep{Group: "g", Workers: got.Workers})
		for _, there := range c.stays {
			for i := range there {
				there[i].Age, there[i].Left = there[i].Age+1000, max(there[i].Left-1000, 0)
			}
		}
		c.ask.Patience, c.ask.Waited, c.ask.Anew = 0, c.ask.Waited+1000, false
		if later, ok := c.f.KeepFor(c.ask, c.on); !ok || max(later.Within+1000, 2000) != max(got.Within, 2000) {
			t.Fatalf("a second later: %+v %t, before: %+v", later, ok, got)
		}
	})
}

// earliest is when there is room for all of the gang, of those times at which something ends.
func (c *choiceCase) earliest() (first int64, ok bool) {
	ends := []int64{0}
	for _, there := range c.stays {
		for _, s := range there {
			ends = append(ends, s.Left)
		}
	}
	slices.Sort(ends)
	zones := []string{""}
	if c.ask.Topology != "" {
		zones = []string{"a", "b"}
	}
	for _, at := range ends {
		for _, zone := range zones {
			if c.roomAt(zone, at) >= c.ask.Need {
				return at, true
			}
		}
	}
	return 0, false
}

// roomAt is for how many there is room in a zone, when what ends by then has.
func (c *choiceCase) roomAt(zone string, at int64) (room int) {
	for _, id := range c.ids {
		w := *c.f.Worker(id)
		if zone != "" && w.Labels["zone"] != zone {
			continue
		}
		for _, s := range c.stays[id] {
			if s.Left <= at {
				w.Ledger, _ = w.Ledger.Release(*s.Share)
			}
		}
		room += bruteRoom(c.ask.Members[0].Request, w, c.ask.Need)
	}
	return room
}
