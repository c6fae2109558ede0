package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// TestProperty_States: of two workers that are in one state, each request loses the same.
func TestProperty_States(t *testing.T) {
	alike, apart := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		build := func(id string, differs int) scheduler.Worker {
			w := worker(id, 8, 8<<20)
			for i := range 3 {
				d := berth.Device{Name: fmt.Sprintf("g%d", i), Type: "a", MemoryBytes: 8, Link: "l0"}
				if i == differs/10 {
					switch differs % 10 {
					case 1:
						d.Type = "b"
					case 2:
						d.MemoryBytes = 4
					case 3:
						d.Link = "l1"
					case 4:
						w.Ledger.Reserved.Devices = []berth.DeviceShare{{Name: d.Name, Milli: 300}}
					case 5:
						w.Ledger.Reserved.CPUMilli = 4
					case 6:
						w.Ledger.Reserved.MemoryBytes = 4 << 20
					}
				}
				w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, d)
			}
			return w
		}
		f := fleet(build("w0", rapid.IntRange(0, 29).Draw(t, "one")), build("w1", rapid.IntRange(0, 29).Draw(t, "other")))
		same := f.State("w0") == f.State("w1")
		if same {
			alike++
		} else {
			apart++
		}
		for i := range 20 {
			r := request(fmt.Sprint("r", i), rapid.Int64Range(0, 6).Draw(t, "cpu"), rapid.Int64Range(0, 6).Draw(t, "memory")<<20)
			d := berth.DeviceDemand{Count: 1, Milli: rapid.SampledFrom([]int64{300, 800, 1000}).Draw(t, "milli")}
			if d.Milli == berth.WholeDevice {
				d.Count = rapid.Int64Range(1, 3).Draw(t, "count")
			}
			d.Types = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 0, 2, rapid.ID).Draw(t, "types")
			d.MemoryBytes, d.Linked = rapid.SampledFrom([]int64{0, 6}).Draw(t, "each"), rapid.Bool().Draw(t, "linked")
			r.Resources.Devices = []berth.DeviceDemand{d}
			f.Learn(ask(r))
			if one, other := f.Loses(ask(r), "w0"), f.Loses(ask(r), "w1"); same && one != other {
				t.Fatalf("%+v, of two in one state: %s and %s", d, one, other)
			}
		}
	})
	if alike == 0 || apart == 0 {
		t.Errorf("%d pairs in one state, %d in two", alike, apart)
	}
}

// TestStates_Bounded: what has been is forgotten; what is there keeps what is known of it.
func TestStates_Bounded(t *testing.T) {
	f := fleet(withDevices("w0", "a"), withDevices("w1", "a"))
	first, most := f.State("w0"), 0
	for i := range int64(1000) {
		w := withDevices("w1", "a")
		w.Ledger.Reserved.CPUMilli = i
		f.Put(w)
		most = max(most, f.States())
	}
	if most > 100 {
		t.Errorf("%d states are known of 2 workers", most)
	}
	if now := f.State("w0"); now != first {
		t.Errorf("a worker that did not change is in state %d, was in %d", now, first)
	}
}
