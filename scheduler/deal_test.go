package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// dealt is a fleet of workers with devices that come, change and go; requests of few
// shapes go where a plain look at all workers finds the least loss. Some shapes are
// asked for seldom, so that more changes in between than are remembered; and often
// enough in all that prices are made anew.
type dealt struct {
	running
	shapes []*berth.Request
	next   int
}

func (x *dealt) id(t *rapid.T) string { return fmt.Sprintf("w%d", rapid.IntRange(0, 70).Draw(t, "id")) }

func (x *dealt) put(t *rapid.T) {
	w := worker(x.id(t), rapid.Int64Range(2, 12).Draw(t, "cpu"), rapid.Int64Range(2, 12).Draw(t, "memory")<<20)
	for i := range rapid.IntRange(0, 8).Draw(t, "devices") {
		kind := deviceTypes[0]
		if rapid.IntRange(0, 3).Draw(t, "type") == 0 {
			kind = deviceTypes[1]
		}
		w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{
			Name: fmt.Sprintf("g%d", i), Type: kind, MemoryBytes: max(rapid.Int64Range(-2, 1).Draw(t, "device memory"), 0), Link: rapid.SampledFrom(someLinks).Draw(t, "link"),
		})
	}
	w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone")}
	w.Foreign = rapid.IntRange(0, 2).Draw(t, "foreign") == 0
	w.Cordoned = rapid.IntRange(0, 9).Draw(t, "cordoned") == 0
	if rapid.IntRange(0, 5).Draw(t, "tainted") == 0 {
		w.Taints = someTaints[:2]
	}
	if w.Images = rapid.IntRange(0, 3).Draw(t, "images") > 0; w.Images {
		w.Holds = rapid.SampledFrom([][]string{nil, {"rare"}, {"train"}, {"train", "serve"}, {"train", "serve"}}).Draw(t, "holds")
	}
	x.fleet.Put(w)
}

func (x *dealt) place(t *rapid.T) {
	r := *rapid.SampledFrom(x.shapes).Draw(t, "shape")
	x.next++
	r.ID = berth.RequestID(fmt.Sprint("r", x.next))
	switch rapid.IntRange(0, 3).Draw(t, "selects") {
	case 0:
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "zone")}}}
	case 1:
		r.Tolerations = someTolerations[:1]
	}
	if rapid.IntRange(0, 7).Draw(t, "in a domain") == 0 && len(r.Resources.Devices) > 0 {
		r.Resources.Devices = slices.Clone(r.Resources.Devices)
		r.Resources.Devices[0].Link = "y"
	}
	if rapid.IntRange(0, 2).Draw(t, "imaged") == 0 {
		r.Image = rapid.SampledFrom(someImages).Draw(t, "image")
	}
	c := ask(&r)
	x.placeAsByForce(t, c)
}

func TestProperty_Deal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &dealt{running: running{fleet: scheduler.NewFleet()}}
		for range rapid.IntRange(1, 6).Draw(t, "shapes") {
			r := request("r", rapid.Int64Range(0, 3).Draw(t, "cpu"), rapid.Int64Range(0, 3).Draw(t, "memory")<<20)
			for range rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2}).Draw(t, "demands") {
				d := berth.DeviceDemand{Count: 1, Milli: rapid.SampledFrom([]int64{125, 300, 470, 700, 1000}).Draw(t, "milli")}
				if d.Milli == berth.WholeDevice {
					d.Count = rapid.Int64Range(1, 3).Draw(t, "count")
				}
				d.MemoryBytes, d.Linked = max(rapid.Int64Range(-3, 1).Draw(t, "of memory"), 0), d.Count > 1 && rapid.Bool().Draw(t, "linked")
				d.Types = rapid.SliceOfNDistinct(rapid.SampledFrom(deviceTypes), 0, 2, rapid.ID).Draw(t, "types")
				r.Resources.Devices = append(r.Resources.Devices, d)
			}
			x.shapes = append(x.shapes, r)
		}
		for range rapid.IntRange(0, 60).Draw(t, "workers") {
			x.put(t)
		}
		actions := map[string]func(*rapid.T){
			"":       func(t *rapid.T) { checkIndex(t, x.fleet) },
			"put":    x.put,
			"end":    x.end,
			"remove": func(t *rapid.T) { x.fleet.Remove(berth.WorkerID(x.id(t))) },
		}
		for i := range 6 {
			actions[fmt.Sprint("place", i)] = x.place
		}
		t.Repeat(actions)
	})
}
