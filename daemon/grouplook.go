package daemon

import (
	"time"

	"github.com/berthd/berth"
)

// lookGroup finds what a group needs now: to be placed, to be ended, or forgotten.
func (l *loop) lookGroup(id berth.GroupID, b *builder) {
	k := groupKey(id)
	l.settle(k)
	g, mod := l.view.group(id)
	members := l.inGroup(id)
	if was := l.gangs.of[id]; was != nil && l.limited(was.request) != nil {
		defer func() {
			if l.gangs.of[id] == nil { // as of a request: see offQueue
				l.due.add(tenantKey(was.request.Tenant))
			}
		}()
	}
	switch {
	case l.view.unreadable(k):
		l.gangs.remove(id)
	case l.flights.defersGroup(id, k), b.defersJoined(id, k):
	case g == nil:
		l.gangs.remove(id)
		l.notDrained(id)
		l.settleGroupCancel(id)
		l.lookOrphans(id, b)
	case l.behind(k, k): // its members are known when the watch has passed it
		l.gangs.remove(id)
	case len(members) == 0:
		l.gangs.remove(id)
		if l.mayAct(k, l.share.ofTask(string(id))) {
			b.forget(id, mod)
		}
	case l.groupCancels[id] != nil && g.State != berth.GroupEnding:
		l.gangs.remove(id)
		b.endGroup(id, berth.EndCancelled, l.groupCancels[id].message)
		b.add(ops{}, bytesStop, k)
	case g.State == berth.GroupPending:
		l.lookWaiting(id, g, b.now)
	default:
		l.gangs.remove(id)
		l.notDrained(id)
	}
}

// forget deletes the record of a group without members.
func (b *builder) forget(id berth.GroupID, was berth.Revision) {
	if _, written := b.groups[id]; written {
		b.keys = append(b.keys, groupKey(id))
		return
	}
	b.group(id)
	b.plan.Groups[b.groups[id]].Group = nil
	b.add(ops{}, 0, groupKey(id))
}

// isOrphan says whether a request is a member of a group that is not there. It ends as
// incomplete whatever ends it: by that, a repeat of its group's submission is told so.
func (l *loop) isOrphan(sub *berth.Submission) bool {
	if sub.Spec.Group == nil {
		return false
	}
	g, _ := l.view.group(sub.Spec.Group.ID)
	return g == nil
}

// lookOrphans archives the members of a group that was not submitted whole in time. A
// submission's last transaction compares that they are there; this one, that the group is not.
func (l *loop) lookOrphans(id berth.GroupID, b *builder) {
	info := l.groups[id]
	if info == nil {
		return
	}
	if len(info.members) == 0 {
		delete(l.groups, id)
		return
	}
	k := groupKey(id)
	if ends := info.seen.Add(orphanAfter); b.now.Before(ends) {
		l.timers.set(k, ends)
		return
	}
	for _, m := range info.members {
		sub, _ := l.view.submission(m)
		prog, mod := l.view.progress(m)
		switch {
		case sub == nil || prog != nil || l.corrupt(m):
		case !l.mayAct(k, l.share.ofTask(string(id))):
		case !b.room():
			l.timers.set(k, b.now)
			return
		case b.claim(m, k):
			b.guard(berth.Guard{Key: k})
			b.cancel(m, sub, nil, mod, verdict{
				state: berth.StateFailed, reason: berth.EndIncomplete, message: "its group was not submitted whole within " + orphanAfter.String(),
			})
		}
	}
}

// lookWaiting lets a group wait for its place, once all of its members do.
func (l *loop) lookWaiting(id berth.GroupID, g *berth.Group, now time.Time) {
	members, at, ok := l.readyMembers(id, now)
	if !at.IsZero() {
		l.putOff(groupKey(id), at)
	}
	delete(l.moving, id)
	if !ok || l.groups[id].holding {
		l.gangs.remove(id)
		l.seeDrained(id, g, now)
		if g.LastEnd == berth.EndDrained && len(l.inGroup(id)) > 0 {
			if sub, _ := l.view.submission(l.inGroup(id)[0]); sub != nil {
				l.moving[id] = sub.Spec.Pool
			}
		}
		return
	}
	first := members[0]
	one := &gang{
		id: id, pool: first.request.Pool, priority: first.priority, seq: l.view.whole[berth.KindGroup][groupKey(id)].Create,
		size: int64(len(members)), need: max(g.MinCount-l.succeeded(id, g), 1), request: first.request,
	}
	one.like = l.gangLike(one)
	owner := l.share.ofGroup(first.request)
	p := l.peers.byID[owner]
	if p == nil {
		l.gangs.put(one)
		if l.gangs.of[id].class.over > 0 {
			l.wantsMore(one.request)
		}
		return
	}
	l.gangs.remove(id)
	l.notDrained(id)
	l.owing(p, func() {
		l.peers.holder[groupKey(id)] = p
		p.gangs.put(one)
	})
	l.passesGathered(one.request, askedByGroup(one))
}

// readyMembers are the members of a group, in order, when all of them may be placed;
// otherwise at is when some backoff ends, if that is what is waited for.
func (l *loop) readyMembers(id berth.GroupID, now time.Time) (members []*waiting, at time.Time, ok bool) {
	for _, m := range l.inGroup(id) {
		sub, seq := l.view.submission(m)
		prog, _ := l.view.progress(m)
		if sub == nil || l.corrupt(m) || l.view.allocated(m) || l.flights.requests[m] != nil || prog != nil && prog.State != berth.StatePending {
			return nil, time.Time{}, false
		}
		if prog != nil && !prog.NotBefore.IsZero() {
			if ends := l.backoffEnds(m, prog, now); now.Before(ends) && ends.After(at) {
				at = ends
			}
		}
		w := waitingOf(m, sub, seq, prog)
		w.asked = true // what is asked about it counts for nothing, but when its place is chosen first: see chooseWay
		members = append(members, w)
	}
	return members, at, at.IsZero() && len(members) > 0
}

// lookMember does what the group of a pending request says; left: nothing, or that it
// is to be placed by itself, and as what.
func (l *loop) lookMember(id berth.RequestID, sub *berth.Submission, prog *berth.Progress, mod berth.Revision, b *builder) (left *berth.Submission) {
	g, _ := b.groupNow(sub.Spec.Group.ID)
	switch {
	case g == nil || g.State == berth.GroupPending:
		l.offQueue(id)
		if !l.due.swept { // else nothing of it has changed since the load made its group due
			l.due.add(groupKey(sub.Spec.Group.ID))
		}
	case g.State == berth.GroupEnding:
		l.queue.remove(id)
		if l.mayAct(requestKey(id), l.share.ofRequest(&sub.Spec, sub.Planner)) && b.claim(id, requestKey(id)) {
			b.cancel(id, sub, prog, mod, overWith(g))
		}
	default:
		return joining(sub, g)
	}
	return nil
}

// joining is a later member's request: it goes where the others are.
func joining(sub *berth.Submission, g *berth.Group) *berth.Submission {
	if g.Domain == "" && g.Link == "" {
		return sub
	}
	s := *sub
	s.Spec = sub.Spec.Beside(g.Domain, g.Link)
	return &s
}

// joins says whether a plan may place a request as a member of its group, if it has
// one, as that is: in its present attempt. The plan depends on that, for a place that
// comes after the attempt is over must not apply.
func (b *builder) joins(m *berth.Membership) (id berth.GroupID, attempt int64, ok bool) {
	if m == nil {
		return "", 0, true
	}
	g, was := b.groupNow(m.ID)
	if g == nil || g.State != berth.GroupPlaced {
		return m.ID, 0, false
	}
	if _, written := b.groups[m.ID]; !written {
		b.guard(berth.Guard{Key: groupKey(m.ID), Was: was})
	}
	return m.ID, g.Attempt, true
}
