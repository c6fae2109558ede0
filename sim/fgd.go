package sim

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// fgdPopular is how much of all requests the usual ones make up.
const fgdPopular = 0.95

// usual is a shape and how often it is asked for.
type usual struct {
	*shape
	p float64
}

// fgd is Fragmentation Gradient Descent as its authors run it
// (github.com/hkust-adsl/kubernetes-scheduler-simulator): a request goes where the
// GPU thousandths that usual requests could not use grow least. The usual requests are
// those of the whole trace, beforehand. What it differs in from the paper's formula is
// kept, for the published figures are of it: a score is the sigmoid of the difference
// in GPUs, in whole percents; of equal machines it takes the first name, of equal GPUs
// the first number.
type fgd struct {
	stateless
	shapes  []shape
	cluster *cluster
	usual   []usual
	rows    [][]fgdScore // by shape and machine
	memo    map[string]float64
	key     []byte
	after   machine
	gpus    []int
}

type fgdScore struct {
	version int // of the machine, plus one
	score   int // -1: it does not fit
	gpu     int // for a part of one
}

func newFGD(p *workload, c *cluster) *fgd {
	return &fgd{shapes: p.shapes, cluster: c, usual: p.usual(fgdPopular), rows: make([][]fgdScore, len(p.shapes)), memo: make(map[string]float64)}
}

// usual is the shapes that are asked for most, until they make up a part of all.
func (p *workload) usual(part float64) []usual {
	counts := make([]int, len(p.shapes))
	for _, s := range p.of {
		counts[s]++
	}
	numbers := make([]int, len(counts))
	for i := range numbers {
		numbers[i] = i
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	sum := 0
	var out []usual
	for _, n := range numbers {
		out = append(out, usual{&p.shapes[n], float64(counts[n])})
		if sum += counts[n]; float64(sum) >= part*float64(len(p.of)) {
			break
		}
	}
	for i := range out {
		out[i].p /= float64(sum)
	}
	return out
}

func (f *fgd) place(number int, _ bool) (place, bool) {
	row := f.rows[number]
	if row == nil {
		row = make([]fgdScore, len(f.cluster.machines))
		f.rows[number] = row
	}
	s := &f.shapes[number]
	best := -1
	for i := range f.cluster.machines {
		m, have := &f.cluster.machines[i], &row[i]
		if have.version != m.version+1 {
			*have = f.score(m, s)
		}
		if have.score >= 0 && (best < 0 || have.score > row[best].score) {
			best = i
		}
	}
	if best < 0 {
		return place{}, false
	}
	if s.milli > 0 && s.milli < wholeGPU {
		f.gpus = append(f.gpus[:0], row[best].gpu)
	} else {
		f.gpus = tightest(&f.cluster.machines[best], s, f.gpus)
	}
	return place{best, f.gpus}, true
}

// score is the best way to place s on m.
func (f *fgd) score(m *machine, s *shape) fgdScore {
	out := fgdScore{version: m.version + 1, score: -1}
	if !m.fits(s) {
		return out
	}
	before := f.fragments(m)
	f.after.cpu, f.after.model, f.after.several = m.cpu-s.cpu, m.model, m.several
	try := func(gpu int) {
		score := int(100 / (1 + math.Exp(-(before-f.fragments(&f.after))/float64(wholeGPU))))
		if score > out.score {
			out.score, out.gpu = score, gpu
		}
	}
	f.after.free = append(f.after.free[:0], m.free...)
	if s.milli == 0 || s.milli == wholeGPU {
		for _, g := range tightest(m, s, f.gpus) {
			f.after.free[g] = 0
		}
		try(0)
		return out
	}
	for g, free := range m.free {
		if free >= s.milli && s.takes(m.modelOf(g)) {
			f.after.free[g] = free - s.milli
			try(g)
			f.after.free[g] = free
		}
	}
	return out
}

// fragments is the thousandths of m that a usual request cannot use, on average.
func (f *fgd) fragments(m *machine) float64 {
	f.key = binary.AppendVarint(f.key[:0], m.cpu)
	for g, free := range m.free {
		f.key = binary.AppendVarint(binary.AppendVarint(f.key, int64(m.modelOf(g))), free)
	}
	v, ok := f.memo[string(f.key)]
	if !ok {
		v = f.count(m)
		f.memo[string(f.key)] = v
	}
	return v
}

func (f *fgd) count(m *machine) float64 {
	sum, all := 0.0, m.gpuMilli()
	for i := range f.usual {
		u := &f.usual[i]
		useless := all
		if u.gpus > 0 && u.cpu <= m.cpu {
			for _, model := range m.kinds() {
				if m.has(u.shape, model) {
					useless -= m.usable(u.shape, model)
				}
			}
		}
		sum += u.p * float64(useless)
	}
	return sum
}

// usable is the thousandths of m's GPUs of a model that have room for s.
func (m *machine) usable(s *shape, model int) (sum int64) {
	for g, free := range m.free {
		if m.modelOf(g) == model && free >= s.milli {
			sum += free
		}
	}
	return sum
}
