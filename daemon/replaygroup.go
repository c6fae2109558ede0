package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// member is a request as it was placed at a revision: of a group, where that was.
func (d Replayer) member(ctx context.Context, sub *berth.Submission, at berth.Revision) (*berth.Submission, error) {
	if sub.Spec.Group == nil {
		return sub, nil
	}
	facts, err := d.Store.GetAt(ctx, at, groupKey(sub.Spec.Group.ID))
	if err != nil {
		return nil, err
	}
	g, ok := facts[0].Record.(*berth.Group)
	if !ok {
		return nil, ErrCorrupt
	}
	return joining(sub, g), nil
}

// inGroup decides again where a group goes that was placed as a whole, and returns
// what that is for one of its members.
func (d Replayer) inGroup(ctx context.Context, r *Replay, s *snapshot.Snapshot, w *waiting) (scheduler.Decision, error) {
	g := r.Basis.Group
	f, err := r.fleet(s, w, g.From)
	if err != nil {
		return scheduler.Decision{}, err
	}
	ask := scheduler.Gang{Need: g.Need, Topology: w.request.Group.Topology, Linked: w.request.Group.Linked, Left: g.Left}
	kept, err := d.together(ctx, r, &ask)
	if err != nil {
		return scheduler.Decision{}, err
	}
	ask.Members = ask.Members[:min(len(ask.Members), g.Of)]
	got, done := scheduler.GangDecision{}, false
	if g.Kept {
		got, done = f.PlaceGangOn(ask, kept)
	}
	if !done {
		got = f.PlaceGang(ask)
	}
	i := slices.IndexFunc(ask.Members, func(c scheduler.Candidate) bool { return c.Request.ID == r.ID })
	if i >= 0 && i < len(got.Placed) {
		return got.Placed[i], nil
	}
	if got.Verdict == nil { // fewer have a place
		got.Verdict = new(f.Explain(w.candidate()))
	}
	return scheduler.Decision{Verdict: got.Verdict}, nil
}

// membersAtOnce bounds the records of one read: each is as large as its request.
const membersAtOnce = 32

// together fills in the members of a group that its plan was about: those that it
// placed, and those that waited. It returns the workers of the first.
func (d Replayer) together(ctx context.Context, r *Replay, ask *scheduler.Gang) (placed []berth.WorkerID, err error) {
	g := r.Basis.Group.ID
	facts, err := d.Store.GetAt(ctx, r.Revision, groupKey(g))
	if err != nil {
		return nil, err
	}
	group, ok := facts[0].Record.(*berth.Group)
	if !ok {
		return nil, ErrCorrupt
	}
	members, err := d.members(ctx, g, group, r.Revision)
	for i := range members {
		m := &members[i]
		c := narrowed(m.waiting.candidate(), r.Basis.Group.Types)
		c.Again = true // the prices have been made
		ask.Members = append(ask.Members, c)
		if m.on != "" {
			placed = append(placed, m.on)
		}
	}
	return placed, err
}

// memberThen is a group's member, as the store had it at a revision.
type memberThen struct {
	waiting *waiting
	lastEnd berth.EndReason
	before  time.Time      // it is not placed before
	on      berth.WorkerID // where it was placed, or none
}

// members are those of a group that had not ended at a revision, in their order.
func (d Replayer) members(ctx context.Context, id berth.GroupID, g *berth.Group, at berth.Revision) (all []memberThen, err error) {
	for ids := range slices.Chunk(id.Members(g.Size), membersAtOnce) {
		var keys []berth.Key
		for _, id := range ids {
			keys = append(keys, requestKey(id), stateKey(id))
		}
		facts, err := d.Store.GetAt(ctx, at, keys...)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			sub, ok := facts[2*i].Record.(*berth.Submission)
			if !ok {
				continue // it had ended
			}
			p, _ := facts[2*i+1].Record.(*berth.Progress)
			one := memberThen{waiting: waitingOf(id, sub, 0, p)}
			if p != nil {
				one.lastEnd, one.before = p.LastEnd, p.NotBefore
			}
			if p != nil && p.State == berth.StatePlaced {
				one.on = p.Worker
			}
			all = append(all, one)
		}
	}
	return all, nil
}
