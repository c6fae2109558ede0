package daemon

import (
	"slices"
	"time"
	"unique"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// occupancy is what the fleet counts of one allocation, for those who look for room.
type occupancy struct {
	id       berth.RequestID
	worker   unique.Handle[berth.WorkerID]
	pool     berth.PoolID
	priority int32
	placed   moment
	terms    *terms
}

// occupancyOf is nothing of an allocation that is kept beside: it makes room for nobody.
func (v *view) occupancyOf(x *life) (o occupancy) {
	if x.runs == 0 || x.spec == nil {
		return occupancy{}
	}
	o = occupancy{id: x.id, worker: x.worker, pool: x.spec.request.Pool, priority: x.priority(), placed: x.placed, terms: x.terms}
	if x.leaving() {
		o.priority = scheduler.PriorityLeaving
	}
	return o
}

// priority is that of the request, or an operator's instead.
func (x *life) priority() int32 {
	if x.waits != nil && x.waits.priority != nil {
		return *x.waits.priority
	}
	return x.spec.request.Priority
}

// leaving says whether the allocation has ended, or is told to.
func (x *life) leaving() bool { return x.stop != nil || x.exit != nil }

// occupied brings the fleet in line.
func (l *loop) occupied(was, is occupancy) {
	if was == is {
		return
	}
	l.heldBy(was, is)
	l.quotas.resides(was, is)
	l.quotas.cameTo(was, is)
	if was.terms != nil {
		l.fleet.Occupy(was.worker.Value(), was.priority, &was.terms.share, -1)
	}
	if is.terms != nil {
		l.fleet.Occupy(is.worker.Value(), is.priority, &is.terms.share, 1)
	}
}

// occupants tells who is on a worker that may have to make room: not those whose ends
// another request waits for, nor what a plan changes that is being made (b, or nil) or
// is in flight. It asks the fleet nothing, for the fleet asks it.
func (l *loop) occupants(b *builder) func(berth.WorkerID) []scheduler.Occupant {
	now := l.now()
	if b != nil {
		now = b.now
	}
	return func(w berth.WorkerID) (all []scheduler.Occupant) {
		ledger, _ := l.view.ledger(w)
		if b != nil {
			ledger, _ = l.ledgerNow(w, b)
		}
		for _, x := range l.view.on[w] {
			acted := false
			if b != nil {
				_, acted = b.acted[x.id]
			}
			if acted || l.flights.requests[x.id] != nil || waitedFor(ledger, x.id) {
				continue
			}
			if o, ok := l.occupantOf(w, x); ok {
				switch {
				case o.Leaving:
					o.Left = leftOf(x, now)
				case x.runs.state() != berth.StatePlaced: // else it ends at once
					o.Grace = x.spec.request.StopTimeoutMS
				}
				all = append(all, o)
			}
		}
		return all
	}
}

// leftOf is after how many ms one has ended at the latest; 0: nothing says.
func leftOf(x *life, now time.Time) int64 {
	if x.exit != nil {
		return 1
	}
	return max(x.endsBy().UnixMilli()-now.UnixMilli(), 0)
}

func waitedFor(ledger *berth.Ledger, id berth.RequestID) bool {
	return ledger != nil && slices.ContainsFunc(ledger.Claims, func(c berth.Claim) bool { return slices.Contains(c.Victims, id) })
}

func (l *loop) occupantOf(w berth.WorkerID, x *life) (o scheduler.Occupant, ok bool) {
	if !x.placedWhole() || !x.isOn(w) || x.stateWorker != x.worker || x.stateAttempt != x.attempt {
		return o, false
	}
	o = scheduler.Occupant{
		Request: x.id, Priority: x.priority(), Placed: int64(x.placed), Share: x.terms.share,
		Labels: x.spec.request.Labels, Leaving: x.leaving(),
	}
	if g := x.terms.group; g != "" && !o.Leaving {
		rec, _ := l.view.group(g)
		if rec == nil || rec.State != berth.GroupPlaced || rec.Attempt != x.terms.groupAttempt || l.flights.groups[g] != nil {
			return o, false // it is about to be told to stop, or its group is about to change
		}
		o.Group, o.Members = g, l.placedIn(g)
	}
	return o, true
}

// placedIn counts the members of a group that have places.
func (l *loop) placedIn(g berth.GroupID) (n int) {
	for _, m := range l.inGroup(g) {
		if l.view.allocated(m) {
			n++
		}
	}
	return n
}
