package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What the workers of its pool could never take, were they empty, waits for nothing that quota would help: none is gathered for it, wanted
// back, nor lent. Of a group that is so where one domain has no room for as many members as must be placed together, though it has for one.
//
// It is asked at each look at a tenant, and looking at all workers each time would be too much. So it is known by what is asked for: if
// it could be taken, on which workers, and that stays so until one of them is gone, or another; if not, until any worker has come.

// everMost bounds how much that is known of in a pool.
const everMost = 4096

// fitsEver says whether the workers that are there could take so many members of a request's group together, were they empty; of
// none, the request by itself. With no more of each limited type of devices than is left; nil: with all.
func (l *loop) fitsEver(r *berth.Request, members int64, left berth.Amounts) bool {
	s, as, name := l.loansIn(r.Pool), berth.Membership{MinCount: members}, scheduler.Shape(r)
	if members > 0 {
		as.Topology, as.Linked = r.Group.Topology, r.Group.Linked
		b := strconv.AppendInt(append([]byte(name), " g"...), members, 10)
		name = string(strconv.AppendBool(strconv.AppendQuote(b, as.Topology), as.Linked))
	}
	for _, d := range left.Dimensions() {
		name += fmt.Sprintf(" %s=%d", d, left[d])
	}
	on, known := s.everOn[name]
	if !known {
		if on = l.fleet.EverOn(scheduler.Candidate{Request: r}, as, kindsOf(left)); len(s.everOn) >= everMost {
			clear(s.everOn)
		}
		s.everOn[name] = on
	}
	return len(on) > 0
}

// couldEver says so with what an account's whole quota would let it have of devices, and of what is lent no more than is guaranteed to all.
func (l *loop) couldEver(r *berth.Request, members int64, s *balance) bool {
	all := l.loansIn(r.Pool).ever
	return l.fitsEver(r, members, s.shortOf(r, max(members, 1), func(d berth.Dimension) int64 {
		if _, guaranteed := s.quota.Guaranteed[d]; guaranteed {
			return min(s.limitOf(d), all[d])
		}
		return s.limitOf(d)
	}))
}

// fitsEverNow says so of something that waits here for its quota or for workers, by all that its quota might let it have; true of what
// is not there to be judged.
func (l *loop) fitsEverNow(a asking, s *balance) bool {
	if g := l.gangs.of[a.Group]; g != nil {
		return l.couldEver(g.request, g.need, s)
	}
	if c := l.queue.of[a.Request]; c != nil {
		return l.couldEver(c.ids[a.Request].request, 0, s)
	}
	return true
}

// refit forgets what may be otherwise since a worker of a pool has come, or gone, or is another, and has those looked at who wait there.
func (l *loop) refit(p berth.PoolID, w berth.WorkerID, came bool) {
	s := l.quotas.loans[p]
	if s == nil {
		return
	}
	n := len(s.everOn)
	maps.DeleteFunc(s.everOn, func(_ string, on []berth.WorkerID) bool {
		return came && len(on) == 0 || slices.Contains(on, w)
	})
	if len(s.everOn) == n {
		return
	}
	s.wake(l)
	l.lookAtTenants(p, func(of account) bool {
		return l.waitsForQuota(of) || l.waitsForTypes(of) || l.gathersHere(of) || l.idleHere(of)
	})
}

// gathersHere says whether this daemon has quota of an account gathered.
func (l *loop) gathersHere(of account) bool {
	rec, _ := l.view.tenant(of.tenant)
	_, gathers := rec.Pools[of.pool].Gathering[l.d.opts.ID]
	return gathers
}
