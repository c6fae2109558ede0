package scheduler

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestProperty_Exact compares the arithmetic of loads with math/big.
func TestProperty_Exact(t *testing.T) {
	wideOf := func(w wide) *big.Int {
		v := new(big.Int).Lsh(new(big.Int).SetUint64(w.hi), 64)
		return v.Add(v, new(big.Int).SetUint64(w.lo))
	}
	mul := func(a *big.Int, b uint64) *big.Int { return new(big.Int).Mul(a, new(big.Int).SetUint64(b)) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := genFraction(t), genFraction(t)
		less := mul(new(big.Int).SetUint64(a.num), b.den).Cmp(mul(new(big.Int).SetUint64(b.num), a.den)) < 0
		if a.less(b) != less {
			t.Fatalf("%v less than %v: %t", a, b, !less)
		}
		if x, y := a.roughly(), b.roughly(); x < y && !a.less(b) || x > y && !b.less(a) {
			t.Fatalf("%v is roughly %d, and %v %d", a, x, b, y)
		}
		w := wide{rapid.Uint64Max(1<<40).Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
		if got := w.plus(a.num).minus(a.num); got != w {
			t.Fatalf("%v plus and minus %d: %v", w, a.num, got)
		}
		if got := wideOf(w.times(5)); got.Cmp(mul(wideOf(w), 5)) != 0 {
			t.Fatalf("%v times 5: %v", w, got)
		}
		c := ceiling{num: w, den: wide{rapid.Uint64Max(1<<40).Draw(t, "den hi"), rapid.Uint64().Draw(t, "den lo")}}
		if rapid.Bool().Draw(t, "near") {
			c = ceiling{num: wide{}.plus(a.num).times(1 << 40).plus(rapid.Uint64Max(1).Draw(t, "more")), den: wide{}.plus(a.den).times(1 << 40)}
		}
		want := mul(wideOf(c.den), a.num).Cmp(mul(wideOf(c.num), a.den)) < 0
		if got := c.above(a); got != want {
			t.Fatalf("%v above %v: %t", c, a, got)
		}
	})
}

func genFraction(t *rapid.T) fraction {
	return fraction{rapid.Uint64().Draw(t, "num"), rapid.Uint64Min(1).Draw(t, "den")}
}
