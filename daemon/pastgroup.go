package daemon

import (
	"context"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// waitingGroup is what a request waited as.
type waitingGroup struct {
	request *berth.Request
	members []scheduler.Candidate // of its group, which waited whole; none: it waited by itself
	needs   int64                 // so many of them must be placed
	inVain  bool                  // others may have to make room for it, but it had to do so itself
	wait    *GroupWait            // where it waited whole
}

// least is how many requests are placed together, at least.
func (g *waitingGroup) least() int64 {
	if len(g.members) == 0 {
		return 1
	}
	return min(g.needs, int64(len(g.members)))
}

// groupAt is a request's group at a revision.
func (d *Daemon) groupAt(ctx context.Context, e *Explanation, beside claimants) (waitingGroup, error) {
	spec, at := &e.Status.Spec, e.Status.Revision
	one := waitingGroup{request: spec}
	facts, err := d.store.GetAt(ctx, at, groupKey(spec.Group.ID))
	if err != nil {
		return one, err
	}
	g, ok := facts[0].Record.(*berth.Group)
	if !ok {
		return one, nil // it was being submitted
	}
	if g.State != berth.GroupPending {
		one.request = &joining(&berth.Submission{Spec: *spec}, g).Spec
		return one, nil
	}
	members, err := Replayer{d.store}.members(ctx, spec.Group.ID, g, at)
	if err != nil {
		return one, err
	}
	made := g.LastEnd.MadeRoom()
	one.wait = &GroupWait{}
	for i := range members {
		m := &members[i]
		one.wait.add(m.waiting.id, beside.nextAttempt(m.waiting.request, m.lastEnd, m.before, e.Past.Time), m.on != "")
		one.members = append(one.members, members[i].waiting.candidate())
		made = made || g.LastEnd == "" && members[i].lastEnd.MadeRoom() // see groupPreempts
	}
	one.inVain = made && spec.Preemption == berth.PreemptionLower
	one.needs = needs(g, int64(len(members)))
	return one, nil
}

// whyNot is why a group was not placed whole, or nil: as whyNotGroup tells it, by what its quota had. short is what that had too little of
// for as many members as must be placed together.
func (g *waitingGroup) whyNot(f *scheduler.Fleet, q *pastQuota, short *berth.Verdict) *berth.Verdict {
	r := g.request
	ask := scheduler.Gang{Members: g.members, Need: int(g.needs), Topology: r.Group.Topology, Linked: r.Group.Linked}
	if q != nil && short == nil {
		ask.Members, ask.Left = g.restricted(q.typed(r, 1, q.obtainable)), kindsOf(q.devicesLeft(r, q.obtainable))
	}
	got := f.PlaceGang(ask)
	f.Undo(got)
	switch {
	case short != nil:
		v := groupWithQuota(got.Verdict, short)
		if isQuota(v) && got.Verdict != nil && (neverAlone(got.Verdict) || r.Preemption != berth.PreemptionLower) { // else others might have made room then
			return withRoom(v, got.Verdict)
		}
		return v
	case q != nil && got.Verdict != nil && len(r.Resources.Devices) > 0:
		q.tellTypesShort(r, g.needs, got.Verdict, g.fitting(f))
	}
	return got.Verdict
}

// fitting is by the workers of then.
func (g *waitingGroup) fitting(f *scheduler.Fleet) fitting {
	return func(members int64, left berth.Amounts) bool {
		of := berth.Membership{MinCount: members}
		if members > 0 {
			of.Topology, of.Linked = g.request.Group.Topology, g.request.Group.Linked
		}
		return len(f.EverOn(scheduler.Candidate{Request: g.request}, of, kindsOf(left))) > 0
	}
}

// groupThen is what there was for a group.
type groupThen struct {
	fleet *scheduler.Fleet
	quota *pastQuota
	keep  *berth.Keep
}

// tellGroupAt adds to why a group waited what was kept in its pool, and who made room for it, or why nobody did, as far as the records
// tell; and what its quota had too little of, and how that stood.
func (d *Daemon) tellGroupAt(ctx context.Context, e *Explanation, g *waitingGroup, then groupThen) (err error) {
	id, at := g.request.Group.ID, e.Status.Revision
	var on []berth.WorkerID
	if k := then.keep; k != nil && k.Group == id {
		if e.Victims, on, err = (Replayer{d.store}).makingAt(ctx, k, at); err != nil {
			return err
		}
	}
	e.Verdict.At = at
	tellKept(e.Verdict, id, then.keep)
	e.Verdict = tellGroupVain(e.Verdict, func() (berth.Reason, bool) { return vain(berth.VainFirst), g.inVain })
	if q := then.quota; q != nil && len(e.Victims) == 0 {
		e.Verdict = q.tellTypesNow(e.Verdict, g.request, g.least(), g.placing(then.fleet))
	}
	then.quota.tell(e.Verdict)
	e.Verdict = tellMaking(e.Verdict, e.Victims, on)
	return nil
}

// placing is by how the workers were then, with what they had.
func (g *waitingGroup) placing(f *scheduler.Fleet) fitting {
	return func(members int64, left berth.Amounts) bool {
		of := g.request.Group
		return placeable(f, scheduler.Gang{Members: g.members[:members], Topology: of.Topology, Linked: of.Linked}, left)
	}
}

// restricted are the members that ask for those types of devices that they may have.
func (g *waitingGroup) restricted(as *berth.Request) []scheduler.Candidate {
	if sameTypes(as, g.request) {
		return g.members
	}
	out := make([]scheduler.Candidate, len(g.members))
	for i, m := range g.members {
		r := *m.Request
		r.Resources.Devices, m.Request = as.Resources.Devices, &r
		out[i] = m
	}
	return out
}
