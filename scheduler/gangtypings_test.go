package scheduler_test

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// genTwice draws a small cluster, and a gang of which each member asks for devices twice, and may get so much of some types.
func genTwice(t *rapid.T) ([]scheduler.Worker, scheduler.Gang) {
	types := []string{"a", "b", "c"}
	var workers []scheduler.Worker
	for i := range rapid.IntRange(1, 3).Draw(t, "workers") {
		w := worker(fmt.Sprint("w", i), 100*rapid.Int64Range(1, 4).Draw(t, "cores"), 1<<20)
		for k, kind := range rapid.SliceOfN(rapid.SampledFrom(types), 1, 4).Draw(t, "devices") {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", k), Type: kind})
		}
		workers = append(workers, w)
	}
	r := &berth.Request{ID: "g", Pool: berth.DefaultPool}
	r.Resources.CPUMilli = 100
	for range 2 {
		d := berth.DeviceDemand{
			Types: rapid.SliceOfNDistinct(rapid.SampledFrom(types), 0, 3, rapid.ID).Draw(t, "types"),
			Count: 1, Milli: rapid.SampledFrom([]int64{500, 1000}).Draw(t, "milli"),
		}
		if d.Milli == berth.WholeDevice { // parts of several devices are dealt one member at a time
			d.Count = rapid.Int64Range(1, 2).Draw(t, "count")
		}
		r.Resources.Devices = append(r.Resources.Devices, d)
	}
	size := rapid.IntRange(1, 4).Draw(t, "size")
	g := gangOf(r, size, rapid.IntRange(1, size).Draw(t, "need"), "")
	for _, kind := range types {
		if n := rapid.Int64Range(-2, 6).Draw(t, "left of "+kind); n >= 0 {
			if g.Left == nil {
				g.Left = map[string]int64{}
			}
			g.Left[kind] = 500 * n
		}
	}
	return workers, g
}

// bruteTwice says whether so many members find places on the workers from one on, with no more of each type than is left.
func bruteTwice(r *berth.Request, workers []scheduler.Worker, left map[string]int64, members int) bool {
	if members == 0 {
		return true
	}
	if len(workers) == 0 {
		return false
	}
	w := workers[0]
	found := bruteFits(r, w) && bruteDevices(w, r.Resources.Devices, func(devices []berth.DeviceShare) bool {
		share := berth.Share{Quantities: r.Resources.Quantities, Devices: devices}
		rest := maps.Clone(left)
		for dim, v := range berth.AmountsOf(&share, &w.Ledger.Capacity) {
			if kind, ok := dim.DeviceType(); ok && rest != nil {
				if _, bounded := rest[kind]; bounded {
					rest[kind] -= v
				}
				if rest[kind] < 0 {
					return false
				}
			}
		}
		next, err := w.Ledger.Reserve(share)
		if err != nil {
			return false
		}
		with := w
		with.Ledger = next
		return bruteTwice(r, append([]scheduler.Worker{with}, workers[1:]...), rest, members-1)
	})
	return found || bruteTwice(r, workers[1:], left, members)
}

// A gang whose members ask for devices twice is placed where there are places for as many as must be, however the types have to be
// dealt, and gets no more of a type than is left.
func TestProperty_GangOfTwoDemands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers, g := genTwice(t)
		f := fleet(workers...)
		before := snapshot(f, workers)
		want := bruteTwice(g.Members[0].Request, workers, g.Left, g.Need)
		d := f.PlaceGang(g)
		if (d.Verdict == nil) != want {
			t.Fatalf("%d of %d are placed, by force %t: %+v", len(d.Placed), g.Need, want, d.Verdict)
		}
		got := berth.Amounts{}
		for _, one := range d.Placed {
			sum, err := got.Plus(berth.AmountsOf(&one.Share, &f.Worker(one.Worker).Ledger.Capacity))
			if err != nil {
				t.Fatal(err)
			}
			got = sum
		}
		for kind, left := range g.Left {
			if n := got[berth.DeviceDimension(kind)]; n > left {
				t.Errorf("%d of %s, of which %d is left", n, kind, left)
			}
		}
		if d.Verdict == nil {
			checkGang(t, g.Members[0].Request, g, d, before, snapshot(f, workers))
		} else if len(d.Placed) > 0 {
			t.Error("some are placed all the same")
		}
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
