package sim

import (
	"maps"
	"math"
	"slices"

	"github.com/berthd/berth/scheduler"
)

// gang is a group of a trace: its jobs stand one behind the other.
type gang struct {
	*Group
	first int // of its jobs
}

// expand has each member of a group be a job of its own, and tells which are of which group;
// nil where there is no group.
func expand(jobs []Job) (all []Job, gangs []gang, of []int) {
	if !slices.ContainsFunc(jobs, func(j Job) bool { return j.Group != nil }) {
		return jobs, nil, nil
	}
	for i := range jobs {
		j, in, times := &jobs[i], -1, int64(1)
		if j.Group != nil {
			in, times = len(gangs), j.Group.Size
			gangs = append(gangs, gang{j.Group, len(all)})
		}
		for range times {
			all, of = append(all, *j), append(of, in)
		}
	}
	return all, gangs, of
}

// gangOf is the group that a job is of; -1: none.
func (t *Trace) gangOf(job int) int {
	if t.in == nil {
		return -1
	}
	return t.in[job]
}

// gangFate is what has become of a group.
type gangFate struct {
	whole   bool // it waits, to be placed whole
	placed  bool // its first members were, together
	asked   bool // it has been tried
	waited  int64
	stopped int    // how often, for another
	leaving int    // jobs that were told to make room for another, and have not ended yet
	room    int    // jobs that were told to make room for it
	members []int  // while it waits whole: the jobs that wait
	running int    // jobs
	over    int    // jobs that have run to their end
	domain  string // with a topology, the value of the label where it is placed
	link    string // linked, the link domain

	keptSince int64 // something was kept for it first; neverKept: nothing was
	unkept    int64 // nothing can be kept for it before
	overtaken scheduler.Overtaken
	noRoom    int64 // nobody could make room for it then; neverKept: it has not been asked
}

// neverKept is before any time: a snapshot's may be before the trace's zero.
const neverKept = math.MinInt64

// gangRun is the groups of a run.
type gangRun struct {
	by      gangPolicy
	fates   []gangFate
	classes map[gangLike]*gangClass
	freed   []int // machines that may have more to give since the classes were told
	pass    int
	waiting int // groups that wait whole
	keep    keepState
}

// newGangRun is nil where there is no group.
func newGangRun(t *Trace, p policy, c *cluster) *gangRun {
	if len(t.groups) == 0 && !slices.ContainsFunc(t.jobs, func(j Job) bool { return j.In != Site{} }) {
		return nil
	}
	b := &gangRun{fates: make([]gangFate, len(t.groups)), classes: make(map[gangLike]*gangClass), keep: keepState{group: -1, off: make(map[int]bool)}}
	for g := range b.fates {
		b.fates[g].keptSince, b.fates[g].noRoom = neverKept, neverKept
	}
	if by, ok := p.(gangPolicy); ok {
		b.by = by
	} else {
		b.by = &plainGangs{policy: p, shapes: t.shapes, cluster: c}
	}
	b.keep.by, _ = b.by.(keeper)
	return b
}

// gives notes that a machine has more to give.
func (b *gangRun) gives(machine int) {
	b.freed = append(b.freed, machine)
	b.keep.touch(machine)
}

// waitsWhole says whether a job waits with its whole group.
func (b *gangRun) waitsWhole(group int) bool { return group >= 0 && b.fates[group].whole }

// arriveWhole lets a group wait: those of its jobs that have neither ended nor left.
func (r *replay) arriveWhole(g int) {
	f, of := &r.gangs.fates[g], &r.groups[g]
	f.whole, f.placed, f.domain, f.link, f.members = true, false, "", "", f.members[:0]
	f.overtaken = scheduler.Overtaken{}
	r.gangs.waiting++
	for j := of.first; j < of.first+int(of.Size); j++ {
		if one := &r.fates[j]; !one.left && !one.over {
			f.members = append(f.members, j)
			r.kind[j] = r.kindOf(j, Site{})
		}
	}
}

// needs is how many of a group's jobs must be placed together: some may have ended.
func (r *replay) needs(g int) int {
	return max(int(r.groups[g].MinCount)-r.gangs.fates[g].over, 1)
}

// outOfPatience has a group leave that was not placed in time, or those of its jobs that did
// not follow the first ones.
func (r *replay) outOfPatience(g int) {
	f, of := &r.gangs.fates[g], &r.groups[g]
	if f.stopped > 0 {
		return
	}
	waited, tenant := r.now-r.jobs[of.first].ArrivalMS, r.jobs[of.first].Tenant
	if f.whole {
		f.whole, f.waited = false, waited
		r.gangs.waiting--
		r.turns.leave(tenant, ^g, len(f.members))
	}
	for j := of.first; j < of.first+int(of.Size); j++ {
		if one := &r.fates[j]; !one.placed && !one.over && !one.left {
			one.left, one.waited = true, waited
			r.turns.leave(tenant, j, 1)
		}
	}
}

// Tenants are those that have a job, or something that runs when the trace begins, by name.
func (t *Trace) Tenants() []string {
	all := make(map[string]bool)
	for i := range t.jobs {
		all[t.jobs[i].Tenant] = true
	}
	for i := range t.running {
		all[t.running[i].Tenant] = true
	}
	delete(all, "") // nobody's
	return slices.Sorted(maps.Keys(all))
}

// Unlabelled are the labels that a group asks for and that no machine has, by name: such a group
// is never placed.
func (t *Trace) Unlabelled() []string {
	none := make(map[string]bool)
	for g := range t.groups {
		if label := t.groups[g].Topology; label != "" && len(t.cluster.valuesOf(label)) == 0 {
			none[label] = true
		}
	}
	return slices.Sorted(maps.Keys(none))
}
