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
// behind it from its place. Where one that preempts fits nowhere, others of lower priority
// are stopped at once, if that helps, and wait again.
type Trace struct {
	workload
	jobs    []Job
	weights map[string]int64
	limits  map[string]Limit
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
	placed  bool
	left    bool  // without having been placed
	waited  int64 // from its arrival until it was placed, the last time
	stopped int   // how often, for another
	at      place
}

// ending is a job that ends, or whose patience does.
type ending struct {
	at      int64
	job     int
	stopped int  // how often it had been stopped before: it may be once more, and this is no end then
	waits   bool // it is its patience
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

	evictions *evictions
}

// Run runs the trace until the last job has ended, or left, or can never be placed.
func (t *Trace) Run(ctx context.Context, name PolicyName, seed uint64, done func(arrived, of int)) (*TraceResult, error) {
	c := t.workload.cluster.clone()
	p, err := newPolicy(name, &t.workload, c, seed)
	if err != nil {
		return nil, err
	}
	r := &replay{Trace: t, cluster: c, policy: p, name: name, fates: make([]fate, len(t.jobs)), turns: newTurns(t, c), evictions: newEvictions(t, p, c)}
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
		case !e.waits && e.stopped == f.stopped:
			r.stop(e.job)
			freed = true
		case e.waits && !f.placed && f.stopped == 0:
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

// stop frees what a job holds.
func (r *replay) stop(job int) {
	f, s := &r.fates[job], &r.shapes[r.of[job]]
	r.cluster.give(s, f.at)
	r.policy.end(r.of[job], f.at)
	r.turns.hold(r.jobs[job].Tenant, s.bulk(), -1)
	r.evictions.leave(r, job)
}

// place tries what waits. Of a shape that has found no place, no other is tried until
// something ends. Who was stopped meanwhile is tried behind all others, and so is who may
// have those stopped that have come.
func (r *replay) place(fresh []int, freed bool) error {
	try := &attempt{replay: r, blocked: make(map[int]bool)}
	if !freed {
		r.turns.all(func(j int) {
			if !r.over(j) { // who is was not tried
				try.blocked[r.of[j]] = true
			}
		})
	}
	for again := freed || len(fresh) > 0; again; {
		for _, j := range fresh {
			r.turns.arrive(r, j)
		}
		try.placed, try.waits, try.stopped, try.helpless = 0, false, nil, make(map[[2]int64]bool)
		if err := r.turns.each(r, try.one); err != nil {
			return err
		}
		if fresh = try.stopped; len(fresh) > 0 {
			clear(try.blocked)
		}
		again = len(fresh) > 0 || try.waits && try.placed > 0
	}
	return nil
}

// attempt is one look at all that waits.
type attempt struct {
	*replay
	blocked  map[int]bool // shapes
	helpless map[[2]int64]bool
	placed   int
	waits    bool // somebody who preempts
	stopped  []int
}

// one tries a job.
func (a *attempt) one(j int) (bool, error) {
	r, shape := a.replay, a.of[j]
	if r.over(j) {
		return false, nil
	}
	at, ok := place{}, false
	if !a.blocked[shape] {
		at, ok = r.policy.place(shape)
		a.blocked[shape] = !ok
	}
	if !ok && r.jobs[j].Preempts && r.evictions.by != nil {
		kind := [2]int64{int64(shape), r.jobs[j].Priority}
		if stopped := a.evict(j, kind); len(stopped) > 0 {
			a.stopped = append(a.stopped, stopped...)
			if at, ok = r.policy.place(shape); !ok {
				return false, fmt.Errorf("policy %s, job %d: fits nowhere, though room was made for it", r.name, j+1)
			}
		}
		a.waits = a.waits || !ok
	}
	if !ok {
		return false, nil
	}
	at.gpus = slices.Clone(at.gpus)
	if err := r.cluster.take(&r.shapes[shape], at); err != nil {
		return false, fmt.Errorf("policy %s, job %d: %w", r.name, j+1, err)
	}
	a.placed++
	r.turns.hold(r.jobs[j].Tenant, r.shapes[shape].bulk(), 1)
	f := &r.fates[j]
	f.placed, f.waited, f.at = true, r.now-r.jobs[j].ArrivalMS, at
	r.evictions.come(r, j)
	if r.jobs[j].RunMS > 0 {
		heap.Push(&r.ends, ending{at: r.now + r.jobs[j].RunMS, job: j, stopped: f.stopped})
	}
	return true, nil
}

// evict makes room for a job, unless there was none to be made for one like it.
func (a *attempt) evict(j int, kind [2]int64) []int {
	if a.helpless[kind] {
		return nil
	}
	stopped := a.makeRoom(j)
	a.helpless[kind] = len(stopped) == 0
	return stopped
}
