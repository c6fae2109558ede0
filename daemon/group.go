package daemon

import (
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A group's life is in its record and in its members' records, all of it; what a
// daemon keeps beside is made anew by the next one. Every step is a transaction that
// compares the record, and most rewrite it:
//
//	placed     the first members get their places, and the record is PLACED
//	joined     a later member gets one, while the record is as it was seen
//	anew       the end that puts a member back to PENDING makes the record PENDING,
//	           with the next attempt: what is of an older attempt is stopped
//	failed     the end of a member counts it, and makes the record ENDING when too
//	           few are left: what is left is stopped, and archived
//	cancelled  the record is made ENDING by its user
//	forgotten  the record goes when its last member has
//
// So whoever looks at a member sees by the record what is to become of it.

// groupInfo is what a daemon keeps of a group beside the view.
type groupInfo struct {
	members   []berth.RequestID // that have not ended, sorted
	seen      time.Time         // the first of them
	conflicts int               // of its placement, in a row
	chosen    []berth.WorkerID  // by the last one, for each of its first members
	holding   bool              // its hold is being put
	keptSince time.Time         // something was kept for it first, in its pool
	unkept    time.Time         // nothing is, before
	noRoom    time.Time         // nobody could make room for it then
	inVain    bool              // nor could anybody since a drain began to move it, though its quota had room for it
	hurried   int64             // the attempt in which that was asked early: see hurryRoom
	triedAt   time.Time         // in vain, in that
	overtaken scheduler.Overtaken
}

// orphanAfter is how long members may be there without their group: a submission that
// takes longer has ended.
const orphanAfter = time.Minute

func groupKey(g berth.GroupID) berth.Key { return berth.Key{Kind: berth.KindGroup, ID: string(g)} }

// group is a group's record, or nil.
func (v *view) group(g berth.GroupID) (*berth.Group, berth.Revision) {
	return record[berth.Group](v, groupKey(g))
}

// groupOf is the group that a request is a member of, or none.
func (v *view) groupOf(id berth.RequestID) berth.GroupID {
	if s, _ := v.submission(id); s != nil && s.Spec.Group != nil {
		return s.Spec.Group.ID
	}
	return ""
}

// noteMember keeps who is a member of a group.
func (l *loop) noteMember(g berth.GroupID, id berth.RequestID, there bool) {
	info := l.groups[g]
	if info == nil {
		info = &groupInfo{seen: l.now()}
		l.groups[g] = info
	}
	i, known := slices.BinarySearch(info.members, id)
	switch {
	case there && !known:
		info.members = slices.Insert(info.members, i, id)
	case !there && known:
		info.members = slices.Delete(info.members, i, i+1)
	}
	l.due.add(groupKey(g))
}

// inGroup are the members of a group that have not ended, sorted.
func (l *loop) inGroup(g berth.GroupID) []berth.RequestID {
	if info := l.groups[g]; info != nil {
		return info.members
	}
	return nil
}

// markGroup looks at a group whose record has changed, and at its members where that
// concerns them.
func (l *loop) markGroup(f berth.Fact, old former) {
	id := berth.GroupID(f.Key.ID)
	l.due.add(f.Key)
	l.markKeepFor(id)
	is, _ := f.Record.(*berth.Group)
	was, _ := old.record.(*berth.Group)
	if is != nil && is.State == berth.GroupEnding || is == nil {
		l.settleGroupCancel(id)
	}
	if info := l.groups[id]; info != nil && is != nil && is.State != berth.GroupPending {
		info.conflicts, info.chosen, info.keptSince, info.overtaken = 0, nil, time.Time{}, scheduler.Overtaken{}
	}
	if is != nil && was != nil && is.State == was.State && is.Attempt == was.Attempt {
		return
	}
	for _, m := range l.inGroup(id) {
		l.markKin(m)
	}
}

// succeeded counts the members that have: those that are neither there nor failed.
func (l *loop) succeeded(id berth.GroupID, g *berth.Group) int64 {
	return succeeded(g, int64(len(l.inGroup(id))))
}

// succeeded counts them where so many members have not ended.
func succeeded(g *berth.Group, left int64) int64 { return max(g.Size-left-g.Failed, 0) }

// groupNow is a group's record with what the plan being built does to it.
func (b *builder) groupNow(id berth.GroupID) (*berth.Group, berth.Revision) {
	if i, ok := b.groups[id]; ok {
		return b.plan.Groups[i].Group, b.plan.Groups[i].Was
	}
	return b.l.view.group(id)
}

// group is the record that this plan writes of a group that is there, begun from the view.
func (b *builder) group(id berth.GroupID) *berth.Group {
	if i, ok := b.groups[id]; ok {
		return b.plan.Groups[i].Group
	}
	now, was := b.l.view.group(id)
	next := *now
	if b.groups == nil {
		b.groups = make(map[berth.GroupID]int)
	}
	b.groups[id] = len(b.plan.Groups)
	b.plan.Groups = append(b.plan.Groups, berth.GroupWrite{ID: id, Was: was, Group: &next})
	b.ops = b.ops.plus(opsGroup)
	b.keys = append(b.keys, groupKey(id))
	return &next
}

// defersGroup says whether a key that concerns a group is left alone for now: a plan
// that rewrites the group is in flight, and it is due again when that has its answer.
func (fs *flights) defersGroup(g berth.GroupID, k berth.Key) bool {
	f := fs.groups[g]
	if f == nil {
		return false
	}
	f.again = append(f.again, k)
	return true
}

// A plan that places in a group, as that is, changes nothing else of it: what it places would
// be of an attempt that is over by the same plan.

// defersJoined leaves a key that concerns a group to another plan, where this one places in it.
func (b *builder) defersJoined(g berth.GroupID, k berth.Key) bool {
	_, is := b.joined[g]
	if is {
		b.after = append(b.after, k)
	}
	return is
}

// changesJoined says whether a preemption would do so to such a group.
func (b *builder) changesJoined(c *clearance) bool {
	joined := func(x *life) bool {
		_, is := b.joined[b.l.view.groupOf(x.id)]
		return is
	}
	return slices.ContainsFunc(c.ends, joined) || slices.ContainsFunc(c.orders, joined)
}

func eachGroup(p *berth.Plan, do func(berth.GroupID)) {
	for i := range p.Groups {
		do(p.Groups[i].ID)
	}
}
