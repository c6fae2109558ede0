package daemon

import (
	"fmt"

	"github.com/berthd/berth"
)

// fate is what a group's record says of an allocation of one of its members.
type fate string

const (
	fateNone fate = ""
	fateAnew fate = "anew" // stopped, for the group is placed again whole
	fateOver fate = "over" // stopped for good
)

// fateOf is what becomes of a member's allocation, and why.
func (b *builder) fateOf(a *berth.Allocation) (fate, string) {
	g, _ := b.groupNow(a.Group)
	switch {
	case g == nil:
		return fateNone, ""
	case g.State == berth.GroupEnding:
		return fateOver, g.Message
	case a.GroupAttempt < g.Attempt:
		return fateAnew, "its group is placed anew"
	}
	return fateNone, ""
}

// aheadOfGroup says whether an allocation has a place of its group's that the group's record,
// as the view has it, does not tell of yet.
func (v *view) aheadOfGroup(a *berth.Allocation) bool {
	if a.Group == "" {
		return false
	}
	g, _ := v.group(a.Group)
	return g == nil || a.GroupAttempt > g.Attempt || a.GroupAttempt == g.Attempt && g.State == berth.GroupPending
}

// overWith is how a member ends because its group does.
func overWith(g *berth.Group) verdict {
	return verdict{state: berth.StateCancelled, reason: g.Reason, message: g.Message}
}

// shareFate does to a group what the end of one of its members means for it; attempt
// is the group's that the member was placed in, 0: it was not. The end is in the plan already.
func (b *builder) shareFate(group berth.GroupID, id berth.RequestID, attempt int64, v verdict) {
	g, _ := b.groupNow(group)
	if g == nil || g.State == berth.GroupEnding || v.state == berth.StateSucceeded {
		return
	}
	if v.state == berth.StatePending {
		if g.State == berth.GroupPending && g.LastEnd == berth.EndDrained {
			b.keepAgain(group)
		}
		if g.State == berth.GroupPlaced && g.Attempt == attempt {
			b.anew(group, v.reason)
			switch {
			case v.charge:
				b.group(group).Used++
			case v.excused():
				b.group(group).Excused++
			}
		}
		return
	}
	next := b.group(group)
	next.Failed++
	switch {
	case next.Size-next.Failed < next.MinCount:
		b.endGroup(group, berth.EndGroup, fmt.Sprintf("%s ended %s: %s", id, v.state, v.reason))
	case next.State == berth.GroupPlaced && b.standing(group) < b.needed(group, next):
		b.anew(group, v.reason)
	}
}

// anew begins a group's next attempt; the former one has ended for that.
func (b *builder) anew(id berth.GroupID, why berth.EndReason) {
	g := b.group(id)
	g.LastEnd = why
	g.State, g.Since, g.Domain, g.Link = berth.GroupPending, b.now.UTC(), "", ""
	g.Attempt++
	if why == berth.EndDrained {
		b.keepDrained(id)
	}
}

// endGroup lets all that is left of a group end.
func (b *builder) endGroup(id berth.GroupID, why berth.EndReason, message string) {
	g := b.group(id)
	g.State, g.Since, g.Domain, g.Link = berth.GroupEnding, b.now.UTC(), "", ""
	g.Reason, g.Message = why, berth.Clip(message, berth.MaxMessageBytes)
}

// groupEnds is what the plan being built ends of a group.
type groupEnds struct {
	left      int64 // places in the attempt that the view knows
	succeeded int64
	standing  int64 // of the view; -1: not counted yet
}

func (b *builder) endsOf(id berth.GroupID) *groupEnds {
	e := b.ended[id]
	if e == nil {
		if b.ended == nil {
			b.ended = make(map[berth.GroupID]*groupEnds)
		}
		e = &groupEnds{standing: -1}
		b.ended[id] = e
	}
	return e
}

// noteEnd counts the end of a member that was placed in an attempt of its group.
func (b *builder) noteEnd(id berth.GroupID, attempt int64, v verdict) {
	e := b.endsOf(id)
	if g, _ := b.l.view.group(id); g != nil && g.Attempt == attempt {
		e.left++
	}
	if v.state == berth.StateSucceeded {
		e.succeeded++
	}
}

// standing counts the members that keep their places in a group's present attempt. They
// are counted once for a plan: many of them end in one.
func (b *builder) standing(id berth.GroupID) int64 {
	e := b.endsOf(id)
	if e.standing < 0 {
		e.standing = 0
		g, _ := b.l.view.group(id)
		for _, m := range b.l.inGroup(id) {
			if _, a, _ := b.l.view.allocationOf(m); a != nil && a.GroupAttempt == g.Attempt {
				e.standing++
			}
		}
	}
	return e.standing - e.left
}

// needed is how many must: min_count, less those that have succeeded.
func (b *builder) needed(id berth.GroupID, g *berth.Group) int64 {
	was, _ := b.l.view.group(id)
	return g.MinCount - b.l.succeeded(id, was) - b.endsOf(id).succeeded
}
