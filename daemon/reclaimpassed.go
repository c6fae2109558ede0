package daemon

import (
	"maps"
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
	lender    account
	id        berth.RequestID
	request   *berth.Request
	borrowers map[berth.TenantID]struct{} // who would have had to give something back
	passed    bool                        // others got what it had room in
}

// passings are those of a pool.
type passings struct {
	all  []*passing
	next int                                  // where the next look begins
	came map[berth.WorkerID][]berth.RequestID // who got a place since a worker was looked at
}

// passingsMost bounds the requests that are looked at when somebody got a place: of more, others are the next time.
const passingsMost = 64

// inVain notes that nothing of a borrower's makes room for a lender's request, and says whether it was passed by
// since then.
func (q *quotas) inVain(lender account, from berth.TenantID, r *berth.Request) bool {
	in := q.passings[lender.pool]
	if in == nil {
		in = &passings{came: make(map[berth.WorkerID][]berth.RequestID)}
		q.passings[lender.pool] = in
	}
	i := slices.IndexFunc(in.all, func(p *passing) bool { return p.id == r.ID && p.lender == lender })
	if i < 0 {
		i = len(in.all)
		in.all = append(in.all, &passing{lender: lender, id: r.ID, request: r, borrowers: make(map[berth.TenantID]struct{}, 1)})
	}
	in.all[i].borrowers[from] = struct{}{}
	return in.all[i].passed
}

// awaited forgets the requests of a lender that wait no more for what is lent.
func (q *quotas) awaited(lender account, waits map[berth.DaemonID]berth.LoanWait) {
	in := q.passings[lender.pool]
	if in == nil {
		return
	}
	in.all = slices.DeleteFunc(in.all, func(p *passing) bool {
		for _, w := range waits {
			if w.Own && w.Request == p.id {
				return false
			}
		}
		return p.lender == lender
	})
	if len(in.all) == 0 {
		delete(q.passings, lender.pool)
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

// seePassed finds for whom a worker has room, as the fleet has it now, or had it for who came there.
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
		if of.passed || !needOf(&of.request.Resources).within(free) || !l.hadRoom(of, w, came) {
			continue
		}
		of.passed = true
		for _, t := range slices.Sorted(maps.Keys(of.borrowers)) {
			l.due.add(tenantKey(t))
		}
	}
}

// hadRoom says whether a request has room on a worker, or would without some.
func (l *loop) hadRoom(of *passing, w berth.WorkerID, came []scheduler.Occupant) bool {
	c := scheduler.Candidate{Request: of.request, Priority: of.request.Priority}
	if l.fleet.Fits(c, w) {
		return true
	}
	_, ok := l.fleet.Clear(c, []berth.WorkerID{w}, func(berth.WorkerID) []scheduler.Occupant { return came })
	return ok
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

// lacksOf is how much of what is to be free a lender's request lacks, beside what its tenant's daemon has, or could take.
func (l *loop) lacksOf(lender account, at berth.DaemonID, r *berth.Request, need berth.Amounts) berth.Amounts {
	st := l.quotas.of[lender]
	if st == nil {
		return nil
	}
	held, _ := l.view.block(blockRef{lender.tenant, at})
	block := held.Pools[lender.pool]
	lacks := make(berth.Amounts, len(need))
	for d, v := range need {
		has := l.free(lender, st, d) + block.Block[d] - block.Used[d]
		if more := min(v, mostOf(r, d)-has); more > 0 {
			lacks[d] = more
		}
	}
	return lacks
}
