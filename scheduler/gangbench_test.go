package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// BenchmarkPlaceGang places a gang of 64 on a thousand workers with eight devices each, some of which
// are in use, and takes it back: of usual shapes, of parts of several devices, and one that does not fit.
func BenchmarkPlaceGang(b *testing.B) {
	for _, c := range []struct {
		name         string
		count, milli int64
		topology     string
		cpu          int64
	}{
		{"cpu", 0, 0, "", 1},
		{"devices=1", 1, 1000, "", 1},
		{"devices=4", 4, 1000, "", 1},
		{"share", 1, 250, "", 1},
		{"rack", 2, 1000, "rack", 1},
		{"parts", 2, 250, "", 1},
		{"no-cpu", 2, 1000, "", 200},
		{"no-cpu-parts", 2, 250, "", 200},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := scheduler.NewFleet()
			for i := range 1000 {
				w := worker(fmt.Sprintf("w%d", i), 128, 128)
				w.Labels = map[string]string{"rack": fmt.Sprint(i / 40)}
				for k := range 8 {
					w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprintf("g%d", k), Type: "a100"})
					if (i+k)%3 == 0 {
						w.Ledger.Reserved.Devices = append(w.Ledger.Reserved.Devices, berth.DeviceShare{Name: fmt.Sprintf("g%d", k), Milli: 500})
					}
				}
				w.Ledger.Count = 1
				f.Put(w)
			}
			r := request("g", c.cpu, 1)
			if c.count > 0 {
				r.Resources.Devices = []berth.DeviceDemand{{Count: c.count, Milli: c.milli}}
			}
			g := gangOf(r, 64, 64, c.topology)
			for b.Loop() {
				d := f.PlaceGang(g)
				g.Members[0].Again = true
				if (d.Verdict == nil) != (c.cpu == 1) {
					b.Fatalf("%+v", d.Verdict)
				}
				f.Undo(d)
			}
		})
	}
}
