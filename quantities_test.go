package berth_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func genQuantities(t *rapid.T, label string) berth.Quantities {
	amount := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 1<<60))
	q := berth.Quantities{
		CPUMilli:    amount.Draw(t, label+" cpu"),
		MemoryBytes: amount.Draw(t, label+" memory"),
		DiskBytes:   amount.Draw(t, label+" disk"),
		Custom:      rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.Int64Range(1, 9), 0, 3).Draw(t, label+" custom"),
	}
	if len(q.Custom) == 0 {
		q.Custom = nil
	}
	return q
}

func TestProperty_QuantitiesPlusMinus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genQuantities(t, "a"), genQuantities(t, "b")
		ab, err := a.Plus(b)
		if err != nil {
			t.Fatalf("plus: %v", err)
		}
		ba, err := b.Plus(a)
		if err != nil || !cmp.Equal(ab, ba) {
			t.Fatalf("a+b = %+v, b+a = %+v, %v", ab, ba, err)
		}
		if !a.Within(ab) || !b.Within(ab) {
			t.Fatalf("%+v and %+v are not within %+v", a, b, ab)
		}
		back, err := ab.Minus(b)
		if diff := cmp.Diff(a, back); err != nil || diff != "" {
			t.Fatalf("a+b-b (-a +got): %v\n%s", err, diff)
		}
		if _, err := a.Minus(b); (err == nil) != b.Within(a) {
			t.Fatalf("minus: %v, but within: %t", err, b.Within(a))
		}
		if a.Equal(b) != cmp.Equal(a, b) {
			t.Fatalf("equal: %t", a.Equal(b))
		}
	})
}

// TestQuantitiesPlus_SharesNoMap: a ledger's value must outlive what is made of it.
func TestQuantitiesPlus_SharesNoMap(t *testing.T) {
	a := berth.Quantities{Custom: map[string]int64{"x": 1}}
	sum, err := a.Plus(berth.Quantities{})
	if err != nil {
		t.Fatal(err)
	}
	sum.Custom["x"] = 9
	if a.Custom["x"] != 1 {
		t.Error("the sum shares its map with a summand")
	}
}

func TestQuantities_Overflow(t *testing.T) {
	most := int64(math.MaxInt64)
	custom := func(v int64) berth.Quantities { return berth.Quantities{Custom: map[string]int64{"x": v}} }
	tests := []struct {
		name string
		a, b berth.Quantities
		op   func(a, b berth.Quantities) (berth.Quantities, error)
	}{
		{"cpu above", berth.Quantities{CPUMilli: most}, berth.Quantities{CPUMilli: 1}, berth.Quantities.Plus},
		{"memory above", berth.Quantities{MemoryBytes: 1}, berth.Quantities{MemoryBytes: most}, berth.Quantities.Plus},
		{"disk above", berth.Quantities{DiskBytes: most}, berth.Quantities{DiskBytes: most}, berth.Quantities.Plus},
		{"custom above", custom(most), custom(1), berth.Quantities.Plus},
		{"negative summand", berth.Quantities{CPUMilli: 5}, berth.Quantities{CPUMilli: -1}, berth.Quantities.Plus},
		{"negative sum", berth.Quantities{CPUMilli: -5}, berth.Quantities{CPUMilli: 1}, berth.Quantities.Plus},
		{"cpu below", berth.Quantities{CPUMilli: 1}, berth.Quantities{CPUMilli: 2}, berth.Quantities.Minus},
		{"memory below", berth.Quantities{}, berth.Quantities{MemoryBytes: 1}, berth.Quantities.Minus},
		{"disk below", berth.Quantities{}, berth.Quantities{DiskBytes: 1}, berth.Quantities.Minus},
		{"custom below", custom(1), custom(2), berth.Quantities.Minus},
		{"custom absent", berth.Quantities{}, custom(1), berth.Quantities.Minus},
		{"negative taken", berth.Quantities{CPUMilli: 5}, berth.Quantities{CPUMilli: -1}, berth.Quantities.Minus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.op(tt.a, tt.b); !errors.Is(err, berth.ErrOverflow) {
				t.Errorf("got %+v, %v; want ErrOverflow", got, err)
			}
		})
	}
}
