package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// allowance is what an account's balance says of a request.
type allowance struct {
	request  *berth.Request // with those types of devices that it may have
	members  int64          // of a group, that must be placed together; 0: it is a request by itself
	need     berth.Amounts  // to be taken, for it is not there; nil: nothing
	verdict  *berth.Verdict // nil: it is allowed
	turn     turnBeside     // whose it is
	roomless bool           // it is a group that no workers have room for: nothing is borrowed for it yet
	held     bool           // quota is gathered for another, of what it lacks
	may      berth.Amounts  // that its demands may take beside need, of those of several types
}

// judge says whether so many equal requests of the account are allowed, by what this daemon
// has taken of its quota; what is short is told with what could be taken. Of several types of devices it says which there are, and
// not how much is to be taken of which.
func (s *balance) judge(r *berth.Request, n int64) allowance {
	a := s.judgeInOrder(r, n)
	if n == 1 && a.verdict != nil && len(r.Resources.Devices) > 1 && slices.ContainsFunc(a.verdict.Reasons, lacksDevices) {
		return s.judgeDemands(r, a)
	}
	return a
}

// judgeInOrder has a request's demands for devices choose their types one after the other.
func (s *balance) judgeInOrder(r *berth.Request, n int64) allowance {
	return s.judgeBy(r, n, func(a *allowance, i int) berth.Amounts { return s.chooseType(a, i, n) })
}

// judgeBy judges by what each demand for devices needs of limited types.
func (s *balance) judgeBy(r *berth.Request, n int64, needs func(a *allowance, i int) berth.Amounts) allowance {
	a := allowance{request: r, need: make(berth.Amounts)}
	if s.state.limits == nil {
		a.verdict = &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonQuota, Detail: "its record cannot be read"}}}
		return a
	}
	if s.stale() {
		a.verdict = &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonQuota, Detail: "it is being set anew"}}}
		return a
	}
	short := false
	lacks := func(d berth.Dimension, want int64) {
		if want == 0 {
			return
		}
		a.need[d] += want
		if a.need[d] > s.room(d) {
			short = true
			a.tell(d, a.need[d], s.takeable(d), s)
		}
	}
	for _, d := range s.state.dimensions {
		lacks(d, n*demandOf(r, d))
	}
	for i := range r.Resources.Devices {
		need := needs(&a, i)
		for _, d := range need.Dimensions() {
			lacks(d, need[d])
		}
	}
	if !short {
		a.need, a.verdict = nil, nil
		a.opens(s)
	}
	a.decide()
	return a
}

// opens has what is allowed wait for a block to be counted in, where there is none.
func (a *allowance) opens(s *balance) {
	if !s.unopened() {
		return
	}
	d := s.state.dimensions[0]
	a.need = berth.Amounts{d: 0}
	a.verdict = &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonQuota, Detail: string(d), Want: 1, Best: 1, Total: s.state.most[d]}}}
}

// allowsOne judges one that waits; also by what it would have got when it was tried last.
// What its claim has counted for it is there for it.
func (l *loop) allowsOne(w *waiting, s *balance) allowance {
	if of := l.allotmentOf(w, nil); of != nil && l.covers(of, w.request, of.amounts) && (len(w.extra) == 0 || w.extra.Equal(of.amounts)) {
		return allowance{request: w.request}
	}
	s = s.of(askedBy(w))
	a := s.judge(w.request, 1)
	a.allOf(w.extra, s)
	a.turn, a.held = s.turn, s.holds(a.need)
	return a
}

// allOf judges what something would have got when it was tried last, where that could be had: all of it, also where other than devices
// is lacking, for what is taken before the rest is borrowed would be idle here meanwhile, and others want it.
func (a *allowance) allOf(extra berth.Amounts, s *balance) {
	for d, v := range a.need {
		if v > extra[d] {
			return
		}
	}
	if s.couldTake(extra) {
		a.over(extra, s)
	}
}

// over judges amounts that a request would have got now. It may get other devices another
// time: so it is no NeverFits.
func (a *allowance) over(need berth.Amounts, s *balance) {
	a.need = need
	for _, d := range s.state.dimensions {
		if v := need[d]; v > s.room(d) {
			a.tell(d, v, s.takeable(d), s)
			a.verdict.NeverFits = false
		}
	}
	a.decide()
}

// decide leaves out what could be taken, where something is not there at all: that alone is why it waits.
func (a *allowance) decide() {
	if a.verdict != nil && slices.ContainsFunc(a.verdict.Reasons, lacking) {
		a.verdict.Reasons = slices.DeleteFunc(a.verdict.Reasons, func(r berth.Reason) bool { return !lacking(r) })
	}
}

// tell adds a reason to the verdict, or tells more of one.
func (a *allowance) tell(d berth.Dimension, want, best int64, s *balance) {
	total := s.state.most[d]
	if a.verdict == nil {
		a.verdict = &berth.Verdict{}
	}
	a.verdict.Reasons = slices.DeleteFunc(a.verdict.Reasons, func(r berth.Reason) bool { return r.Detail == string(d) }) // of the demands before
	a.verdict.Reasons = append(a.verdict.Reasons, berth.Reason{
		Code: berth.ReasonQuota, Detail: string(d), Want: want, Best: min(best, total), Total: total,
		Tenants: s.quota.Recalled.TenantsOf(d),
	})
	a.verdict.NeverFits = a.verdict.NeverFits || want > total
}

// placeable is a look for what this daemon has room for now, and lacking for what it has no
// room for, and which needs no more than most: see everFits and shelves. Neither
// passes by anything that judge would have found.
func (s *balance) placeable() look {
	return look{within: s.bound(s.orObtainable(s.room))}
}

// orObtainable is what there is of devices, too, that could be had: see chooseType.
func (s *balance) orObtainable(most bounding) bounding {
	return func(d berth.Dimension) int64 {
		if _, device := d.DeviceType(); device {
			return max(most(d), s.obtainable(d))
		}
		return most(d)
	}
}

func (s *balance) lacking(most func(berth.Dimension) int64) look {
	return look{
		within: s.bound(s.orObtainable(func(d berth.Dimension) int64 { return max(s.room(d), min(most(d), s.state.limits[d])) })),
		beyond: s.bound(s.room),
	}
}

// bound bounds only what is limited; nothing is allowed while the limits are not known, or the
// block is being set anew.
func (s *balance) bound(most func(berth.Dimension) int64) func(berth.Dimension) int64 {
	if s.state.limits == nil || s.stale() {
		return func(berth.Dimension) int64 { return -1 }
	}
	return func(d berth.Dimension) int64 {
		if _, limited := s.state.limits[d]; limited {
			return most(d)
		}
		return unbounded
	}
}

// demandOf is how much of a dimension a request asks for; of devices, see chooseType.
func demandOf(r *berth.Request, d berth.Dimension) int64 {
	switch d {
	case berth.DimensionCPU:
		return r.Resources.CPUMilli
	case berth.DimensionMemory:
		return r.Resources.MemoryBytes
	case berth.DimensionDisk:
		return r.Resources.DiskBytes
	}
	if name, ok := d.CustomName(); ok {
		return r.Resources.Custom[name]
	}
	return 0
}

// refuse ends what was granted when what it was taken for is found to need more: it is not about to be placed.
func (st *quotaState) refuse(amounts berth.Amounts) {
	for d, v := range st.granted {
		if v > amounts[d] {
			return
		}
	}
	st.granted = nil
}

// overQuota is why a request, were it planned by that daemon, has to wait for its
// tenant's quota, or nil.
func (l *loop) overQuota(w *waiting, by berth.DaemonID) *berth.Verdict {
	st := l.limited(w.request)
	if st == nil {
		return nil
	}
	s := l.balanceBy(accountOf(w.request), st, by)
	a := l.allowsOne(w, &s)
	if a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacking) {
		return nil // what it lacks is there to be taken
	}
	a.verdict.At = l.view.revision
	return a.verdict
}

// balanceBy is the balance by which another daemon judges, or this one.
func (l *loop) balanceBy(of account, st *quotaState, by berth.DaemonID) balance {
	s := l.balance(of, st, nil)
	if by != l.d.opts.ID {
		own, _ := l.view.block(blockRef{of.tenant, by})
		s.daemon, s.block, s.among = by, own.Pools[of.pool], 0
		s.idle = func(d berth.Dimension) int64 { return l.idleBut(of, d, by) }
	}
	return s
}

// withTypesOf is a request with those types of devices that its quota has enough of for that daemon to place it.
func (l *loop) withTypesOf(w *waiting, by berth.DaemonID) *berth.Request {
	st := l.limited(w.request)
	if st == nil || len(w.request.Resources.Devices) == 0 || w.claimOn != "" { // what a claim wants may be counted already
		return w.request
	}
	s := l.balanceBy(accountOf(w.request), st, by)
	return s.of(askedBy(w)).judge(w.request, 1).request
}

// isQuota says whether a verdict is of a quota.
func isQuota(v *berth.Verdict) bool {
	return v != nil && len(v.Reasons) > 0 && v.Reasons[0].Code == berth.ReasonQuota
}

// allowWaiting says whether a request of the queue may be placed now by its account, and
// leaves out of the candidate what it may not have. Otherwise it waits: for the answer of
// what changes the account's block, or for room.
func (l *loop) allowWaiting(w *waiting, st *quotaState, c *scheduler.Candidate, b *builder) bool {
	if l.flights.blocks[blockRef{w.request.Tenant, l.d.opts.ID}] != nil {
		l.queue.park(l.queue.of[w.id], w.request.Tenant)
		return false
	}
	s := l.balance(accountOf(w.request), st, b)
	a := l.allowsOne(w, &s)
	if a.verdict != nil {
		l.blockForQuota(w, a.verdict)
		return false
	}
	if l.leavesHere(askedBy(w), &s, b) {
		l.queue.park(l.queue.of[w.id], w.request.Tenant)
		return false
	}
	c.Request = a.request
	return true
}

func (l *loop) blockForQuota(w *waiting, v *berth.Verdict) {
	v.At = l.view.revision
	l.queue.block(w.id, v)
	l.touched(w.id)
	l.due.add(tenantKey(w.request.Tenant))
}

// allowNew is allowWaiting for a request that is being submitted, unplaced where it is not
// allowed, or where it is not known yet what the account uses beside all blocks.
func (l *loop) allowNew(w *waiting, c *scheduler.Candidate, b *builder) (allowed bool, inFlight *flight) {
	st := l.limited(w.request)
	if st == nil {
		return true, nil
	}
	if !l.loaded {
		return false, nil
	}
	if f := l.flights.blocks[blockRef{w.request.Tenant, l.d.opts.ID}]; f != nil {
		return false, f
	}
	s := l.balance(accountOf(w.request), st, b)
	a := s.of(askedBy(w)).judge(w.request, 1)
	c.Request = a.request
	return a.verdict == nil && !l.leavesHere(askedBy(w), &s, b), nil
}

// exceeds says whether what a request would get is more than its account has room for: of one
// that names no types of devices, that is known only then. It waits in that case.
func (l *loop) exceeds(w *waiting, d scheduler.Decision, b *builder) bool {
	st := l.limited(w.request)
	if st == nil || len(d.Share.Devices) == 0 {
		return false
	}
	amounts := berth.AmountsOf(&d.Share, &l.fleet.Worker(d.Worker).Ledger.Capacity)
	s := l.balance(accountOf(w.request), st, b)
	if s = *s.of(askedBy(w)); s.fits(amounts) || l.covers(l.allotmentOf(w, b), w.request, amounts) {
		return false
	}
	a := allowance{request: w.request}
	a.over(amounts, &s)
	w.extra = amounts
	st.refuse(amounts)
	l.due.add(workerKey(d.Worker)) // what the fleet has reserved there is given up
	l.blockForQuota(w, a.verdict)
	return true
}
