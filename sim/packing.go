package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The percents of the cluster's GPUs that are asked for when a packing experiment is
// looked at, and when it ends.
const (
	packingFull = 100
	packingEnd  = 130
)

// maxArrivals bounds an experiment.
const maxArrivals = 10_000_000

// Packing is the packing experiment of FGD (Weng et al., "Beware of Fragmentation",
// USENIX ATC 2023): the pods of a trace arrive in random order, and then more of
// them, until 130 % of the cluster's GPUs are asked for. None leaves; one that does
// not fit is lost.
type Packing struct{ workload }

// workload is a cluster and what is asked of it.
type workload struct {
	models  map[string]int
	cluster *cluster // as it is before the first arrives
	shapes  []shape
	of      []int // the shape of each pod, in the order of the file
}

func newWorkload(machines []Machine, pods []Pod) workload {
	models := modelsOf(machines, pods)
	w := workload{models: models, cluster: newCluster(machines, models)}
	w.shapes, w.of = shapesOf(pods, models)
	return w
}

// PackingResult is one run of it.
type PackingResult struct {
	Seed         uint64  `json:"seed"`
	Allocated100 float64 `json:"allocated_percent_100"` // of GPU capacity, when 100 % has been asked for
	Allocated130 float64 `json:"allocated_percent_130"`
	Decisions    int     `json:"decisions"`
	Lost         int     `json:"lost"` // pods that did not fit
	PerS         float64 `json:"decisions_per_s"`
}

// NewPacking checks that the experiment has an end.
func NewPacking(machines []Machine, pods []Pod) (*Packing, error) {
	p := &Packing{newWorkload(machines, pods)}
	asked := int64(0)
	for _, s := range p.of {
		asked += p.shapes[s].gpuMilli()
	}
	if p.cluster.capacity == 0 {
		return nil, errors.New("no machine has a GPU: there is nothing to allocate")
	}
	if asked == 0 {
		return nil, errors.New("no request asks for a GPU: the cluster would never be full")
	}
	if arrivals := float64(p.end()) / float64(asked) * float64(len(p.of)); arrivals > maxArrivals {
		return nil, fmt.Errorf("about %.0f requests would have to arrive until %d %% of the GPUs are asked for; at most %d may", arrivals, packingEnd, maxArrivals)
	}
	return p, nil
}

// GPUs is how many the cluster has.
func (p *Packing) GPUs() int64 { return p.cluster.capacity / wholeGPU }

// Machines is how many there are.
func (p *Packing) Machines() int { return len(p.cluster.machines) }

// Pods is how many the trace has.
func (p *Packing) Pods() int { return len(p.of) }

// Shapes is how many of the pods differ.
func (p *Packing) Shapes() int { return len(p.shapes) }

func (p *Packing) end() int64 { return p.cluster.capacity / 100 * packingEnd }

// arrivals is the shapes of the pods as they arrive by a seed: math/rand/v2's PCG,
// seeded with (seed, 0), shuffles the pods from the file's order, and then draws one
// of the file after the other, each as likely as the others, until enough is asked for.
func (p *Packing) arrivals(seed uint64) []int {
	random := rand.New(rand.NewPCG(seed, 0))
	order := slices.Clone(p.of)
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	asked := int64(0)
	for _, s := range order {
		asked += p.shapes[s].gpuMilli()
	}
	for asked < p.end() {
		s := p.of[random.IntN(len(p.of))]
		order = append(order, s)
		asked += p.shapes[s].gpuMilli()
	}
	return order
}

// Run runs the experiment once. Done, which may be nil, is told how many have arrived.
func (p *Packing) Run(ctx context.Context, policy PolicyName, seed uint64, done func(arrived, of int)) (*PackingResult, error) {
	order := p.arrivals(seed)
	c := p.cluster.clone()
	choose, err := newPolicy(policy, &p.workload, c, seed)
	if err != nil {
		return nil, err
	}
	r := &PackingResult{Seed: seed, Decisions: len(order)}
	var asked, allocated int64
	began := time.Now()
	for i, number := range order {
		if i%1024 == 0 {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if done != nil {
				done(i, len(order))
			}
		}
		s := &p.shapes[number]
		at, ok := choose.place(number, false)
		if ok {
			if err := c.take(s, at); err != nil {
				return nil, fmt.Errorf("policy %s, seed %d, request %d: %w", policy, seed, i+1, err)
			}
			allocated += s.gpuMilli()
		} else {
			r.Lost++
		}
		asked += s.gpuMilli()
		if r.Allocated100 == 0 && asked*100 >= c.capacity*packingFull {
			r.Allocated100 = percent(allocated, c.capacity)
		}
	}
	r.Allocated130 = percent(allocated, c.capacity)
	r.PerS = float64(len(order)) / time.Since(began).Seconds()
	return r, nil
}

func percent(of, all int64) float64 { return float64(of) / float64(all) * 100 }

// PackingMeans is the means over seeds.
type PackingMeans struct {
	Allocated100 float64 `json:"allocated_percent_100"`
	Allocated130 float64 `json:"allocated_percent_130"`
	PerS         float64 `json:"decisions_per_s"`
}

// MeansOf is the means of results; of none, zero.
func MeansOf(results []*PackingResult) (m PackingMeans) {
	for _, r := range results {
		n := float64(len(results))
		m.Allocated100 += r.Allocated100 / n
		m.Allocated130 += r.Allocated130 / n
		m.PerS += r.PerS / n
	}
	return m
}
