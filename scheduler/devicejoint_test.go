package scheduler_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// machine is a worker with as much free of each of its devices.
func machine(devices []berth.Device, free []int64) scheduler.Worker {
	w := worker("w", 9000, 9<<30)
	w.Ledger.Capacity.Devices, w.Ledger.Count = devices, 1
	for i, d := range devices {
		if used := berth.WholeDevice - free[i]; used > 0 {
			w.Ledger.Reserved.Devices = append(w.Ledger.Reserved.Devices, berth.DeviceShare{Name: d.Name, Milli: used})
		}
	}
	return w
}

func demanding(demands ...berth.DeviceDemand) *berth.Request {
	r := request("r", 0, 0)
	r.Resources.Devices = demands
	return r
}

// Of demands that compete it is told how many devices are to be freed for all of them.
func TestDiagnose_DemandsThatCompete(t *testing.T) {
	t.Parallel()
	of := func(count, milli int64, types ...string) berth.DeviceDemand {
		return berth.DeviceDemand{Types: types, Count: count, Milli: milli}
	}
	three := []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "h100"}}
	for _, tt := range []struct {
		name    string
		devices []berth.Device
		free    []int64
		demands []berth.DeviceDemand
		want    string
	}{
		{"both count the one that is free", three, []int64{400, 400, 1000}, []berth.DeviceDemand{of(2, 700, "h100"), of(1, 1000, "h100")}, "[devices h100 + h100: 3, 1 of 3]"},
		{"one freed", three, []int64{1000, 400, 1000}, []berth.DeviceDemand{of(1, 1000, "h100"), of(2, 700, "h100")}, "[devices h100 + h100: 3, 2 of 3]"},
		{"a part beside whole ones", three, []int64{400, 400, 1000}, []berth.DeviceDemand{of(2, 1000, "h100"), of(1, 500, "h100")}, "[devices h100 + h100: 3, 1 of 3]"},
		{"a part that has room elsewhere", three, []int64{600, 400, 1000}, []berth.DeviceDemand{of(2, 1000, "h100"), of(1, 500, "h100")}, "[devices h100: 2, 1 of 3]"},
		{"three parts would be on two", three, []int64{0, 0, 0}, []berth.DeviceDemand{of(1, 500, "h100"), of(1, 501, "h100"), of(1, 499, "h100")}, "[devices h100 + h100 + h100: 2, 0 of 3]"},
		{
			"any, and the type of which one is free",
			[]berth.Device{{Name: "g0", Type: "a100"}, {Name: "g1", Type: "a100"}, {Name: "g2", Type: "h100"}},
			[]int64{1000, 0, 0},
			[]berth.DeviceDemand{of(1, 1000), of(1, 1000, "a100")},
			"[devices a100 + any: 2, 1 of 3]",
		},
		{
			"a type that has too few in all",
			[]berth.Device{{Name: "g0", Type: "a100"}, {Name: "g1", Type: "h100"}, {Name: "g2", Type: "h100"}},
			[]int64{1000, 0, 0},
			[]berth.DeviceDemand{of(2, 1000, "a100", "h100")},
			"[devices a100,h100: 2, 0 of 2]",
		},
		{"never", three[:2], []int64{1000, 0}, []berth.DeviceDemand{of(2, 1000, "h100"), of(1, 1000, "h100")}, "[devices h100: 2, 1 of 2]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fleet(machine(tt.devices, tt.free))
			for range 2 {
				var got []string
				for _, r := range f.Diagnose(ask(demanding(tt.demands...))).Nearest.Reasons {
					got = append(got, fmt.Sprintf("%s %s: %d, %d of %d", r.Code, r.Detail, r.Want, r.Best, r.Total))
				}
				if fmt.Sprint(got) != tt.want {
					t.Errorf("%v: got %v, want %v", tt.demands, got, tt.want)
				}
				slices.Reverse(tt.demands)
			}
		})
	}
}

// bruteFit tries every set of devices for every demand.
func bruteFit(devices []berth.Device, free []int64, demands []berth.DeviceDemand) bool {
	if len(demands) == 0 {
		return true
	}
	d := &demands[0]
	for set := range 1 << len(devices) {
		if int64(bits.OnesCount(uint(set))) != d.Count {
			continue
		}
		first, rest, ok := bits.TrailingZeros(uint(set)), slices.Clone(free), true
		for i, v := range devices {
			if set&(1<<i) == 0 {
				continue
			}
			rest[i] -= d.Milli
			ok = ok && rest[i] >= 0 && v.MemoryBytes >= d.MemoryBytes && v.Type == devices[first].Type && (len(d.Types) == 0 || slices.Contains(d.Types, v.Type))
			ok = ok && (!d.Linked || v.Link != "" && v.Link == devices[first].Link)
		}
		if ok && bruteFit(devices, rest, demands[1:]) {
			return true
		}
	}
	return false
}

// bruteAdvice says whether it fits with so many devices freed, and with a part of one more having as much room as each of
// parts wants.
func bruteAdvice(devices []berth.Device, free []int64, demands []berth.DeviceDemand, freed int, parts []berth.Reason) bool {
	if len(parts) > 0 {
		for i := range devices {
			if free[i] != parts[0].Best {
				continue
			}
			more := slices.Clone(free)
			if more[i] = parts[0].Want; bruteAdvice(devices, more, demands, freed, parts[1:]) {
				return true
			}
		}
		return false
	}
	for set := range 1 << len(devices) {
		if bits.OnesCount(uint(set)) != freed {
			continue
		}
		more := slices.Clone(free)
		for i := range devices {
			if set&(1<<i) != 0 {
				more[i] = berth.WholeDevice
			}
		}
		if bruteFit(devices, more, demands) {
			return true
		}
	}
	return false
}

// With as many devices freed as the nearest worker is told to lack, the request fits there; with fewer it does not; and no
// order of its demands changes what is told.
func TestDiagnose_DevicesToFree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var devices []berth.Device
		var free []int64
		for i := range rapid.IntRange(1, 5).Draw(t, "devices") {
			devices = append(devices, berth.Device{
				Name: fmt.Sprintf("g%d", i), Type: rapid.SampledFrom([]string{"h100", "h100", "a100"}).Draw(t, "type"),
				MemoryBytes: rapid.Int64Range(1, 2).Draw(t, "memory"), Link: rapid.SampledFrom([]string{"", "x", "x"}).Draw(t, "link"),
			})
			free = append(free, rapid.SampledFrom([]int64{0, 300, 400, 700, 1000, 1000}).Draw(t, "free"))
		}
		var demands []berth.DeviceDemand
		for range rapid.IntRange(1, 4).Draw(t, "demands") {
			d := berth.DeviceDemand{Count: rapid.Int64Range(1, 2).Draw(t, "count"), Milli: rapid.SampledFrom([]int64{300, 500, 700, 1000, 1000}).Draw(t, "milli")}
			d.Types = rapid.SampledFrom([][]string{nil, {"h100"}, {"h100"}, {"a100"}, {"a100", "h100"}}).Draw(t, "types")
			d.MemoryBytes, d.Linked = max(rapid.Int64Range(-3, 2).Draw(t, "of memory"), 0), d.Count > 1 && rapid.IntRange(0, 3).Draw(t, "linked") == 0
			demands = append(demands, d)
		}
		got := fleet(machine(devices, free)).Diagnose(ask(demanding(demands...)))
		other := fleet(machine(devices, free)).Diagnose(ask(demanding(rapid.Permutation(demands).Draw(t, "in another order")...)))
		if diff := cmp.Diff(got, other); diff != "" {
			t.Fatalf("in another order:\n%s", diff)
		}
		if got.Nearest == nil || !got.Nearest.Could {
			return
		}
		freed, parts := 0, []berth.Reason(nil)
		for _, r := range got.Nearest.Reasons {
			if r.Code == berth.ReasonDeviceMilli {
				parts = append(parts, r)
				continue
			}
			if r.Best < 0 || r.Best >= r.Want {
				t.Fatalf("%+v", r)
			}
			freed += int(r.Want - r.Best)
		}
		if !bruteAdvice(devices, free, demands, freed, parts) {
			t.Fatalf("%v free of %+v, %+v: freeing as told does not help: %+v", free, devices, demands, got.Nearest.Reasons)
		}
		if freed > 0 && len(parts) == 0 && bruteAdvice(devices, free, demands, freed-1, nil) {
			t.Fatalf("%v free of %+v, %+v: fewer would do than %+v", free, devices, demands, got.Nearest.Reasons)
		}
	})
}
