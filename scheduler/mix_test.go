package scheduler

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func genDemand(t *rapid.T) *berth.Demand {
	return &berth.Demand{
		Quantities: berth.Quantities{CPUMilli: rapid.Int64Range(0, berth.MaxCPUMilli).Draw(t, "cpu"), MemoryBytes: rapid.Int64Range(0, berth.MaxMemoryBytes).Draw(t, "memory")},
		Devices: []berth.DeviceDemand{{
			Types: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "unknown"}), 0, 3, rapid.ID).Draw(t, "types"),
			Count: rapid.Int64Range(1, 8).Draw(t, "count"),
			Milli: rapid.Int64Range(1, berth.WholeDevice).Draw(t, "milli"),
		}},
	}
}

// TestMix_Bounded: whatever is asked for, what is remembered is bounded, and its sums hold.
func TestMix_Bounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMix()
		some := rapid.SliceOfN(rapid.Custom(genDemand), 1, 50).Draw(t, "demands")
		for i := range rapid.IntRange(1, mixWindow+100).Draw(t, "requests") {
			d := *some[i%len(some)]
			d.Devices = []berth.DeviceDemand{d.Devices[0]}
			if i%3 == 0 {
				d.Devices[0].Milli = int64(1 + i%1000) // many shapes
			}
			m.ask(&d)
		}
		sum := int64(0)
		for _, u := range m.sorted() {
			sum += u.weight
			if u.weight <= 0 || u.cpu < 0 || u.memory < 0 {
				t.Fatalf("%+v", u)
			}
		}
		if len(m.shapes) > maxUsual || m.weight > mixWindow*mixUnit || sum != m.weight {
			t.Fatalf("%d shapes of weight %d, their sum is %d", len(m.shapes), m.weight, sum)
		}
	})
}

// TestMix_Forgets: what is not asked for any more is gone after a few windows.
func TestMix_Forgets(t *testing.T) {
	m := newMix()
	ask := func(milli int64, times int) {
		for range times {
			m.ask(&berth.Demand{Devices: []berth.DeviceDemand{{Count: 1, Milli: milli}}})
		}
	}
	ask(300, 1000)
	ask(700, 12*mixWindow)
	if usual := m.sorted(); len(usual) != 1 || usual[0].milli != 700 {
		t.Errorf("%d shapes", len(usual))
	}
}

// TestPrices_Cutting: the prices are those of the dual: no filling of a device is worth
// more than 1, and all that is asked for costs as much as the best cutting does.
func TestPrices_Cutting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		milli := rapid.SliceOfNDistinct(rapid.Int64Range(20, 999), 1, 12, rapid.ID).Draw(t, "sizes")
		var parts []part
		least := 0.0
		for _, m := range milli {
			p := part{m, float64(rapid.IntRange(1, 1000).Draw(t, "demand"))}
			parts = append(parts, p)
			least += p.demand * float64(m) / 1000
		}
		c := newCutting(parts)
		prices := priceParts(parts)
		var f filling
		f.make(parts, prices)
		if f.best() > 1+1e-6 {
			t.Fatalf("a device is worth %v", f.best())
		}
		cost := 0.0
		for i, p := range parts {
			cost += prices[i] * p.demand
		}
		alone := 0.0
		for _, a := range c.amount {
			alone += a
		}
		if cost < least-1e-6 || cost > alone+1e-6 {
			t.Fatalf("devices: %v by the prices, at least %v, one kind of part in each: %v", cost, least, alone)
		}
	})
}

// TestPrices_Openb: 810s are many, and what fits beside them is rare: so it has no
// price, and they cost a device each; two 470 make up one; 320 beside 650, another.
func TestPrices_Openb(t *testing.T) {
	prices := priceParts([]part{{160, 74}, {320, 328}, {470, 750}, {650, 253}, {810, 1078}})
	for i, want := range []float64{0, 1. / 3, .5, 2. / 3, 1} {
		if math.Abs(prices[i]-want) > 1e-6 {
			t.Errorf("price %d is %v, want %v", i, prices[i], want)
		}
	}
}

// TestPrices_Rooms: a room is worth no less than a smaller one, and a whole device
// is worth itself; what a worker's room is worth never grows when some of it is taken.
func TestPrices_Rooms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMix()
		for range rapid.IntRange(0, 60).Draw(t, "requests") {
			m.ask(genDemand(t))
		}
		v := newPrices(&m, map[string]int{"a": 0, "b": 1}, []int64{4, 3})
		for r := range berth.WholeDevice {
			if v.room[r+1] < v.room[r] || v.cpu[r] < 0 || v.memory[r] < 0 {
				t.Fatalf("room %d: %v, one more: %v", r, v.room[r], v.room[r+1])
			}
		}
		var before, after room
		for i := range rapid.IntRange(0, 6).Draw(t, "devices") {
			free := rapid.Int64Range(0, 1000).Draw(t, "free")
			before.free, before.types = append(before.free, free), append(before.types, i%2)
			after.free, after.types = append(after.free, rapid.Int64Range(0, free).Draw(t, "left")), append(after.types, i%2)
		}
		before.cpu, before.memory = float64(rapid.IntRange(0, 100_000).Draw(t, "cpu")), float64(rapid.IntRange(0, 100_000).Draw(t, "memory"))
		after.cpu, after.memory = math.Floor(before.cpu*rapid.Float64Range(0, 1).Draw(t, "part")), before.memory
		before.parts, after.parts = v.partsOf(&before, nil), v.partsOf(&after, nil)
		if len(before.free) > 0 && v.countShapes(&after) > v.countShapes(&before)+1e-6 {
			t.Fatalf("%+v counts %v, %+v %v", before, v.countShapes(&before), after, v.countShapes(&after))
		}
		if w := v.worth(&before); w < 0 || math.IsNaN(w) || math.IsInf(w, 0) {
			t.Fatalf("%+v is worth %v", before, w)
		}
	})
}

func TestHalfOctave(t *testing.T) {
	last := uint8(0)
	for _, v := range []int64{0, 1, 2, 3, 4, 6, 8, 12, 16, berth.MaxCPUMilli, math.MaxInt64} {
		got := halfOctave(v)
		if got < last || got == last && v > 0 {
			t.Errorf("%d is in %d, the one before in %d", v, got, last)
		}
		last = got
	}
	if halfOctave(4) != halfOctave(5) || halfOctave(6) != halfOctave(7) {
		t.Error("4 and 5, 6 and 7 are not together")
	}
}

func BenchmarkPrices(b *testing.B) {
	for _, shapes := range []int{25, 400} {
		b.Run(fmt.Sprintf("shapes=%d", shapes), func(b *testing.B) {
			m := newMix()
			for i := range 4 * shapes {
				m.ask(&berth.Demand{Quantities: berth.Quantities{CPUMilli: int64(i) << (i % 8)}, Devices: []berth.DeviceDemand{{Count: 1, Milli: int64(1000 - i*37%(2*shapes))}}})
			}
			for b.Loop() {
				newPrices(&m, map[string]int{"": 0}, []int64{1000})
			}
		})
	}
}
