package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// TestProperty_PreemptForCheapest: of one request that may be had as several candidates, those make room that the rule names for any
// of them, and of what is equal for the first one; and that one's share is there when they have ended.
func TestProperty_PreemptForCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		who := genCrowd(t, f, 9)
		as := []scheduler.Candidate{genPreemptor(t)}
		for range rapid.IntRange(1, 3).Draw(t, "others") {
			one := as[0]
			r := *one.Request
			r.Resources.Devices = genRequest(t, "candidate").Resources.Devices
			one.Request = &r
			as = append(as, one)
		}
		if slices.ContainsFunc(as, func(c scheduler.Candidate) bool { return fitsNow(c, f, workers) }) {
			return
		}
		var best *set
		first := -1
		for i, c := range as {
			if s := bruteVictims(c, f, workers, who); s != nil && (best == nil || s.compare(best) < 0) {
				best, first = s, i
			}
		}
		d, chosen := f.PreemptFor(as, who.on)
		if chosen != first {
			t.Fatalf("as %d: %+v, by force as %d: %+v", chosen, d, first, best)
		}
		if first < 0 {
			return
		}
		gone := checkVictims(t, as[chosen], f, who, d)
		got := &set{worker: d.Worker}
		_, got.units = split(gone, as[chosen].Priority)
		if got.compare(best) != 0 {
			t.Fatalf("victims %v on %s, by force %v on %s", got.units, got.worker, best.units, best.worker)
		}
	})
}

// BenchmarkPreemptFor is of a request that may be had as many candidates, of which none could be on any of many workers.
func BenchmarkPreemptFor(b *testing.B) {
	for _, choices := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("workers=10000/choices=%d", choices), func(b *testing.B) {
			f, who := scheduler.NewFleet(), crowd{}
			for i := range 10_000 {
				w := worker(fmt.Sprintf("w%05d", i), 64, 64)
				for d := range 4 {
					w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", d), Type: deviceTypes[d%2]})
				}
				f.Put(w)
				for d := range 4 {
					share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}, Devices: []berth.DeviceShare{{Name: fmt.Sprint("g", d), Milli: 1000}}}
					ledger, err := f.Worker(w.ID).Ledger.Reserve(share)
					if err != nil {
						b.Fatal(err)
					}
					next := *f.Worker(w.ID)
					next.Ledger = ledger
					f.Put(next)
					who.add(f, w.ID, scheduler.Occupant{Request: berth.RequestID(fmt.Sprint(w.ID, "-", d)), Priority: int32(d / 2), Share: share})
				}
			}
			r := request("candidate", 1, 1)
			for range 2 { // of each type half is to be had, and more is wanted
				r.Resources.Devices = append(r.Resources.Devices, berth.DeviceDemand{Types: deviceTypes[:1], Count: 2, Milli: 1000})
			}
			as := slices.Repeat([]scheduler.Candidate{{Request: r, Priority: 1}}, choices)
			for b.Loop() {
				if _, chosen := f.PreemptFor(as, who.on); chosen >= 0 {
					b.Fatal("room is made")
				}
			}
		})
	}
}
