package sim

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// pool is the name of the machines to who counts shares: there is one pool.
const pool = berth.DefaultPool

// turns is what waits, by tenants, who come in the order of their shares, as in the
// daemon; a tenant's own jobs by priority and arrival.
type turns struct {
	shares *scheduler.Shares
	of     map[string]*turn
	order  []*turn // as they came
	single []*turn // those of which something has waited alone, as the first of that came
	count  int

	limits map[string]Limit
	held   map[string]scheduler.Bulk // by those that are limited
}

// turn is a tenant.
type turn struct {
	id      berth.TenantID
	waiting []int    // jobs
	whole   []int    // groups that are to be placed whole: the complements of their numbers
	kept    [2][]int // of these, those that wait on
	tried   int      // of the groups, in this look at all that waits
	single  bool     // it is among turns.single
	held    float64  // sum of its dominant shares at looks
	looks   int
}

// newTurns are those of jobs on machines; weights of tenants that it does not name are 1.
func newTurns(t *Trace, c *cluster) *turns {
	s := &turns{shares: scheduler.NewShares(), of: make(map[string]*turn), limits: t.limits, held: make(map[string]scheduler.Bulk)}
	for i := range c.machines {
		m := &c.machines[i]
		s.shares.Resize(pool, scheduler.Bulk{m.cpu, m.memory, 0, int64(len(m.free)) * wholeGPU}, 1)
	}
	for id, weight := range t.weights {
		s.shares.SetWeight(berth.TenantID(id), weight)
	}
	for id, at := range t.served {
		s.shares.ServedAt(berth.TenantID(id), pool, at)
	}
	return s
}

// turnOf is a tenant's, by what it has now.
func (s *turns) turnOf(one *turn) scheduler.Turn { return s.shares.Turn(one.id, pool) }

func (t *turn) waits() bool { return len(t.waiting)+len(t.whole) > 0 }

func (s *turns) tenant(id string) *turn {
	one := s.of[id]
	if one == nil {
		one = &turn{id: berth.TenantID(id)}
		s.of[id] = one
		s.order = append(s.order, one)
	}
	return one
}

// bulk is what a job of a shape holds.
func (s *shape) bulk() scheduler.Bulk { return scheduler.Bulk{s.cpu, s.memory, 0, s.gpuMilli()} }

func (h *held) bulk() scheduler.Bulk {
	b := scheduler.Bulk{h.CPUMilli, h.MemoryMiB}
	for _, milli := range h.GPUMilli {
		b[3] += milli
	}
	return b
}

// line is where a unit waits, a job or a group.
func (t *turn) line(unit int) *[]int {
	if unit < 0 {
		return &t.whole
	}
	return &t.waiting
}

// arrive lets a job wait, or a group.
func (s *turns) arrive(r *replay, unit int) {
	one := s.tenant(r.jobs[r.jobIn(unit)].Tenant)
	if unit >= 0 && !one.single {
		one.single = true
		s.single = append(s.single, one)
	}
	line := one.line(unit)
	at, _ := slices.BinarySearchFunc(*line, unit, r.before)
	*line = slices.Insert(*line, at, unit)
	if s.count++; unit < 0 {
		s.count += len(r.gangs.fates[^unit].members) - 1
	}
}

// jobIn is a job, or the first one of a group.
func (r *replay) jobIn(unit int) int {
	if unit < 0 {
		return r.groups[^unit].first
	}
	return unit
}

// before is the order in which jobs of one tenant are tried, or its groups.
func (r *replay) before(a, b int) int {
	x, y := r.jobIn(a), r.jobIn(b)
	return cmp.Or(cmp.Compare(r.jobs[y].Priority, r.jobs[x].Priority), cmp.Compare(x, y))
}

// leave takes a job out that waits no more, or a group of so many.
func (s *turns) leave(tenant string, unit, jobs int) {
	line := s.of[tenant].line(unit)
	if at := slices.Index(*line, unit); at >= 0 {
		*line = slices.Delete(*line, at, at+1)
		s.count -= jobs
	}
}

// hold counts what a tenant holds, 1, or gives back, -1. What is nobody's counts for none.
func (s *turns) hold(tenant string, b scheduler.Bulk, by int64) {
	if tenant != "" {
		s.note(tenant, b, by)
		s.shares.Hold(berth.TenantID(tenant), pool, b, by)
	}
}

// alone calls do for each job that waits by itself.
func (s *turns) alone(do func(job int)) {
	for _, one := range s.order {
		for _, job := range one.waiting {
			do(job)
		}
	}
}

// all calls do for each job that waits, those of groups among them.
func (s *turns) all(r *replay, do func(job int)) {
	s.alone(do)
	for _, one := range s.order {
		for _, unit := range one.whole {
			for _, job := range r.gangs.fates[^unit].members {
				do(job)
			}
		}
	}
}

// look notes the shares of those that wait, while several do, and says how even they are,
// by their weights; 1 where nobody has to share.
func (s *turns) look() (n int, even float64) {
	var xs []float64
	for _, one := range s.order {
		if one.waits() {
			n++
		}
	}
	if n < 2 {
		return n, 1
	}
	for _, one := range s.order {
		if !one.waits() {
			continue
		}
		share, _ := s.shares.Dominant(one.id, pool)
		one.held += share
		one.looks++
		xs = append(xs, share/float64(s.shares.Weight(one.id)))
	}
	return n, jain(xs)
}
