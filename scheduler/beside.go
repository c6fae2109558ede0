package scheduler

import "github.com/berthd/berth"

// What a candidate requires of others decides whether it may be on a worker that was not chosen for
// it, but where others have made room. Of all that is known of where they are, that needs three
// numbers of each label and topology.

// Beside is what a candidate would meet on worker w, of the requests that it requires something of.
func (f *Fleet) Beside(c Candidate, w berth.WorkerID) (met []berth.PlannedBeside) {
	n := f.nodes[w]
	if n == nil || !c.Request.Related() || f.pools[c.Request.Pool] == nil {
		return nil
	}
	q := f.ask(c)
	for i := range q.terms {
		t := &q.terms[i]
		if t.weight > 0 || t.relation == nil {
			continue
		}
		one := berth.PlannedBeside{Topology: t.key.topology, Requests: t.key.label, All: t.total, Fewest: t.fewest}
		if d, ok := t.domainOf(n); ok {
			one.Here = t.counts[d]
		}
		met = append(met, one)
	}
	return met
}

// SetBeside has decisions about worker w look at these numbers: of a fleet in which one is made again,
// and that knows nothing else of who is where.
func (f *Fleet) SetBeside(w berth.WorkerID, met []berth.PlannedBeside) {
	n := f.nodes[w]
	if n == nil {
		return
	}
	for _, one := range met {
		d, ok := domainOf(one.Topology, w, n.worker.Labels)
		counts := make(map[string]int64)
		if ok && one.Here > 0 {
			counts[d] = one.Here
		}
		if rest := one.All - one.Here; rest > 0 {
			counts[d+"'"] = rest // wherever it is
		}
		f.SetCounts(n.worker.Pool, one.Requests, one.Topology, counts)
		f.relationOf(n.worker.Pool, relationKey{one.Topology, one.Requests}).fewest = &one.Fewest
	}
}
