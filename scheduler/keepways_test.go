package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is kept of each type of devices is no more than the gang may have, and suffices for it.
func TestKeepFor_WithinWhatIsLeft(t *testing.T) {
	h, a, x := "h100", "a100", "tpu5"
	for _, tt := range []struct {
		name    string
		workers [][]string // the types of their devices; each has a core for each
		cpu     []int64    // or so many
		demands [][]string
		need    int
		left    map[string]int64 // devices
		want    string
	}{
		{"nothing is bounded", [][]string{{h, h}, {a, a}}, nil, [][]string{{h, a}}, 2, nil, "w0: h100 h100"},
		{"there is enough", [][]string{{h, h}, {a, a}}, nil, [][]string{{h, a}}, 2, map[string]int64{h: 2}, "w0: h100 h100"},
		{"of one too little", [][]string{{h, h}, {a, a}}, nil, [][]string{{h, a}}, 2, map[string]int64{h: 1}, "w0: h100; w1: a100"},
		{"of one nothing", [][]string{{h, h}, {a, a}}, nil, [][]string{{h, a}}, 2, map[string]int64{h: 0}, "w1: a100 a100"},
		{"of both too little", [][]string{{h, h}, {a, a}}, nil, [][]string{{h, a}}, 3, map[string]int64{h: 1, a: 1}, ""},
		{"of any type", [][]string{{h, h}, {a, a}}, nil, [][]string{nil}, 3, map[string]int64{h: 1}, "w0: h100; w1: a100 a100"},
		{"too few of the others", [][]string{{h, h}, {a}}, nil, [][]string{{h, a}}, 3, map[string]int64{h: 1}, ""},
		{"on one worker", [][]string{{h, h, a, a}}, nil, [][]string{{h, a}}, 3, map[string]int64{h: 1}, "w0: a100 a100 h100"},
		{"on one worker with room for one", [][]string{{h, a}, {h, a}}, []int64{1, 1}, [][]string{{h, a}}, 2, map[string]int64{h: 1}, "w0: h100; w1: a100"},
		{"two demands", [][]string{{h, x}, {h, x}, {a, x}}, nil, [][]string{{h, a}, {x}}, 2, map[string]int64{h: 1}, "w0: h100 tpu5; w2: a100 tpu5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := scheduler.NewFleet()
			for i, kinds := range tt.workers {
				cpu := int64(len(kinds))
				if tt.cpu != nil {
					cpu = tt.cpu[i]
				}
				w := worker(fmt.Sprint("w", i), cpu, 4)
				for k, kind := range kinds {
					w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint(kind, "-", k), Type: kind})
				}
				f.Put(w)
			}
			r := request("g", 1, 0)
			for _, types := range tt.demands {
				r.Resources.Devices = append(r.Resources.Devices, berth.DeviceDemand{Count: 1, Milli: berth.WholeDevice, Types: types})
			}
			r.Group = &berth.Membership{ID: "g", Size: int64(tt.need), MinCount: int64(tt.need)}
			ask := scheduler.Wanting{Gang: gangOf(r, tt.need, tt.need, "")}
			if tt.left != nil {
				ask.Left = make(map[string]int64)
			}
			for kind, n := range tt.left {
				ask.Left[kind] = n * berth.WholeDevice
			}
			got, ok := f.KeepFor(ask, func(berth.WorkerID) []scheduler.Stay { return nil })
			if diff := cmp.Diff(tt.want, keptTypes(got.Workers)); diff != "" || ok != (tt.want != "") {
				t.Errorf("%t (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// keptTypes are the types of the devices that are kept, by worker.
func keptTypes(workers []berth.KeptWorker) (text string) {
	for i := range workers {
		if i > 0 {
			text += "; "
		}
		text += string(workers[i].Worker) + ":"
		for _, d := range workers[i].Share.Devices {
			text += " " + d.Name[:4]
		}
	}
	return text
}
