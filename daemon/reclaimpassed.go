package daemon

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Where no end of a borrower's would make room for a lender's request, nothing ends for it. Then a worker comes free that
// has room for it, but what was lent is not back, so it is passed by: who waits for no quota takes the worker, and
// would each time. So a daemon that reclaims in vain sees who gets room on a worker. Where a request would
// have had its place there, the quota alone kept it waiting, and from then on what it lacks is reclaimed wherever
// that is used. What came back is kept for it (see withAwaited): it has its turn when the next worker comes free.
//
// That is a daemon's own memory of what all can see. Who takes its duty over waits for the next worker.

// passing is a request for which nothing was stopped, for that would have made no room.
type passing struct {
	awaiter
	request *berth.Request
	passed  bool // others got what it had room in
}

// awaiter names it.
type awaiter struct {
	lender account
	id     berth.RequestID
}

// passings are those of a pool.
type passings struct {
	all  []*passing
	of   map[awaiter]*passing
	next int                                  // where the next look begins
	came map[berth.WorkerID][]berth.RequestID // who got a place since a worker was looked at
}

// passingsMost bounds the requests that are looked at when somebody got a place: of more, others are the next time.
const passingsMost = 64

// wasPassed says whether a request for which nothing makes room was passed by since then.
func (q *quotas) wasPassed(lender account, id berth.RequestID) bool {
	in := q.passings[lender.pool]
	if in == nil {
		return false
	}
	p := in.of[awaiter{lender, id}]
	return p != nil && p.passed
}

// awaited notes for which requests of a lender nothing makes room, and forgets the others.
func (q *quotas) awaited(lender account, now map[berth.RequestID]*berth.Request) {
	in := q.passings[lender.pool]
	if in == nil {
		if len(now) == 0 {
			return
		}
		in = &passings{of: make(map[awaiter]*passing), came: make(map[berth.WorkerID][]berth.RequestID)}
		q.passings[lender.pool] = in
	}
	in.all = slices.DeleteFunc(in.all, func(p *passing) bool {
		gone := p.lender == lender && now[p.id] == nil
		if gone {
			delete(in.of, p.awaiter)
		}
		return gone
	})
	known := len(in.all)
	for id, r := range now { // they are put in order
		if a := (awaiter{lender, id}); in.of[a] == nil {
			in.of[a] = &passing{awaiter: a, request: r}
			in.all = append(in.all, in.of[a])
		}
	}
	slices.SortFunc(in.all[known:], func(a, b *passing) int { return cmp.Compare(a.id, b.id) })
	if len(in.all) == 0 {
		delete(q.passings, lender.pool)
	}
}

// awaitedBehind adds those of a lender for which nothing made room when they were looked at last, and that wait behind another yet, or are that.
func (l *loop) awaitedBehind(lender account, a *asking, now map[berth.RequestID]*berth.Request) {
	in := l.quotas.passings[lender.pool]
	if in == nil {
		return
	}
	for _, p := range in.all {
		c := l.queue.of[p.id]
		if c == nil || p.lender != lender {
			continue
		}
		if it := askedBy(c.ids[p.id]); a.Compare(&it.Gathering) <= 0 {
			now[p.id] = p.request
		}
	}
}

// cameTo notes who gets a place.
func (q *quotas) cameTo(was, is occupancy) {
	if len(q.passings) == 0 || is.terms == nil || was.terms != nil && was.worker == is.worker {
		return
	}
	if in := q.passings[is.pool]; in != nil {
		w := is.worker.Value()
		in.came[w] = append(in.came[w], is.id)
	}
}

// seePassed finds for whom a worker has room, as the fleet has it now, or had it for others who came there: not for who is of the same tenant, for
// that may have had its room made there.
func (l *loop) seePassed(w berth.WorkerID, p berth.PoolID) {
	in := l.quotas.passings[p]
	if in == nil {
		return
	}
	came, free := l.cameAtOnce(w, in.came[w])
	delete(in.came, w)
	for range min(len(in.all), passingsMost) {
		of := in.all[in.next%len(in.all)]
		in.next = (in.next + 1) % len(in.all)
		if of.passed || !needOf(&of.request.Resources).within(free) {
			continue
		}
		c := scheduler.Candidate{Request: of.request, Priority: of.request.Priority}
		if l.fleet.Fits(c, w) || l.hadRoom(of, c, w, came) {
			l.due.add(tenantKey(of.lender.tenant))
		}
	}
}

// hadRoom notes whether a request would have room on a worker without some, of other tenants.
func (l *loop) hadRoom(of *passing, c scheduler.Candidate, w berth.WorkerID, came []scheduler.Occupant) bool {
	others := slices.DeleteFunc(slices.Clone(came), func(o scheduler.Occupant) bool {
		return l.view.lives[o.Request].spec.request.Tenant == of.lender.tenant
	})
	_, of.passed = l.fleet.Clear(c, []berth.WorkerID{w}, func(berth.WorkerID) []scheduler.Occupant { return others })
	return of.passed
}

// cameAtOnce are those of some on a worker that got their places by the last transaction that gave any, and how much
// the worker has free without them.
func (l *loop) cameAtOnce(w berth.WorkerID, ids []berth.RequestID) (came []scheduler.Occupant, free need) {
	free, _, ok := l.room(w)
	if !ok {
		return nil, nothing
	}
	last := berth.Revision(0)
	for _, id := range ids {
		x := l.view.lives[id]
		if x == nil || !x.isOn(w) || x.leaving() {
			continue
		}
		if at := l.view.mod(allocationKey(w, id)); at != last {
			if at < last {
				continue
			}
			last, came = at, came[:0]
		}
		came = append(came, scheduler.Occupant{Request: id, Placed: int64(x.placed), Share: x.terms.share, Labels: x.spec.request.Labels})
	}
	for i := range came {
		s := &came[i].Share
		for k, amount := range [...]int64{s.CPUMilli, s.MemoryBytes, s.DiskBytes} {
			free[k] += amount
		}
	}
	return came, free
}
