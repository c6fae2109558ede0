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
	waiting []int   // jobs
	kept    []int   // of these, those that wait on
	held    float64 // sum of its dominant shares at looks
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

// arrive lets a job wait.
func (s *turns) arrive(r *replay, job int) {
	one := s.tenant(r.jobs[job].Tenant)
	at, _ := slices.BinarySearchFunc(one.waiting, job, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.jobs[b].Priority, r.jobs[a].Priority), cmp.Compare(a, b))
	})
	one.waiting = slices.Insert(one.waiting, at, job)
	s.count++
}

// leave takes a job out that has no patience left.
func (s *turns) leave(tenant string, job int) {
	one := s.of[tenant]
	one.waiting = slices.DeleteFunc(one.waiting, func(j int) bool { return j == job })
	s.count--
}

// hold counts what a tenant holds, 1, or gives back, -1. What is nobody's counts for none.
func (s *turns) hold(tenant string, b scheduler.Bulk, by int64) {
	if tenant != "" {
		s.note(tenant, b, by)
		s.shares.Hold(berth.TenantID(tenant), pool, b, by)
	}
}

// each tries what waits, in the order of the turns, which changes with what is placed.
func (s *turns) each(r *replay, try func(job int) (placed bool, err error)) error {
	queue := scheduler.NewTurns[int](s.shares)
	for _, one := range s.order {
		queue.Add(one.id, pool, one.waiting)
		one.kept = one.waiting[:0] // behind what is tried
	}
	for job, ok := queue.Next(); ok; job, ok = queue.Next() {
		one := s.of[r.jobs[job].Tenant]
		placed, err := try(job)
		switch {
		case err != nil:
			return err
		case placed:
			s.count--
			s.shares.Serve(one.id, pool)
		default:
			one.kept = append(one.kept, job)
		}
	}
	for _, one := range s.order {
		one.waiting = one.kept
	}
	return nil
}

// all calls do for each job that waits.
func (s *turns) all(do func(job int)) {
	for _, one := range s.order {
		for _, job := range one.waiting {
			do(job)
		}
	}
}

// look notes the shares of those that wait, while several do, and says how even they are,
// by their weights; 1 where nobody has to share.
func (s *turns) look() (n int, even float64) {
	var xs []float64
	for _, one := range s.order {
		if len(one.waiting) > 0 {
			n++
		}
	}
	if n < 2 {
		return n, 1
	}
	for _, one := range s.order {
		if len(one.waiting) == 0 {
			continue
		}
		share, _ := s.shares.Dominant(one.id, pool)
		one.held += share
		one.looks++
		xs = append(xs, share/float64(s.shares.Weight(one.id)))
	}
	return n, jain(xs)
}
