package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

const wholeGPU = berth.WholeDevice

// PolicyName is a way to choose where a request goes.
type PolicyName string

// The policies. Berth is the scheduler as it is; the others are what it is compared with.
const (
	PolicyBerth   PolicyName = "berth"
	PolicyFGD     PolicyName = "fgd"
	PolicyBestFit PolicyName = "bestfit"
	PolicySpread  PolicyName = "spread"
	PolicyRandom  PolicyName = "random"
)

// Policies is all of them.
var Policies = []PolicyName{PolicyBerth, PolicyFGD, PolicyBestFit, PolicySpread, PolicyRandom}

// UnmarshalText rejects every word that is not a policy.
func (p *PolicyName) UnmarshalText(b []byte) error {
	if !slices.Contains(Policies, PolicyName(b)) {
		return &berth.FieldError{Field: "policy", Value: string(b), Problem: "is unknown", Bound: strings.Join(PolicyNames(), ", ")}
	}
	*p = PolicyName(b)
	return nil
}

// PolicyNames are their words.
func PolicyNames() (words []string) {
	for _, p := range Policies {
		words = append(words, string(p))
	}
	return words
}

// policy chooses where requests go. The caller reserves what was placed, and gives
// back what has ended, before it asks again.
type policy interface {
	// place is for the next request of a shape, or one for which it was asked before; false: it fits nowhere.
	place(shape int, again bool) (at place, ok bool)
	// end says that one which was placed has ended.
	end(shape int, at place)
	// hold says what runs already, and release that it has ended.
	hold(h *held) error
	release(h *held)
}

// stateless is a policy that knows nothing but the cluster.
type stateless struct{}

func (stateless) end(int, place) {}

func (stateless) hold(*held) error { return nil }

func (stateless) release(*held) {}

func newPolicy(name PolicyName, p *workload, c *cluster, seed uint64) (policy, error) {
	switch name {
	case PolicyBerth:
		return newFleetPolicy(p, c)
	case PolicyFGD:
		return newFGD(p, c), nil
	case PolicyBestFit, PolicySpread:
		return newFitness(p, c, name == PolicySpread), nil
	case PolicyRandom:
		return &randomPolicy{shapes: p.shapes, cluster: c, random: rand.New(rand.NewPCG(seed, 1))}, nil
	}
	return nil, fmt.Errorf("policy %q is unknown: %s", name, strings.Join(PolicyNames(), ", "))
}

// tightest is the GPUs of m, of one model, with the least room that suffices for s, which fits.
func tightest(m *machine, s *shape, to []int) []int {
	to = to[:0]
	model := m.modelFor(s)
	for range s.gpus {
		best := -1
		for g, free := range m.free {
			if m.modelOf(g) == model && free >= s.milli && !slices.Contains(to, g) && (best < 0 || free < m.free[best]) {
				best = g
			}
		}
		to = append(to, best)
	}
	return to
}

// randomPolicy takes any machine with room, each as likely as the others.
type randomPolicy struct {
	stateless
	shapes  []shape
	cluster *cluster
	random  *rand.Rand
	gpus    []int
	fits    []int
}

func (r *randomPolicy) place(number int, _ bool) (place, bool) {
	s := &r.shapes[number]
	r.fits = r.fits[:0]
	for i := range r.cluster.machines {
		if r.cluster.machines[i].fits(s) {
			r.fits = append(r.fits, i)
		}
	}
	if len(r.fits) == 0 {
		return place{}, false
	}
	at := r.fits[r.random.IntN(len(r.fits))]
	r.gpus = tightest(&r.cluster.machines[at], s, r.gpus)
	return place{at, r.gpus}, true
}

// fitness is best fit as published with FGD: CPU and GPUs that stay free, as parts of
// the largest machine's, the less the better, in whole percents; of equals the first
// name. Spread is the opposite.
type fitness struct {
	stateless
	shapes   []shape
	cluster  *cluster
	cpu, gpu float64 // of the largest machine
	spread   bool
	gpus     []int
}

func newFitness(p *workload, c *cluster, spread bool) *fitness {
	f := &fitness{shapes: p.shapes, cluster: c, spread: spread, cpu: 1, gpu: 1}
	for i := range c.machines {
		f.cpu = max(f.cpu, float64(c.machines[i].cpu))
		f.gpu = max(f.gpu, float64(c.machines[i].gpuMilli()))
	}
	return f
}

func (f *fitness) place(number int, _ bool) (place, bool) {
	s := &f.shapes[number]
	best, most := -1, 0
	for i := range f.cluster.machines {
		m := &f.cluster.machines[i]
		if !m.fits(s) {
			continue
		}
		left := (float64(m.cpu-s.cpu)/f.cpu + float64(m.gpuMilli()-s.gpuMilli())/f.gpu) / 2
		score := int((1 - left) * 100)
		if f.spread {
			score = int(left * 100)
		}
		if best < 0 || score > most {
			best, most = i, score
		}
	}
	if best < 0 {
		return place{}, false
	}
	m := &f.cluster.machines[best]
	f.gpus = tightest(m, s, f.gpus)
	if f.spread && s.gpus == 1 {
		f.gpus[0] = m.widest(s)
	}
	return place{best, f.gpus}, true
}

// widest is the first GPU of m with the most room, of those of a model that s takes.
func (m *machine) widest(s *shape) int {
	best := -1
	for g, free := range m.free {
		if s.takes(m.modelOf(g)) && (best < 0 || free > m.free[best]) {
			best = g
		}
	}
	return best
}
