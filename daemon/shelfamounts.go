package daemon

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// wanted is what something needs of its quota.
type wanted struct {
	request *berth.Request
	times   int64 // so many equal ones
	counted bool  // it may be counted already: then it is allowed, whatever there is
}

// amount is what is needed of one of some dimensions, or of all of them; of none: of whichever.
type amount struct {
	of    []berth.Dimension
	least int64
	most  int64
}

// bounds are notes: of amountsNoted amounts the least, and then the most, below zero.
type bounds [2 * amountsNoted]int64

const (
	amountsNoted = 7
	unbounded    = math.MaxInt64 - 1
)

// amounts are in an order that is the same for all that need the same dimensions. Devices may be
// of any type that a demand names: it needs no less than it asks for of one of them,
// and no more than all demands do of each; several requests together, of all of them. Those of a demand that names none are of no dimension: whoever judges it knows which
// types there are.
func (w *wanted) amounts() []amount {
	r := &w.request.Resources
	var out []amount
	plain := func(d berth.Dimension, v int64) {
		out = append(out, amount{of: []berth.Dimension{d}, least: v, most: v})
	}
	for _, d := range []berth.Dimension{berth.DimensionCPU, berth.DimensionMemory, berth.DimensionDisk} {
		plain(d, w.times*demandOf(w.request, d))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Custom)) {
		plain(berth.CustomDimension(name), w.times*r.Custom[name])
	}
	var all int64
	for i := range r.Devices {
		all += w.times * r.Devices[i].Count * r.Devices[i].Milli
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		one := amount{least: w.times * d.Count * d.Milli, most: all}
		for _, kind := range d.Types {
			one.of = append(one.of, berth.DeviceDimension(kind))
		}
		out = append(out, one)
	}
	return out
}

// sortOf names the dimensions of amounts: empty for those that all requests have.
func sortOf(amounts []amount) string {
	var b strings.Builder
	for _, a := range amounts[3:] {
		for _, d := range a.of {
			b.WriteString(string(d) + " ")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// boundsOf notes amounts. What has more of them than are noted is not passed by as needing too
// little; what may be counted already, not as needing too much either.
func (w *wanted) boundsOf(amounts []amount) (b bounds) {
	for i, a := range amounts[:min(len(amounts), amountsNoted)] {
		b[i], b[amountsNoted+i] = a.least, -a.most
	}
	if w.counted || len(amounts) > amountsNoted {
		b[amountsNoted] = -math.MaxInt64
	}
	for i := range amountsNoted {
		if w.counted {
			b[i] = math.MinInt64
		}
	}
	return b
}
