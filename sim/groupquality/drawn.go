package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// drawn is kinds of traces that nobody has chosen: each number has one, and every second one's
// machines have names that say nothing of the racks.
func drawn(number int) kind {
	r := rand.New(rand.NewPCG(uint64(number), 11))
	k := kind{
		name: fmt.Sprintf("drawn-%d", number), shuffled: number%2 == 1,
		cores: pick(r, 64, 96, 128), sizes: some[int64](r, 2, 3, 4, 6, 8), gpus: some[int64](r, 1, 2, 4, 8),
		part: float64(pick(r, 5, 15, 30, 50)) / 100, single: drawnSingle(r),
	}
	k.cpu = [2]int64{pick(r, 1, 2, 4), k.cores / gpusPerMachine * pick(r, 3, 4, 5) / 4}
	load := 0.5 + 0.3*r.Float64()
	switch r.IntN(3) {
	case 0:
		k.topology = "rack"
		load -= 0.1
	case 1:
		k.other = some(r, 1, 3, 4, 6, 7)
		k.asked = some(r, "a", "a", "b", "b", "b")
	}
	k.loads = []float64{load}
	return k
}

// some is some of them, at least one, in their order.
func some[T any](r *rand.Rand, of ...T) (out []T) {
	for len(out) == 0 {
		for _, one := range of {
			if r.IntN(2) == 0 {
				out = append(out, one)
			}
		}
	}
	return slices.Clip(out)
}

// drawnSingle asks for one of a few sizes, of which some may be whole GPUs.
func drawnSingle(r *rand.Rand) func(*rand.Rand) (gpus, milli int64) {
	shares := make([]int64, r.IntN(8))
	for i := range shares {
		shares[i] = 50 + r.Int64N(19)*50
	}
	counts := some[int64](r, 1, 1, 1, 2, 4)
	return func(r *rand.Rand) (gpus, milli int64) {
		i := r.IntN(len(shares) + len(counts))
		if i < len(shares) {
			return 1, shares[i]
		}
		return counts[i-len(shares)], 1000
	}
}
