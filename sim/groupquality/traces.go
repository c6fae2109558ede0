package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/berthd/berth/sim"
)

// The cluster of all traces: racks of machines with eight GPUs each.
const (
	racks, perRack = 8, 8
	gpusPerMachine = 8
	hour           = 3_600_000 // ms
)

// kind is a kind of trace: single jobs beside groups.
type kind struct {
	name     string
	loads    []float64                            // of all GPUs, on average
	cores    int64                                // of a machine
	sizes    []int64                              // of groups
	gpus     []int64                              // of a member
	topology string                               // of groups
	part     float64                              // of the load that is groups'
	early    bool                                 // the first group comes with the first jobs
	other    []int                                // racks of machines of another type
	asked    []string                             // types, of which one in three jobs asks for one
	shuffled bool                                 // names say nothing of racks
	single   func(*rand.Rand) (gpus, milli int64) // what a single job asks for
	cpu      [2]int64                             // cores for a GPU, at least and at most
}

var kinds = []kind{
	{name: "whole", loads: []float64{0.6, 0.72, 0.81}, cores: 128, sizes: []int64{2, 3, 4}, gpus: []int64{2, 4, 8}, part: 0.3, single: whole, cpu: [2]int64{2, 12}},
	{name: "tight", loads: []float64{0.6, 0.72, 0.81}, cores: 96, sizes: []int64{2, 3, 4}, gpus: []int64{2, 4, 8}, part: 0.3, single: whole, cpu: [2]int64{4, 18}},
	{name: "shares", loads: []float64{0.6, 0.72, 0.81}, cores: 128, sizes: []int64{2, 3, 4}, gpus: []int64{2, 4, 8}, part: 0.3, single: shares, cpu: [2]int64{2, 12}},
	{name: "eights", loads: []float64{0.6, 0.72, 0.81}, cores: 128, sizes: []int64{2, 3, 4}, gpus: []int64{8}, part: 0.3, single: mixed, cpu: [2]int64{2, 12}},
	{name: "types", loads: []float64{0.6, 0.72, 0.81}, cores: 128, sizes: []int64{2, 3, 4}, gpus: []int64{2, 4, 8}, part: 0.3, single: mixed, cpu: [2]int64{2, 12}, other: []int{1, 3, 5, 7}, asked: []string{"a", "b"}},
	{name: "rack-mixed", loads: []float64{0.6, 0.72, 0.81}, cores: 128, sizes: []int64{2, 3, 4}, gpus: []int64{4, 8}, topology: "rack", part: 0.3, single: mixed, cpu: [2]int64{2, 12}},
	{name: "rack-whole", loads: []float64{0.41, 0.55}, cores: 128, sizes: []int64{8}, gpus: []int64{8}, topology: "rack", part: 0.15, single: mixed, cpu: [2]int64{2, 12}},
	{name: "rack-early", loads: []float64{0.41, 0.55}, cores: 128, sizes: []int64{8}, gpus: []int64{8}, topology: "rack", part: 0.15, single: mixed, cpu: [2]int64{2, 12}, early: true},
}

func whole(r *rand.Rand) (gpus, milli int64) {
	return pick(r, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4), 1000
}

func shares(r *rand.Rand) (gpus, milli int64) {
	return 1, pick(r, 100, 200, 250, 300, 400, 500, 500, 600, 700, 810, 1000)
}

func mixed(r *rand.Rand) (gpus, milli int64) {
	if r.IntN(2) == 0 {
		return shares(r)
	}
	return whole(r)
}

func pick(r *rand.Rand, of ...int64) int64 { return of[r.IntN(len(of))] }

func (k *kind) machines() (out []sim.Machine) {
	for i := range racks * perRack {
		m := sim.Machine{
			Name: fmt.Sprintf("m%03d", i), CPUMilli: k.cores * 1000, MemoryMiB: 1 << 20, GPUs: slices.Repeat([]string{"a"}, gpusPerMachine),
			Labels: map[string]string{"rack": fmt.Sprintf("r%d", i/perRack)},
		}
		if slices.Contains(k.other, i/perRack) {
			m.GPUs = slices.Repeat([]string{"b"}, gpusPerMachine)
		}
		out = append(out, m)
	}
	if k.shuffled {
		r := rand.New(rand.NewPCG(1, 9))
		r.Shuffle(len(out), func(a, b int) { out[a].Name, out[b].Name = out[b].Name, out[a].Name })
	}
	return out
}

// jobs arrive so that a part of the GPUs would be given out on average: load.
func (k *kind) jobs(load, hours float64, seed uint64) (out []sim.Job) {
	r := rand.New(rand.NewPCG(seed, 7))
	total := load * racks * perRack * gpusPerMachine * hours * hour
	exp := func(mean, least, most float64) int64 {
		return int64(min(max(r.ExpFloat64()*mean, least), most) * hour)
	}
	one := func() sim.Job { return sim.Job{ArrivalMS: r.Int64N(int64(hours * hour)), Tenant: "default"} }
	for left := total * (1 - k.part); left > 0; {
		j := one()
		j.GPUs, j.GPUMilli = k.single(r)
		j.RunMS = exp(1, 0.05, 8)
		k.size(r, &j)
		left -= float64(j.GPUs*j.GPUMilli) / 1000 * float64(j.RunMS)
		out = append(out, j)
	}
	n := 0
	for left := total * k.part; left > 0; {
		j := one()
		j.GPUs, j.GPUMilli = pick(r, k.gpus...), 1000
		j.RunMS = exp(2, 0.2, 10)
		size := pick(r, k.sizes...)
		k.size(r, &j)
		j.CPUMilli = j.GPUs * k.cores * 1000 / gpusPerMachine * 3 / 4
		if n++; k.early && n == 1 {
			j.ArrivalMS = hour / 4
		}
		j.Group = &sim.Group{Name: fmt.Sprintf("g%04d", n), Size: size, MinCount: size, Topology: k.topology}
		left -= float64(size*j.GPUs) * float64(j.RunMS)
		out = append(out, j)
	}
	slices.SortStableFunc(out, func(a, b sim.Job) int { return cmp.Compare(a.ArrivalMS, b.ArrivalMS) })
	return out
}

func (k *kind) size(r *rand.Rand, j *sim.Job) {
	per := float64(k.cpu[0]) + r.Float64()*float64(k.cpu[1]-k.cpu[0])
	need := float64(j.GPUs*j.GPUMilli) / 1000 * per
	j.CPUMilli = int64(math.Ceil(need)) * 1000
	j.MemoryMiB = j.CPUMilli * 4096 / 1000
	if len(k.asked) > 0 && r.IntN(3) == 0 {
		j.Models = []string{k.asked[r.IntN(len(k.asked))]}
	}
}
