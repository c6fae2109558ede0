package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// TestProperty_GangMakesRoomOfSeveralTypes: members may each have a device of one of two types, of which so much of each is left for all of
// them. Room is made if and only if it can, with the fewest who end, and with no more of a type than is left.
func TestProperty_GangMakesRoomOfSeveralTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, who := scheduler.NewFleet(), crowd{}
		free, held := map[string]int64{}, map[string]int64{} // held by what may end
		types := map[berth.WorkerID]map[string]string{}
		priority := rapid.Int32Range(0, 3).Draw(t, "of priority")
		for i := range rapid.IntRange(1, 4).Draw(t, "workers") {
			w := worker(fmt.Sprint("w", i), 64, 64)
			types[w.ID] = map[string]string{}
			for k, kind := range rapid.SliceOfN(rapid.SampledFrom([]string{"a100", "h100"}), 1, 4).Draw(t, "devices") {
				name := fmt.Sprint("g", k)
				w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: name, Type: kind})
				types[w.ID][name] = kind
			}
			f.Put(w)
			for k, d := range w.Ledger.Capacity.Devices {
				p := rapid.Int32Range(-1, 3).Draw(t, "priority")
				if p < 0 {
					free[d.Type]++
					continue
				}
				if p < priority {
					held[d.Type]++
				}
				next := *f.Worker(w.ID)
				share := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}, Devices: []berth.DeviceShare{{Name: d.Name, Milli: berth.WholeDevice}}}
				next.Ledger, _ = next.Ledger.Reserve(share)
				f.Put(next)
				who.add(f, w.ID, scheduler.Occupant{Request: berth.RequestID(fmt.Sprint(w.ID, "-", k)), Priority: p, Share: share})
			}
		}
		r := request("g", 1, 0)
		r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100", "a100"}, Count: 1, Milli: berth.WholeDevice}}
		n := rapid.IntRange(1, 5).Draw(t, "size")
		g := gangOf(r, n, rapid.IntRange(1, n).Draw(t, "need"), "")
		g.Members[0].Priority = priority
		g.Left = map[string]int64{}
		now, most := int64(0), int64(0) // members that fit, and would, had all ended that may
		for _, kind := range []string{"a100", "h100"} {
			left := rapid.Int64Range(0, 4).Draw(t, "left of "+kind)
			g.Left[kind] = left * berth.WholeDevice
			now += min(free[kind], left)
			most += min(free[kind]+held[kind], left)
		}
		need := int64(g.Need)
		if got := f.MostWithRoom(g, who.on); int64(got) != min(most, need) {
			t.Fatalf("%d have room when all have ended, want %d", got, min(most, need))
		}
		d, ok := f.PreemptGang(g, who.on)
		if want := now < need && most >= need; ok != want || d.Anyway != (now >= need) {
			t.Fatalf("room is made: %t, and could be: %t; %d of %d fit, and %d could: %+v", ok, want, now, need, most, d)
		}
		if !ok {
			return
		}
		if int64(d.Cost) != need-now {
			t.Fatalf("%v end, and %d would do", d.Victims, need-now)
		}
		got := map[string]int64{}
		for _, k := range d.Workers {
			for _, one := range k.Share.Devices {
				got[types[k.Worker][one.Name]] += one.Milli
			}
		}
		for kind, left := range g.Left {
			if got[kind] > left {
				t.Fatalf("%d of %s, and %d are left", got[kind], kind, left)
			}
		}
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkPreemptGangLeft has a gang of 64 whose members get devices of two types, half of each, on full workers that have one of them.
func BenchmarkPreemptGangLeft(b *testing.B) {
	f, who := scheduler.NewFleet(), crowd{}
	for i := range 10_000 {
		w := worker(fmt.Sprintf("w%05d", i), 64, 64)
		var shares []berth.Share
		for d := range 4 {
			name := fmt.Sprint("g", d)
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: name, Type: deviceTypes[i%2]})
			shares = append(shares, berth.Share{Quantities: berth.Quantities{CPUMilli: 1}, Devices: []berth.DeviceShare{{Name: name, Milli: berth.WholeDevice}}})
		}
		for _, share := range shares {
			ledger, err := w.Ledger.Reserve(share)
			if err != nil {
				b.Fatal(err)
			}
			w.Ledger = ledger
		}
		f.Put(w)
		for d, share := range shares {
			who.add(f, w.ID, scheduler.Occupant{Request: berth.RequestID(fmt.Sprint(w.ID, "-", d)), Priority: int32(d / 2), Share: share})
		}
	}
	r := request("g", 1, 0)
	r.Resources.Devices = []berth.DeviceDemand{{Types: deviceTypes[:2], Count: 1, Milli: berth.WholeDevice}}
	g := gangOf(r, 64, 64, "")
	g.Left = map[string]int64{deviceTypes[0]: 32 * berth.WholeDevice, deviceTypes[1]: 32 * berth.WholeDevice}
	g.Members[0].Priority = 1
	b.Run("choose", func(b *testing.B) {
		for b.Loop() {
			if _, ok := f.PreemptGang(g, who.on); !ok {
				b.Fatal("no room is made")
			}
		}
	})
	b.Run("most", func(b *testing.B) {
		for b.Loop() {
			if most := f.MostWithRoom(g, who.on); most != 64 {
				b.Fatalf("%d have room", most)
			}
		}
	})
}
