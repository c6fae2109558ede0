package scheduler

import "math/bits"

// Loads are compared exactly: a rounded load would break ties by rounding, and
// equal requests would not spread evenly over equal workers.

// fraction is num/den; x/0 stands above every other, and 0/0 does not occur.
type fraction struct{ num, den uint64 }

func (a fraction) less(b fraction) bool {
	ahi, alo := bits.Mul64(a.num, b.den)
	bhi, blo := bits.Mul64(b.num, a.den)
	return ahi < bhi || (ahi == bhi && alo < blo)
}

// wide is a sum over a pool: disks alone may exceed 64 bits.
type wide struct{ hi, lo uint64 }

func (w wide) plus(v uint64) wide {
	lo, carry := bits.Add64(w.lo, v, 0)
	return wide{w.hi + carry, lo}
}

func (w wide) minus(v uint64) wide {
	lo, borrow := bits.Sub64(w.lo, v, 0)
	return wide{w.hi - borrow, lo}
}

// times is w * v, for a v that keeps it within 128 bits.
func (w wide) times(v uint64) wide {
	hi, lo := bits.Mul64(w.lo, v)
	return wide{hi + w.hi*v, lo}
}

func (w wide) isZero() bool { return w == wide{} }

// product is w * v in 192 bits.
func (w wide) product(v uint64) (top uint64, low wide) {
	carry, lo := bits.Mul64(w.lo, v)
	top, mid := bits.Mul64(w.hi, v)
	mid, c := bits.Add64(mid, carry, 0)
	return top + c, wide{mid, lo}
}

// ceiling is a load not to be reached: num/den over a pool.
type ceiling struct{ num, den wide }

// above says whether load f is strictly under the ceiling.
func (c ceiling) above(f fraction) bool {
	if c.num.hi|c.den.hi == 0 {
		return f.less(fraction{c.num.lo, c.den.lo})
	}
	ltop, l := c.den.product(f.num)
	rtop, r := c.num.product(f.den)
	if ltop != rtop {
		return ltop < rtop
	}
	return l.hi < r.hi || (l.hi == r.hi && l.lo < r.lo)
}
