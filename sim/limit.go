package sim

import "github.com/berthd/berth/scheduler"

// Limit is what a tenant may hold at once of the cluster; nil: any amount.
type Limit struct {
	CPUMilli *int64
	GPUMilli *int64 // thousandths of GPUs, of whatever type
}

// Limit bounds what a tenant may hold. What is beyond it waits, and stops nobody; what runs
// when the trace begins goes on.
func (t *Trace) Limit(tenant string, l Limit) {
	if t.limits == nil {
		t.limits = make(map[string]Limit)
	}
	t.limits[tenant] = l
}

// over says whether its tenant's limit has no room for a job.
func (r *replay) over(job int) bool {
	l, limited := r.turns.limits[r.jobs[job].Tenant]
	if !limited {
		return false
	}
	has, wants := r.turns.held[r.jobs[job].Tenant], r.shapes[r.of[job]].bulk()
	beyond := func(most *int64, of int) bool { return most != nil && wants[of] > 0 && has[of]+wants[of] > *most }
	return beyond(l.CPUMilli, bulkCPU) || beyond(l.GPUMilli, bulkGPU)
}

// allowed is how many like a job, up to most, its tenant's limit has room for.
func (r *replay) allowed(job, most int) int {
	l, limited := r.turns.limits[r.jobs[job].Tenant]
	if !limited {
		return most
	}
	has, wants := r.turns.held[r.jobs[job].Tenant], r.shapes[r.of[job]].bulk()
	within := func(limit *int64, of int) {
		if limit != nil && wants[of] > 0 {
			most = int(min(int64(most), max(*limit-has[of], 0)/wants[of]))
		}
	}
	within(l.CPUMilli, bulkCPU)
	within(l.GPUMilli, bulkGPU)
	return most
}

// Of a scheduler.Bulk.
const (
	bulkCPU = 0
	bulkGPU = len(scheduler.Bulk{}) - 1
)

// note counts what a limited tenant holds.
func (s *turns) note(tenant string, b scheduler.Bulk, by int64) {
	if _, limited := s.limits[tenant]; !limited {
		return
	}
	has := s.held[tenant]
	for i := range has {
		has[i] += by * b[i]
	}
	s.held[tenant] = has
}
