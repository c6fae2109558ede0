package sim

import (
	"cmp"
	"container/heap"
	"context"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Trace is jobs that arrive, wait, run and end on a cluster. Where several could be
// placed they are tried in the order of the daemon's queue: the tenants by their shares,
// and of each priority, arrival, the file's order; a job that fits nowhere keeps none
// behind it from its place. Where one that preempts fits nowhere, others of lower priority
// are stopped at once, if that helps, and wait again. Groups are placed whole or not at all; who
// makes room for one ends when its grace is over.
type Trace struct {
	workload
	jobs     []Job // each member of a group is one
	groups   []gang
	in       []int // the group of each job, -1: none; nil: there is no group
	weights  map[string]int64
	served   map[string]int64 // when each tenant got something last before it begins, in nanoseconds; 0: nobody knows
	limits   map[string]Limit
	running  []held              // when it begins
	standing map[int]stood       // and jobs that do
	domains  map[int]string      // of groups of which some do: where those are
	claimed  map[int]bool        // machines on which a request has a claim
	kept     *berth.Keep         // then, for a group by its name; nil: nothing was
	taken    time.Time           // that moment, as kept has it
	mix      *scheduler.MixState // what was asked for before; nil: nothing is known of that
	learned  int                 // the first jobs, which that tells of
}

// NewTrace is jobs, in the order in which they arrive, on machines.
func NewTrace(machines []Machine, jobs []Job) *Trace {
	t := &Trace{}
	t.jobs, t.groups, t.in = expand(jobs)
	pods := make([]Pod, len(t.jobs))
	for i := range t.jobs {
		pods[i] = t.jobs[i].Pod
	}
	t.workload = newWorkload(machines, pods)
	return t
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

// Jobs is how many there are, members of groups counted.
func (t *Trace) Jobs() int { return len(t.jobs) }

// GPUs is how many the cluster has.
func (t *Trace) GPUs() int64 { return t.cluster.capacity / wholeGPU }

// fate is what became of a job.
type fate struct {
	placed  bool
	asked   bool  // the policy was, since it waits
	over    bool  // it has run to its end
	left    bool  // without having been placed
	waited  int64 // from its arrival until it was placed, the last time
	stopped int   // how often, for another
	leaving bool  // it was told to make room for a group
	leaves  int64 // when it has ended then, at the latest
	at      place
	held    *held // what it has, where it runs from the beginning
}

// ending is a job that ends, or whose patience does.
type ending struct {
	at      int64
	job     int
	stopped int  // how often it had been stopped before: it may be once more, and this is no end then
	waits   bool // it is its patience
	told    bool // it is its grace, once it was told to make room
}

type endings []ending

func (e endings) Len() int { return len(e) }
func (e endings) Less(i, j int) bool {
	if c := cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].job, e[j].job)); c != 0 {
		return c < 0
	}
	return !e[i].told && e[j].told // what runs to its end within its grace has done so
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
	kind    []int // of each job: its shape, unless it is bound to some machines, or has a run limit that matters
	kinds   map[kind]int
	gangs   *gangRun // nil: there are no groups
	emptied []int    // machines on which something has ended now
	again   []int    // who has made room for a group, and waits again: jobs and groups

	evictions *evictions
}

// Run runs the trace until the last job has ended, or left, or can never be placed.
func (t *Trace) Run(ctx context.Context, name PolicyName, seed uint64, done func(arrived, of int)) (*TraceResult, error) {
	r, err := t.replay(ctx, name, seed, done)
	if err != nil {
		return nil, err
	}
	return r.result(seed), nil
}

func (t *Trace) replay(ctx context.Context, name PolicyName, seed uint64, done func(arrived, of int)) (*replay, error) {
	r, err := t.start(name, seed)
	if err != nil {
		return nil, err
	}
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
	r.watch.until(r.watch.end, r) // nothing ends after all has come at once
	return r, nil
}

// start is a run before its first moment.
func (t *Trace) start(name PolicyName, seed uint64) (*replay, error) {
	c := t.workload.cluster.clone()
	p, err := newPolicy(name, &t.workload, c, seed)
	if err != nil {
		return nil, err
	}
	r := &replay{Trace: t, cluster: c, policy: p, name: name, fates: make([]fate, len(t.jobs)), turns: newTurns(t, c), evictions: newEvictions(t, p, c), gangs: newGangRun(t, p, c)}
	r.kind = t.of
	if r.gangs != nil {
		r.number()
	}
	r.learn()
	r.now, r.watch = t.jobs[0].ArrivalMS, newWatch(t)
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r, nil
}

// learn gives Berth's policy what was asked for before the trace, by what waits, too.
func (r *replay) learn() {
	f, ok := r.policy.(*fleetPolicy)
	if !ok || r.mix == nil {
		return
	}
	f.fleet.SetMix(berth.DefaultPool, *r.mix)
	for j := range r.learned {
		_, stands := r.standing[j]
		r.fates[j].asked = !stands
	}
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
	if r.gangs != nil {
		at = r.gangs.keep.before(at, at == never)
	}
	if at >= never {
		return false
	}
	r.watch.until(at, r)
	r.now = at
	return true
}

// advance ends what ends now, takes in what arrives, and places.
func (r *replay) advance() error {
	if r.gangs != nil {
		r.gangs.keep.tick(r)
	}
	freed := r.endNow()
	fresh := r.again
	for r.again = nil; r.next < len(r.jobs) && r.jobs[r.next].ArrivalMS == r.now; r.next++ {
		_, standing := r.standing[r.next]
		switch g := r.gangOf(r.next); {
		case g < 0 && standing:
			continue
		case g < 0:
			fresh = append(fresh, r.next)
		case r.stands(g):
			fresh = append(fresh, r.follow(g)...)
			r.next += int(r.groups[g].Size) - 1
		default:
			fresh = append(fresh, ^g)
			r.arriveWhole(g)
			r.next += int(r.groups[g].Size) - 1
		}
		if p := r.jobs[r.next].PatienceMS; p > 0 {
			heap.Push(&r.ends, ending{at: r.now + p, job: r.next, waits: true})
		}
	}
	if err := r.place(fresh, freed); err != nil || r.gangs == nil {
		return err
	}
	return r.lookKeep(freed || len(fresh) > 0)
}

// endNow ends what ends now, and says whether anything did.
func (r *replay) endNow() (freed bool) {
	r.emptied = r.emptied[:0]
	for len(r.ends) > 0 && r.ends[0].at == r.now {
		e := heap.Pop(&r.ends).(ending) //nolint:errcheck // nothing else is in it
		if e.job < 0 {
			r.endRunning(e.job)
			freed = true
			continue
		}
		f, g := &r.fates[e.job], r.gangOf(e.job)
		switch {
		case e.told && f.leaving && e.stopped == f.stopped:
			r.again = append(r.again, r.leave(e.job)...)
			freed = true
		case e.told: // it has ended before
		case !e.waits && e.stopped == f.stopped:
			leaving := f.leaving
			r.stop(e.job)
			f.over, freed = true, true
			if g >= 0 {
				r.gangs.fates[g].over++
			}
			if leaving {
				r.again = append(r.again, r.gone(e.job)...)
			}
		case e.waits && g >= 0:
			r.outOfPatience(g)
		case e.waits && !f.placed && f.stopped == 0:
			f.left, f.waited = true, r.now-r.jobs[e.job].ArrivalMS
			r.turns.leave(r.jobs[e.job].Tenant, e.job, 1)
		}
	}
	return freed
}

// number gives each job the number of its kind.
func (r *replay) number() {
	r.kind, r.kinds = make([]int, len(r.jobs)), make(map[kind]int)
	for j := range r.jobs {
		r.kind[j] = r.kindOf(j, r.jobs[j].In)
	}
}

// stop frees what a job holds.
func (r *replay) stop(job int) {
	f, s := &r.fates[job], &r.shapes[r.of[job]]
	if h := f.held; h != nil {
		r.cluster.change(h, 1)
		r.policy.release(h)
		r.turns.hold(h.Tenant, h.bulk(), -1)
	} else {
		r.cluster.give(s, f.at)
		r.policy.end(r.of[job], f.at)
		r.turns.hold(r.jobs[job].Tenant, s.bulk(), -1)
	}
	r.emptied = append(r.emptied, f.at.machine)
	r.evictions.leave(r, job)
	f.leaving, f.held = false, nil
	if r.gangs != nil {
		r.gangs.gives(f.at.machine)
		if g := r.gangOf(job); g >= 0 {
			r.gangs.fates[g].running--
		}
	}
}
