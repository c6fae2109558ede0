package sim

import (
	"container/heap"
	"fmt"
	"slices"
)

// Standing is a job that has its place when a trace begins; of a group its first jobs, and the
// others follow them. It may have to make room, and waits again then, for a whole run.
type Standing struct {
	Job
	On     []Running // one, or of a group as many as have their places
	Domain string    // of a group with a topology: the value of the label where it is
	Gone   bool      // it would not wait again: it asks for more than a trace can say
}

// stood is one of them in a trace.
type stood struct {
	*held
	gone bool
}

// stand has rows of the trace have their places when it begins: those that are not nil.
func (t *Trace) stand(rows []*Standing, full *cluster) error {
	t.standing, t.domains = make(map[int]stood), make(map[int]string)
	job := 0
	for _, s := range rows {
		g, size := t.gangOf(job), 1
		if g >= 0 {
			size = int(t.groups[g].Size)
		}
		if s != nil && g >= 0 {
			t.domains[g] = s.Domain
		}
		for k := 0; s != nil && k < len(s.On); k++ {
			h, err := full.found(&s.On[k])
			if err != nil {
				return err
			}
			t.standing[job+k] = stood{h, s.Gone}
		}
		job += size
	}
	return nil
}

// found reserves what runs already, on a cluster that is full of it then.
func (c *cluster) found(r *Running) (*held, error) {
	at := c.index(r.Machine)
	if at < 0 {
		return nil, fmt.Errorf("something runs on %s, which is none of the machines", r.Machine)
	}
	h := &held{r, at}
	return h, c.hold(h)
}

// stands says whether a job of a group has its place when the trace begins.
func (t *Trace) stands(g int) bool {
	_, placed := t.domains[g]
	return g >= 0 && placed
}

// counts says whether a job is told of: not one that had its place from the beginning, unless it
// has made room since, and waits again.
func (r *replay) counts(job int) bool {
	s, standing := r.standing[job]
	return !standing || r.fates[job].stopped > 0 && !s.gone
}

// tellsOf says whether a group is told of, likewise.
func (r *replay) tellsOf(g int) bool {
	return g >= 0 && (!r.stands(g) || r.gangs.fates[g].stopped > 0 && !r.standing[r.groups[g].first].gone)
}

// beginStanding gives them their places.
func (r *replay) beginStanding() error {
	for j := range r.jobs {
		s, standing := r.standing[j]
		if !standing {
			continue
		}
		h := s.held
		if err := r.cluster.hold(h); err != nil {
			return err
		}
		if err := r.policy.hold(h); err != nil {
			return err
		}
		r.turns.hold(h.Tenant, h.bulk(), 1)
		f := &r.fates[j]
		f.placed, f.waited, f.at, f.held = true, -h.AgeMS, place{machine: h.machine}, h
		if g := r.gangOf(j); g >= 0 {
			of := &r.gangs.fates[g]
			of.placed, of.domain = true, r.domains[g]
			of.running++
		}
		r.evictions.come(r, j)
		switch {
		case h.LeavesMS > 0:
			f.leaving, f.leaves = true, r.now+h.LeavesMS
			r.evictions.told(r, j)
			heap.Push(&r.ends, ending{at: f.leaves, job: j, told: true})
		case h.RunMS > 0:
			heap.Push(&r.ends, ending{at: r.now + h.RunMS, job: j})
		}
	}
	return nil
}

// follow lets those of a group wait that are to follow it where it is.
func (r *replay) follow(g int) (fresh []int) {
	of := &r.groups[g]
	for j := of.first; j < of.first+int(of.Size); j++ {
		if r.fates[j].placed {
			continue
		}
		if of.Topology != "" {
			r.kind[j] = r.kindOf(j, Site{Label: of.Topology, Value: r.domains[g]})
		}
		fresh = append(fresh, j)
	}
	return fresh
}

// waitsAgain leaves out of what has made room what would not wait again.
func (r *replay) waitsAgain(units []int) []int {
	return slices.DeleteFunc(units, func(unit int) bool {
		s := r.standing[r.jobIn(unit)]
		if !s.gone {
			return false
		}
		if unit < 0 {
			of := &r.gangs.fates[^unit]
			of.whole, of.members = false, of.members[:0]
			r.gangs.waiting--
		}
		return true
	})
}
