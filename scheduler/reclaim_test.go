package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

func genHoldings(t *rapid.T, most int, dims ...berth.Dimension) (of []scheduler.Holding) {
	for i := range rapid.IntRange(0, most).Draw(t, "holdings") {
		h := scheduler.Holding{
			Request: berth.RequestID(fmt.Sprintf("r%03d", i)), Priority: rapid.Int32Range(0, 2).Draw(t, "priority"),
			Placed: rapid.Int64Range(0, 5).Draw(t, "placed"), Amounts: berth.Amounts{},
		}
		if rapid.IntRange(0, 3).Draw(t, "grouped") == 0 {
			h.Group = rapid.SampledFrom([]berth.GroupID{"g", "h"}).Draw(t, "group")
		}
		for _, d := range dims {
			h.Amounts[d] = rapid.Int64Range(0, 4).Draw(t, string(d))
		}
		of = append(of, h)
	}
	return of
}

// bundles are what ends together, in the order in which it matters.
func bundles(of []scheduler.Holding) (all [][]scheduler.Holding) {
	groups := map[berth.GroupID][]scheduler.Holding{}
	for _, h := range of {
		if h.Group == "" {
			all = append(all, []scheduler.Holding{h})
		} else {
			groups[h.Group] = append(groups[h.Group], h)
		}
	}
	all = slices.AppendSeq(all, maps.Values(groups))
	rank := func(b []scheduler.Holding) (p int32, at int64, id berth.RequestID) {
		p, at, id = b[0].Priority, b[0].Placed, b[0].Request
		for _, h := range b {
			p, at, id = max(p, h.Priority), min(at, h.Placed), min(id, h.Request)
		}
		return p, at, id
	}
	slices.SortFunc(all, func(a, b []scheduler.Holding) int {
		p, at, id := rank(a)
		q, bt, jd := rank(b)
		return cmp.Or(cmp.Compare(p, q), cmp.Compare(bt, at), cmp.Compare(id, jd))
	})
	return all
}

func suffices(some []scheduler.Holding, need berth.Amounts) bool {
	for d, v := range need {
		for _, h := range some {
			v -= h.Amounts[d]
		}
		if v > 0 {
			return false
		}
	}
	return true
}

// capped is what can be had of what is needed.
func capped(need berth.Amounts, of []scheduler.Holding) berth.Amounts {
	out := berth.Amounts{}
	for d, v := range need {
		has := int64(0)
		for _, h := range of {
			has += h.Amounts[d]
		}
		out[d] = min(v, has)
	}
	return out
}

// bruteReclaim tries every set: the fewest, then what matters least, compared from what matters most.
func bruteReclaim(need berth.Amounts, of []scheduler.Holding) (best []int) {
	all, found, cost := bundles(of), false, 0
	for bits := range 1 << len(all) {
		var some []scheduler.Holding
		var at []int
		for i, b := range slices.Backward(all) {
			if bits>>i&1 == 1 {
				some, at = append(some, b...), append(at, i)
			}
		}
		if !suffices(some, need) {
			continue
		}
		if !found || cmp.Or(cmp.Compare(len(some), cost), slices.Compare(at, best)) < 0 {
			best, cost, found = at, len(some), true
		}
	}
	return best
}

// TestProperty_ReclaimFewest: what is stopped is what the rule names.
func TestProperty_ReclaimFewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := genHoldings(t, 9, berth.DimensionCPU, berth.DimensionMemory)
		need := berth.Amounts{berth.DimensionCPU: rapid.Int64Range(0, 20).Draw(t, "cpu"), berth.DimensionMemory: rapid.Int64Range(0, 20).Draw(t, "memory")}
		got := scheduler.Reclaim(need, of)
		all := bundles(of)
		var want []berth.RequestID
		for _, i := range slices.Backward(bruteReclaim(capped(need, of), of)) {
			b := all[i]
			slices.SortFunc(b, func(x, y scheduler.Holding) int { return cmp.Compare(x.Request, y.Request) })
			for _, h := range b {
				want = append(want, h.Request)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v are to end for %v of %v, want %v", got, need, of, want)
		}
	})
}

// TestProperty_ReclaimMany is beyond what is searched through: what ends suffices, none of it could be spared,
// and of a group all ends or nothing.
func TestProperty_ReclaimMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := genHoldings(t, 120, berth.DimensionCPU, berth.DimensionMemory, berth.DimensionDisk)
		need := berth.Amounts{}
		for _, d := range []berth.Dimension{berth.DimensionCPU, berth.DimensionMemory, berth.DimensionDisk} {
			need[d] = rapid.Int64Range(0, 200).Draw(t, string(d))
		}
		got := scheduler.Reclaim(need, of)
		need = capped(need, of)
		ended := func(but int) (some []scheduler.Holding) {
			for i, b := range bundles(of) {
				n := 0
				for _, h := range b {
					if slices.Contains(got, h.Request) {
						n++
					}
				}
				if n != 0 && n != len(b) {
					t.Fatalf("of %v only %d end", b, n)
				}
				if n > 0 && i != but {
					some = append(some, b...)
				}
			}
			return some
		}
		if !suffices(ended(-1), need) {
			t.Fatalf("%v are not enough for %v", got, need)
		}
		for i, b := range bundles(of) {
			if slices.Contains(got, b[0].Request) && suffices(ended(i), need) {
				t.Fatalf("%v need not end for %v", b, need)
			}
		}
	})
}

// Of a thousand of one size the youngest end, as many as are needed.
func TestReclaim_ManyAlike(t *testing.T) {
	var of []scheduler.Holding
	for i := range 1000 {
		of = append(of, scheduler.Holding{Request: berth.RequestID(fmt.Sprintf("r%04d", i)), Placed: int64(i), Amounts: berth.Amounts{berth.DimensionCPU: 250}})
	}
	got := scheduler.Reclaim(berth.Amounts{berth.DimensionCPU: 300*250 - 1}, of)
	if len(got) != 300 || got[0] != "r0999" || got[299] != "r0700" {
		t.Errorf("%d are to end, from %s to %s", len(got), got[0], got[len(got)-1])
	}
}

func BenchmarkReclaim(b *testing.B) {
	var of []scheduler.Holding
	for i := range 10_000 {
		of = append(of, scheduler.Holding{Request: berth.RequestID(fmt.Sprintf("r%05d", i)), Placed: int64(i), Amounts: berth.Amounts{berth.DimensionCPU: int64(250 + i%7*50)}})
	}
	for b.Loop() {
		scheduler.Reclaim(berth.Amounts{berth.DimensionCPU: 100_000}, of)
	}
}
