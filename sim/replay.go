package sim

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
)

// Trace is jobs that arrive, wait, run and end on a cluster. Where several could be
// placed they are tried in the order of the daemon's queue: the tenants by their shares,
// and of each priority, arrival, the file's order; a job that fits nowhere keeps none
// behind it from its place.
type Trace struct {
	workload
	jobs    []Job
	weights map[string]int64
	running []held // when it begins
}

// NewTrace is jobs, in the order in which they arrive, on machines.
func NewTrace(machines []Machine, jobs []Job) *Trace {
	pods := make([]Pod, len(jobs))
	for i := range jobs {
		pods[i] = jobs[i].Pod
	}
	return &Trace{workload: newWorkload(machines, pods), jobs: jobs}
}

// Weigh says how much of the cluster is a tenant's beside others'; 1 unless it is said.
func (t *Trace) Weigh(tenant string, weight int64) {
	if t.weights == nil {
		t.weights = make(map[string]int64)
	}
	t.weights[tenant] = weight
}

// Machines is how many there are.
func (t *Trace) Machines() int { return len(t.cluster.machines) }

// Jobs is how many there are.
func (t *Trace) Jobs() int { return len(t.jobs) }

// GPUs is how many the cluster has.
func (t *Trace) GPUs() int64 { return t.cluster.capacity / wholeGPU }

// fate is what became of a job.
type fate struct {
	placed bool
	left   bool // without having been placed
	waited int64
	at     place
}

// ending is a job that ends, or whose patience does.
type ending struct {
	at    int64
	job   int
	waits bool // it is its patience
}

type endings []ending

func (e endings) Len() int { return len(e) }
func (e endings) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].job, e[j].job)) < 0
}
func (e endings) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)   { *e = append(*e, x.(ending)) } //nolint:errcheck // container/heap pushes what it is given
func (e *endings) Pop() any {
	x := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return x
}

// replay is a run of a trace.
type replay struct {
	*Trace
	cluster *cluster
	policy  policy
	name    PolicyName
	fates   []fate
	ends    endings
	turns   *turns
	next    int // job to arrive
	now     int64
	watch   *watch
}

// Run runs the trace until the last job has ended, or left, or can never be placed.
func (t *Trace) Run(ctx context.Context, name PolicyName, seed uint64, done func(arrived, of int)) (*TraceResult, error) {
	c := t.workload.cluster.clone()
	p, err := newPolicy(name, &t.workload, c, seed)
	if err != nil {
		return nil, err
	}
	r := &replay{Trace: t, cluster: c, policy: p, name: name, fates: make([]fate, len(t.jobs)), turns: newTurns(t, c)}
	if err := r.begin(); err != nil {
		return nil, err
	}
	r.watch = newWatch(t, c)
	for steps := 0; r.step(); steps++ {
		if err := r.advance(); err != nil {
			return nil, err
		}
		if steps%256 == 0 {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if done != nil {
				done(r.next, len(t.jobs))
			}
		}
	}
	return r.result(seed), nil
}

// step goes on to the next time at which something happens; false: nothing will.
func (r *replay) step() bool {
	const never = int64(1) << 62
	at := never
	if r.next < len(r.jobs) {
		at = r.jobs[r.next].ArrivalMS
	}
	if len(r.ends) > 0 {
		at = min(at, r.ends[0].at)
	}
	if at == never {
		return false
	}
	r.watch.until(at, r)
	r.now = at
	return true
}

// advance ends what ends now, takes in what arrives, and places.
func (r *replay) advance() error {
	freed := false
	for len(r.ends) > 0 && r.ends[0].at == r.now {
		e := heap.Pop(&r.ends).(ending) //nolint:errcheck // nothing else is in it
		if e.job < 0 {
			r.endRunning(e.job)
			freed = true
			continue
		}
		f := &r.fates[e.job]
		switch {
		case !e.waits:
			r.cluster.give(&r.shapes[r.of[e.job]], f.at)
			r.policy.end(r.of[e.job], f.at)
			r.turns.hold(r.jobs[e.job].Tenant, r.shapes[r.of[e.job]].bulk(), -1)
			freed = true
		case !f.placed:
			f.left, f.waited = true, r.now-r.jobs[e.job].ArrivalMS
			r.turns.leave(r.jobs[e.job].Tenant, e.job)
		}
	}
	var fresh []int
	for ; r.next < len(r.jobs) && r.jobs[r.next].ArrivalMS == r.now; r.next++ {
		fresh = append(fresh, r.next)
		if p := r.jobs[r.next].PatienceMS; p > 0 {
			heap.Push(&r.ends, ending{at: r.now + p, job: r.next, waits: true})
		}
	}
	return r.place(fresh, freed)
}

// place tries what waits. Of a shape that has found no place, no other is tried until
// something ends.
func (r *replay) place(fresh []int, freed bool) error {
	blocked := make(map[int]bool)
	if !freed {
		r.turns.all(func(j int) { blocked[r.of[j]] = true })
	}
	for _, j := range fresh {
		r.turns.arrive(r, j)
	}
	if len(fresh) == 0 && !freed {
		return nil
	}
	return r.turns.each(r, func(j int) (bool, error) {
		shape := r.of[j]
		if blocked[shape] {
			return false, nil
		}
		at, ok := r.policy.place(shape)
		if !ok {
			blocked[shape] = true
			return false, nil
		}
		at.gpus = slices.Clone(at.gpus)
		if err := r.cluster.take(&r.shapes[shape], at); err != nil {
			return false, fmt.Errorf("policy %s, job %d: %w", r.name, j+1, err)
		}
		r.turns.hold(r.jobs[j].Tenant, r.shapes[shape].bulk(), 1)
		r.fates[j] = fate{placed: true, waited: r.now - r.jobs[j].ArrivalMS, at: at}
		if r.jobs[j].RunMS > 0 {
			heap.Push(&r.ends, ending{at: r.now + r.jobs[j].RunMS, job: j})
		}
		return true, nil
	})
}
