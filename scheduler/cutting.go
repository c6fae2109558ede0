package scheduler

import "github.com/berthd/berth"

// Devices are cut into parts like rolls of paper. How few devices do for the parts
// that are usual, each as often as it is asked for, is the cutting stock problem; its
// dual gives each part a price in devices, so that no way to fill a device is worth
// more than 1, and the ways that waste least are worth 1 (Gilmore and Gomory, "A
// linear programming approach to the cutting-stock problem", 1961). A part that fits
// only where otherwise nothing would, and is rarer than such holes, has no price; one
// that leaves a hole for which too little is asked has the hole in its own.

// maxPivots bounds the simplex; the prices after so many are good, if not the best.
const maxPivots = 400

// tiny is what is taken for zero.
const tiny = 1e-9

// part is a size of which much is asked: thousandths of a device.
type part struct {
	milli  int64
	demand float64
}

// priceParts is the price of each part. No product is added to anything unrounded
// (float64(a*b)): some machines would round once instead of twice, and choose another
// of several best solutions.
func priceParts(parts []part) []float64 {
	c := newCutting(parts)
	for range maxPivots {
		c.price()
		if c.fill.best() <= 1+1e-7 {
			break
		}
		if !c.pivot() {
			break
		}
	}
	return c.prices
}

// cutting is the revised simplex: a basis of as many ways to fill a device as there
// are parts.
type cutting struct {
	parts   []part
	inverse [][]float64 // of the basis: a row for each way in it
	amount  []float64   // of each way in the basis
	prices  []float64   // of each part
	fill    filling
	column  []float64
	move    []float64
}

// newCutting begins with the ways that hold one kind of part only.
func newCutting(parts []part) *cutting {
	n := len(parts)
	c := &cutting{parts: parts, amount: make([]float64, n), prices: make([]float64, n), column: make([]float64, n), move: make([]float64, n)}
	for i, p := range parts {
		row := make([]float64, n)
		times := float64(berth.WholeDevice / p.milli)
		row[i] = 1 / times
		c.inverse = append(c.inverse, row)
		c.amount[i] = p.demand / times
	}
	return c
}

// price finds the prices that the basis gives, and the way worth most by them.
func (c *cutting) price() {
	for j := range c.prices {
		sum := 0.0
		for i := range c.inverse {
			sum += c.inverse[i][j]
		}
		c.prices[j] = max(sum, 0)
	}
	c.fill.make(c.parts, c.prices)
}

// pivot takes the best way into the basis; false: the basis is as good as it gets.
func (c *cutting) pivot() bool {
	c.fill.countBest(c.column)
	leaves := -1
	least := 0.0
	for i, row := range c.inverse {
		sum := 0.0
		for j, times := range c.column {
			if times != 0 {
				sum += float64(row[j] * times)
			}
		}
		c.move[i] = sum
		if sum > tiny {
			if ratio := c.amount[i] / sum; leaves < 0 || ratio < least-tiny {
				leaves, least = i, ratio
			}
		}
	}
	if leaves < 0 {
		return false
	}
	out := c.inverse[leaves]
	for j := range out {
		out[j] /= c.move[leaves]
	}
	for i, row := range c.inverse {
		if i == leaves || c.move[i] == 0 {
			continue
		}
		for j := range row {
			row[j] -= float64(c.move[i] * out[j])
		}
		c.amount[i] = max(c.amount[i]-float64(c.move[i]*least), 0)
	}
	c.amount[leaves] = least
	return true
}

// filling is the best that each room of a device can be filled with.
type filling struct {
	parts []part
	worth [berth.WholeDevice + 1]float64
	last  [berth.WholeDevice + 1]int // the part that comes last in it; -1: the room below is as good
}

func (f *filling) best() float64 { return f.worth[berth.WholeDevice] }

func (f *filling) make(parts []part, prices []float64) {
	f.parts = parts
	f.last[0] = -1
	for room := int64(1); room <= berth.WholeDevice; room++ {
		f.worth[room], f.last[room] = f.worth[room-1], -1
		for i := range parts {
			if rest := room - parts[i].milli; rest >= 0 {
				if w := prices[i] + f.worth[rest]; w > f.worth[room]+tiny {
					f.worth[room], f.last[room] = w, i
				}
			}
		}
	}
}

// countBest counts the parts in a whole device that is filled best.
func (f *filling) countBest(times []float64) {
	clear(times)
	for room := berth.WholeDevice; room > 0; {
		if i := f.last[room]; i >= 0 {
			times[i]++
			room -= f.parts[i].milli
			continue
		}
		room--
	}
}
