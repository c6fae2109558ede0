package scheduler

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
)

// leftFleet has a worker for each list of types.
func leftFleet(cpu []int64, types ...[]string) *Fleet {
	f := NewFleet()
	for i, kinds := range types {
		w := Worker{ID: berth.WorkerID(fmt.Sprint("w", i)), Pool: "default", Epoch: 1, Ready: true}
		w.Ledger.Epoch, w.Ledger.Capacity.CPUMilli = 1, cpu[i]
		for k, kind := range kinds {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", k), Type: kind})
		}
		f.Put(w)
	}
	return f
}

func leftGang(members, need int, left map[string]int64, types ...string) Gang {
	g := Gang{Need: need, Left: left}
	for i := range members {
		r := &berth.Request{ID: berth.RequestID(fmt.Sprint("g.", i)), Pool: "default"}
		r.Resources.CPUMilli = 100
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: types}}
		g.Members = append(g.Members, Candidate{Request: r})
	}
	return g
}

// The members of a gang get no more devices of a type than there are left for them, and those of others then; also where a
// worker has devices of several and room for one member, whichever comes first.
func TestPlaceGang_Left(t *testing.T) {
	for name, c := range map[string]struct {
		cpu   []int64
		has   [][]string
		left  map[string]int64
		types []string
		fit   int
	}{
		"as many as there are": {[]int64{900}, [][]string{{"a", "a", "b", "b"}}, map[string]int64{"a": 1000, "b": 1000}, []string{"a", "b"}, 2},
		"the rest of another":  {[]int64{900}, [][]string{{"a", "a", "b", "b"}}, map[string]int64{"a": 1000}, []string{"a", "b"}, 3},
		"of any type":          {[]int64{900}, [][]string{{"a", "a", "b", "b"}}, map[string]int64{"a": 0, "b": 1000}, nil, 1},
		"none":                 {[]int64{900}, [][]string{{"a", "a"}}, map[string]int64{"a": 0}, []string{"a"}, 0},
		"who comes first":      {[]int64{100, 900}, [][]string{{"a", "b"}, {"a", "a"}}, map[string]int64{"a": 1000, "b": 1000}, []string{"a", "b"}, 2},
		"or last":              {[]int64{100, 900}, [][]string{{"a", "b"}, {"b", "b"}}, map[string]int64{"a": 1000, "b": 1000}, []string{"b", "a"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := leftFleet(c.cpu, c.has...)
			d := f.PlaceGang(leftGang(4, max(c.fit, 1), c.left, c.types...))
			if len(d.Placed) != c.fit {
				t.Errorf("%d members are placed, want %d: %+v", len(d.Placed), c.fit, d.Verdict)
			}
			got := map[string]int64{}
			for _, one := range d.Placed {
				for dim, v := range berth.AmountsOf(&one.Share, &f.Worker(one.Worker).Ledger.Capacity) {
					kind, _ := dim.DeviceType()
					got[kind] += v
				}
			}
			for kind, most := range c.left {
				if got[kind] > most {
					t.Errorf("%d of %s, of which %d is left", got[kind], kind, most)
				}
			}
		})
	}
}

// Whoever gets which type by preference, or by the order of types, takes what a member on another worker needs: tried worker by
// worker all find places.
func TestPlaceGang_WorkerByWorker(t *testing.T) {
	f := leftFleet([]int64{200, 200}, []string{"c", "b", "a", "a"}, []string{"b", "a", "b", "c"})
	g := leftGang(4, 4, map[string]int64{"a": 1000}, "b", "c")
	for i := range g.Members {
		d := &g.Members[i].Request.Resources
		d.Devices = append(d.Devices, berth.DeviceDemand{Count: 1, Milli: berth.WholeDevice / 2})
	}
	if d := f.PlaceGang(g); len(d.Placed) != 4 {
		t.Errorf("%d members are placed: %+v", len(d.Placed), d.Verdict)
	}
}
