package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// shape is what equal pods have in common.
type shape struct {
	cpu, memory int64
	gpus, milli int64
	models      []string
	allows      []bool // by the model's number; nil: any
}

// gpuMilli is what it asks for in all.
func (s *shape) gpuMilli() int64 { return s.gpus * s.milli }

// takes says whether a model will do.
func (s *shape) takes(model int) bool { return len(s.allows) == 0 || s.allows[model] }

// models are those of the GPUs of a machine that has several.
type models struct {
	of    []int // each GPU
	kinds []int // each once, as they come first
}

// machine is one of a cluster, with what is free of it.
type machine struct {
	cpu, memory int64
	model       [1]int  // of its GPUs, unless they are of several
	several     *models // nil: they are not
	free        []int64 // thousandths of each
	version     int     // changes with it
	closed      bool    // for a while: see cluster.only
}

func (m *machine) gpuMilli() (sum int64) {
	for _, free := range m.free {
		sum += free
	}
	return sum
}

// fits says whether m has room for s.
func (m *machine) fits(s *shape) bool {
	if s.cpu > m.cpu || s.memory > m.memory || m.closed {
		return false
	}
	return s.gpus == 0 || m.modelFor(s) >= 0
}

// modelFor is the first model, in the order of m's GPUs, of which enough have room for s; -1: there is none.
func (m *machine) modelFor(s *shape) int {
	for _, model := range m.kinds() {
		if m.has(s, model) {
			return model
		}
	}
	return -1
}

// kinds are the models of m's GPUs, each once; of a machine without GPUs any.
func (m *machine) kinds() []int {
	if m.several == nil {
		return m.model[:]
	}
	return m.several.kinds
}

// modelOf is a GPU's.
func (m *machine) modelOf(g int) int {
	if m.several == nil {
		return m.model[0]
	}
	return m.several.of[g]
}

// has says whether m has GPUs enough of a model for s, which all are to be of one.
func (m *machine) has(s *shape, model int) bool {
	if !s.takes(model) {
		return false
	}
	room := int64(0)
	if m.several == nil { // most are not, and this is where the time goes
		for _, free := range m.free {
			if free >= s.milli {
				room++
			}
		}
		return room >= s.gpus
	}
	for g, free := range m.free {
		if free >= s.milli && m.several.of[g] == model {
			room++
		}
	}
	return room >= s.gpus
}

// place is a machine and the GPUs on it that a policy has chosen.
type place struct {
	machine int
	gpus    []int
}

// cluster is the machines, in the order of their names.
type cluster struct {
	names    []string
	labels   []map[string]string
	links    []string // link domains of their GPUs
	machines []machine
	capacity int64 // thousandths of GPUs
	changes  int
}

func newCluster(machines []Machine, numbers map[string]int) *cluster {
	sorted := slices.SortedFunc(slices.Values(machines), func(a, b Machine) int { return cmp.Compare(a.Name, b.Name) })
	c := &cluster{}
	for _, m := range sorted {
		of, all := machine{cpu: m.CPUMilli, memory: m.MemoryMiB}, &models{}
		for _, model := range m.GPUs {
			number := numbers[model]
			if of.free = append(of.free, berth.WholeDevice); !slices.Contains(all.kinds, number) {
				all.kinds = append(all.kinds, number)
			}
			all.of = append(all.of, number)
		}
		switch len(all.kinds) {
		case 0:
		case 1:
			of.model[0] = all.kinds[0]
		default:
			of.several = all
		}
		c.names, c.labels, c.links = append(c.names, m.Name), append(c.labels, m.Labels), append(c.links, m.Link)
		c.machines = append(c.machines, of)
		c.capacity += int64(len(m.GPUs)) * berth.WholeDevice
	}
	return c
}

// index is a machine's number; -1: there is none of that name.
func (c *cluster) index(name string) int {
	at, found := slices.BinarySearch(c.names, name)
	if !found {
		return -1
	}
	return at
}

func (c *cluster) clone() *cluster {
	n := *c
	n.machines = slices.Clone(c.machines)
	for i := range n.machines {
		n.machines[i].free = slices.Clone(n.machines[i].free)
	}
	return &n
}

// take reserves s where a policy has placed it, or says why that cannot be.
func (c *cluster) take(s *shape, at place) error {
	m := &c.machines[at.machine]
	if !m.fits(s) {
		return fmt.Errorf("%s has no room for what was placed there", c.names[at.machine])
	}
	if int64(len(at.gpus)) != s.gpus {
		return fmt.Errorf("%s: %d GPUs chosen, %d asked for", c.names[at.machine], len(at.gpus), s.gpus)
	}
	for i, g := range at.gpus {
		if slices.Contains(at.gpus[:i], g) || m.free[g] < s.milli || !s.takes(m.modelOf(g)) || m.modelOf(g) != m.modelOf(at.gpus[0]) {
			return fmt.Errorf("%s: GPU %d has not %d thousandths free, or is of another model", c.names[at.machine], g, s.milli)
		}
	}
	for _, g := range at.gpus {
		m.free[g] -= s.milli
	}
	m.cpu -= s.cpu
	m.memory -= s.memory
	c.changes++
	m.version = c.changes
	return nil
}

// give takes back what take reserved.
func (c *cluster) give(s *shape, at place) {
	m := &c.machines[at.machine]
	for _, g := range at.gpus {
		m.free[g] += s.milli
	}
	m.cpu += s.cpu
	m.memory += s.memory
	c.changes++
	m.version = c.changes
}

// shapesOf finds the distinct shapes of pods, in the order in which they come first,
// and the number of each pod's.
func shapesOf(pods []Pod, models map[string]int) (shapes []shape, of []int) {
	numbers := make(map[string]int)
	for i := range pods {
		p := &pods[i]
		key := fmt.Sprint(p.CPUMilli, p.MemoryMiB, p.GPUs, p.GPUMilli, strings.Join(p.Models, "|"))
		n, ok := numbers[key]
		if !ok {
			n = len(shapes)
			numbers[key] = n
			s := shape{cpu: p.CPUMilli, memory: p.MemoryMiB, gpus: p.GPUs, milli: p.GPUMilli, models: p.Models}
			if len(p.Models) > 0 {
				s.allows = make([]bool, len(models))
				for _, m := range p.Models {
					s.allows[models[m]] = true
				}
			}
			shapes = append(shapes, s)
		}
		of = append(of, n)
	}
	return shapes, of
}

// modelsOf numbers all models.
func modelsOf(machines []Machine, pods []Pod) map[string]int {
	models := make(map[string]int)
	add := func(m string) {
		if _, ok := models[m]; !ok {
			models[m] = len(models)
		}
	}
	for i := range machines {
		for _, m := range machines[i].GPUs {
			add(m)
		}
	}
	for i := range pods {
		for _, m := range pods[i].Models {
			add(m)
		}
	}
	return models
}
