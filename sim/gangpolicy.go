package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// gangPolicy is a policy that places groups.
type gangPolicy interface {
	policy
	// kind is a number for jobs of a kind, which place takes as it does a shape's.
	kind(k kind) int
	// placeGang is for the first jobs of a group, as many as fit, if those are enough.
	placeGang(a *gangAsk) gangAnswer
	// room bounds how many jobs of a group a machine could take now.
	room(a *gangAsk, machine int) int
}

// kind is what jobs are alike in beyond their shape.
type kind struct {
	shape int
	lasts int64 // ms that it has its place at most, by its run limit; 0: nothing says
	in    Site
}

// gangAsk is a group as a policy is asked for it.
type gangAsk struct {
	group    int
	kind     int // of its jobs
	count    int // of them
	need     int
	topology string
	linked   bool
	again    bool // it was tried before
	beside   bool // others make room for it, but not where something is kept: see scheduler.Gang
}

// gangAnswer is where the first jobs of a group go, or why none does.
type gangAnswer struct {
	places  []place
	domain  string
	link    string
	lacks   int  // so many more must find room
	never   bool // there is none, however empty the cluster
	keptOff bool // what is kept for another group is in the way
}

// kindOf is the number of a job's kind, where it goes to some machines only.
func (r *replay) kindOf(job int, in Site) int {
	k := kind{shape: r.of[job], in: in}
	if r.gangs != nil && r.gangs.keep.by != nil && r.jobs[job].LimitMS > 0 {
		q := requestOf(&r.shapes[k.shape])
		q.RunLimitMS = r.jobs[job].LimitMS
		k.lasts = scheduler.LastsAtMost(&q)
	}
	if k == (kind{shape: k.shape}) {
		return k.shape
	}
	number, known := r.kinds[k]
	if !known {
		number = r.gangs.by.kind(k)
		r.kinds[k] = number
	}
	return number
}

// plainGangs places groups by a policy that knows nothing of them: their jobs one after the
// other, and those of a topology on the machines of one value, and linked ones on those of one link
// domain, the first by name that has room for all, or else for most. Nothing is kept for who waits.
type plainGangs struct {
	policy
	shapes  []shape
	cluster *cluster
	kinds   []kind // numbered behind the shapes
}

func (p *plainGangs) kind(k kind) int {
	p.kinds = append(p.kinds, k)
	return len(p.shapes) + len(p.kinds) - 1
}

// shapeOf is a kind's.
func (p *plainGangs) shapeOf(number int) int {
	if number < len(p.shapes) {
		return number
	}
	return p.kinds[number-len(p.shapes)].shape
}

func (p *plainGangs) place(number int, again bool) (place, bool) {
	if number < len(p.shapes) {
		return p.policy.place(number, again)
	}
	k := &p.kinds[number-len(p.shapes)]
	defer p.cluster.only(k.in)()
	return p.policy.place(k.shape, again)
}

func (p *plainGangs) placeGang(a *gangAsk) (best gangAnswer) {
	for _, in := range p.cluster.sites(a.topology, a.linked) {
		places := p.placeIn(a, in)
		if len(places) > len(best.places) {
			best.places, best.domain, best.link = places, in.Value, in.Link
		}
		if len(places) == a.count {
			break
		}
	}
	if fit := len(best.places); fit < a.need {
		return gangAnswer{lacks: a.need - fit}
	}
	return best
}

// placeIn is where the first jobs of a group go on some of the machines; none has its place yet.
func (p *plainGangs) placeIn(a *gangAsk, in Site) (places []place) {
	defer p.cluster.only(in)()
	shape := p.shapeOf(a.kind)
	s := &p.shapes[shape]
	for range a.count {
		at, ok := p.policy.place(shape, a.again)
		if !ok || p.cluster.take(s, at) != nil { // a policy that chooses what has no room is told so by its single jobs
			break
		}
		at.gpus = slices.Clone(at.gpus)
		places = append(places, at)
	}
	for _, at := range places {
		p.cluster.give(s, at)
	}
	return places
}

func (p *plainGangs) room(a *gangAsk, machine int) int {
	return p.cluster.machines[machine].room(&p.shapes[p.shapeOf(a.kind)])
}

// room is how often m could take s.
func (m *machine) room(s *shape) int {
	const most = 1 << 20 // of what asks for nothing
	n := int64(most)
	if s.cpu > 0 {
		n = min(n, m.cpu/s.cpu)
	}
	if s.memory > 0 {
		n = min(n, m.memory/s.memory)
	}
	if s.gpus > 0 {
		times := int64(0)
		for _, model := range m.kinds() {
			if !s.takes(model) {
				continue
			}
			parts := int64(0)
			for g, free := range m.free {
				if m.modelOf(g) == model {
					parts += free / s.milli
				}
			}
			times += parts / s.gpus
		}
		n = min(n, times)
	}
	return int(n)
}

// sites are the values of a label that machines have, by name; of no label, all machines are one.
// Where they are to be linked, each is once for each link domain.
func (c *cluster) sites(label string, linked bool) (out []Site) {
	values := []Site{{}}
	if label != "" {
		values = values[:0]
		for _, v := range c.valuesOf(label) {
			values = append(values, Site{Label: label, Value: v})
		}
	}
	if !linked {
		return values
	}
	for _, in := range values {
		for _, link := range c.linkNames() {
			in.Link = link
			out = append(out, in)
		}
	}
	return out
}

// valuesOf are the values of a label that machines have, by name.
func (c *cluster) valuesOf(label string) []string {
	values := make(map[string]bool)
	for _, of := range c.labels {
		if v, has := of[label]; has {
			values[v] = true
		}
	}
	return sortedNames(values)
}

func sortedNames(of map[string]bool) []string { return slices.Sorted(maps.Keys(of)) }

// has says whether a machine is of a site.
func (c *cluster) has(machine int, in Site) bool {
	v, labelled := c.labels[machine][in.Label]
	return (in.Label == "" || labelled && v == in.Value) && (in.Link == "" || c.links[machine] == in.Link)
}

// only closes all machines but those of a site, until what it returns is called.
func (c *cluster) only(in Site) func() {
	if in == (Site{}) {
		return func() {}
	}
	set := func(closed bool) {
		for i := range c.machines {
			if !c.has(i, in) {
				c.changes++
				c.machines[i].closed, c.machines[i].version = closed, c.changes
			}
		}
	}
	set(true)
	return func() { set(false) }
}

// idOf is a group's in the scheduler.
func idOf(group int) berth.GroupID { return berth.GroupID(fmt.Sprintf("g%08d", group)) }
