package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// racked is a fleet of racks of workers with four devices each; other workers, beside, are for
// what is only to be learned from.
func racked(racks, each int) *scheduler.Fleet {
	f := scheduler.NewFleet()
	for i := range racks * each {
		w := worker(fmt.Sprintf("w%02d", i), 64_000, 64<<30)
		w.Labels = map[string]string{"rack": fmt.Sprint("r", i/each)}
		for d := range 4 {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", d), Type: "t4"})
		}
		f.Put(w)
	}
	return f
}

func forDevices(id string, cpu, count, milli int64) *berth.Request {
	r := request(id, cpu, 1<<30)
	r.Resources.Devices = []berth.DeviceDemand{{Count: count, Milli: milli}}
	return r
}

// teach has a fleet asked for single requests, and for groups behind them, of which nothing stays.
func teach(f *scheduler.Fleet, singles, groups int, topology string) {
	for i := range singles {
		before := make(map[berth.WorkerID]scheduler.Worker)
		for n := range 64 {
			if w := f.Worker(berth.WorkerID(fmt.Sprintf("w%02d", n))); w != nil {
				before[w.ID] = *w
			}
		}
		if d := f.Place(ask(forDevices(fmt.Sprint("s", i), 24_000, 1, 1000))); d.Verdict == nil {
			f.Put(before[d.Worker])
		}
	}
	for range groups {
		f.Undo(f.PlaceGang(gangOf(forDevices("g", 1000, 4, 1000), 2, 2, topology)))
	}
}

// inUse is how many workers, and racks, have something on them, but are not full.
func inUse(f *scheduler.Fleet, n int) (workers int, racks map[string]bool) {
	racks = make(map[string]bool)
	for i := range n {
		w := f.Worker(berth.WorkerID(fmt.Sprintf("w%02d", i)))
		whole := int64(0)
		for _, d := range w.Ledger.Reserved.Devices {
			whole += d.Milli
		}
		if whole > 0 {
			racks[w.Labels["rack"]] = true
			if whole < 4000 {
				workers++
			}
		}
	}
	return workers, racks
}

// TestGroups_KeepWhole: where CPU is short, what needs little of it loses less where it is
// short already, and what needs much where it is not: so all workers are begun. Where groups
// were asked for, one worker is filled after the other, and one rack.
func TestGroups_KeepWhole(t *testing.T) {
	for _, tt := range []struct {
		name           string
		groups         int
		topology       string
		workers, racks int // at most
	}{
		{"no groups", 0, "", 8, 4},
		{"groups", 4, "", 1, 4},
		{"in racks", 4, "rack", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := racked(4, 2)
			teach(f, 60, tt.groups, tt.topology)
			most := 0
			for i := range 7 {
				cpu := int64(1000)
				if i%3 == 1 {
					cpu = 30_000
				}
				if d := f.Place(ask(forDevices(fmt.Sprint("r", i), cpu, 1, 1000))); d.Verdict != nil {
					t.Fatal(d.Verdict)
				}
				workers, _ := inUse(f, 8)
				most = max(most, workers)
			}
			_, racks := inUse(f, 8)
			t.Logf("%d workers begun at once, %d racks", most, len(racks))
			if most > tt.workers || len(racks) > tt.racks {
				t.Errorf("want at most %d and %d", tt.workers, tt.racks)
			}
			if tt.groups == 0 && most == 1 {
				t.Error("want several without groups, or the case shows nothing")
			}
		})
	}
}

// TestGroups_OnceEach: a group that waits, and is tried again and again, counts once.
func TestGroups_OnceEach(t *testing.T) {
	f := racked(1, 1)
	g := gangOf(forDevices("g", 1000, 4, 1000), 2, 2, "rack")
	for range 3 {
		f.PlaceGang(g)
		g.Members[0].Again = true
	}
	got := f.Mix(berth.DefaultPool)
	if got.Asked != 1 || len(got.Groups) != 1 || got.Groups[0] != (berth.GroupsAsked{Topology: "rack", Weight: 2 * 4 * 1000 * 256}) {
		t.Errorf("%+v", got)
	}
}

// TestGroups_Fade: what groups asked for is halved with all else, again and again.
func TestGroups_Fade(t *testing.T) {
	f := racked(4, 2)
	teach(f, 0, 1, "rack")
	teach(f, 3*8192, 0, "")
	got := f.Mix(berth.DefaultPool).Groups
	if len(got) != 1 || got[0] != (berth.GroupsAsked{Topology: "rack", Weight: 2 * 4 * 1000 * 256 >> 5}) {
		t.Errorf("after five halvings %+v", got)
	}
}

// TestGroups_TypesAlike: where groups are usual, what takes any type goes to workers in one order
// of their own, and not to those alone whose type was asked for a little less. Where all
// groups need one domain, losses decide as before between workers that are as idle.
func TestGroups_TypesAlike(t *testing.T) {
	for _, tt := range []struct {
		name     string
		topology string
		a        [2]int // at least and at most, of 32
	}{
		{"anywhere", "", [2]int{8, 24}},
		{"in a zone that no worker is in", "zone", [2]int{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := racked(8, 2)
			twoTypes(f, 16)
			teach(f, 60, 4, tt.topology)
			a := 0
			for i := range 32 { // half of all devices
				d := f.Place(ask(forDevices(fmt.Sprint("r", i), 1000, 1, 1000)))
				if d.Verdict != nil {
					t.Fatal(d.Verdict)
				}
				if f.Worker(d.Worker).Ledger.Capacity.Devices[0].Type == "a" {
					a++
				}
			}
			if a < tt.a[0] || a > tt.a[1] {
				t.Errorf("%d of 32 on a, want %d to %d", a, tt.a[0], tt.a[1])
			}
		})
	}
}

// twoTypes makes every second worker's devices another type, b, and has a fleet asked for it a
// little less than for the first.
func twoTypes(f *scheduler.Fleet, workers int) {
	before := make(map[berth.WorkerID]scheduler.Worker)
	for i := range workers {
		w := *f.Worker(berth.WorkerID(fmt.Sprintf("w%02d", i)))
		w.Ledger.Capacity.Devices = slices.Clone(w.Ledger.Capacity.Devices)
		for d := range w.Ledger.Capacity.Devices {
			w.Ledger.Capacity.Devices[d].Type = []string{"a", "b"}[i%2]
		}
		before[w.ID] = w
		f.Put(w)
	}
	for i := range 60 {
		r := forDevices(fmt.Sprint("t", i), 1000, 1, 1000)
		r.Resources.Devices[0].Types = []string{"a"}
		if i < 28 {
			r.Resources.Devices[0].Types = []string{"b"}
		}
		f.Put(before[f.Place(ask(r)).Worker])
	}
}

// TestProperty_MixOfGroups: what was learned of groups goes with the mix, and with the prices
// alone: what is not learned from is decided the same.
func TestProperty_MixOfGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := racked(3, 2)
		teach(a, rapid.IntRange(0, 40).Draw(t, "singles"), 0, "")
		for range rapid.IntRange(0, 6).Draw(t, "groups") {
			teach(a, rapid.IntRange(0, 9).Draw(t, "between"), 1, rapid.SampledFrom([]string{"", "rack", "zone"}).Draw(t, "topology"))
		}
		b, c := racked(3, 2), racked(3, 2)
		b.SetMix(berth.DefaultPool, a.Mix(berth.DefaultPool))
		c.SetPrices(berth.DefaultPool, a.Prices(berth.DefaultPool))
		for i := range 20 {
			cand := ask(forDevices(fmt.Sprint("r", i), 1000*rapid.Int64Range(1, 30).Draw(t, "cpu"), 1, rapid.SampledFrom([]int64{250, 500, 1000}).Draw(t, "milli")))
			cand.Again = true
			x, y, z := a.Place(cand).Worker, b.Place(cand).Worker, c.Place(cand).Worker
			if x != y || x != z {
				t.Fatalf("%s on %q; with its mix %q, with its prices %q", cand.Request.ID, x, y, z)
			}
		}
	})
}
