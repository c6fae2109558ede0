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
	return s
}

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
	job := func(unit int) int {
		if unit < 0 {
			return r.Trace.groups[^unit].first
		}
		return unit
	}
	line := s.tenant(r.jobs[job(unit)].Tenant).line(unit)
	at, _ := slices.BinarySearchFunc(*line, unit, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.jobs[job(b)].Priority, r.jobs[job(a)].Priority), cmp.Compare(job(a), job(b)))
	})
	*line = slices.Insert(*line, at, unit)
	if s.count++; unit < 0 {
		s.count += len(r.gangs.fates[^unit].members) - 1
	}
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

// each tries what waits, in the order of the turns, which changes with what is placed: what
// waits alone first, and groups behind it, unless it is their tenant's turn before. try says how
// many jobs wait no more.
func (s *turns) each(r *replay, try func(unit int) (gone int, err error)) error {
	queue := scheduler.NewTurns[int](s.shares)
	for _, one := range s.order {
		queue.Add(one.id, pool, one.waiting)
		one.kept = [2][]int{one.waiting[:0], one.whole[:0]} // behind what is tried
	}
	for _, one := range s.order {
		queue.Add(one.id, pool, one.whole)
	}
	for unit, ok := queue.Next(); ok; unit, ok = queue.Next() {
		job, line := unit, 0
		if unit < 0 {
			job, line = r.Trace.groups[^unit].first, 1
		}
		one := s.of[r.jobs[job].Tenant]
		gone, err := try(unit)
		switch {
		case err != nil:
			return err
		case gone > 0:
			s.count -= gone
			s.shares.Serve(one.id, pool)
		default:
			one.kept[line] = append(one.kept[line], unit)
		}
	}
	for _, one := range s.order {
		one.waiting, one.whole = one.kept[0], one.kept[1]
	}
	return nil
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
