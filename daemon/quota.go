package daemon

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/berthd/berth"
)

// A tenant's quota of a pool is shared by all daemons without a common counter that
// each placement would have to rewrite: a daemon takes a block of it, tenants/<t>/<d>,
// by a transaction that compares tenants/<t>, which knows the sum of all blocks. Then
// its placements compare and rewrite its own block alone, and so do their ends, which
// the same daemon makes: nobody else's transactions meet them.
//
// Whoever has no quota costs one look into an empty map.

// account is what is counted together: a tenant's use of a pool.
type account struct {
	tenant berth.TenantID
	pool   berth.PoolID
}

func (a account) compare(o account) int {
	return cmp.Or(cmp.Compare(a.tenant, o.tenant), cmp.Compare(a.pool, o.pool))
}

// blockRef names a block.
type blockRef struct {
	tenant berth.TenantID
	daemon berth.DaemonID
}

func tenantKey(t berth.TenantID) berth.Key { return berth.Key{Kind: berth.KindTenant, ID: string(t)} }

func blockKey(r blockRef) berth.Key {
	return berth.Key{Kind: berth.KindQuotaBlock, Owner: string(r.tenant), ID: string(r.daemon)}
}

// quotas are the accounts with limits, and what a daemon keeps of them beside the view.
type quotas struct {
	of        map[account]*quotaState
	pools     map[berth.TenantID]map[berth.PoolID]struct{}   // of these
	unknown   map[berth.TenantID]struct{}                    // whose record cannot be read: nothing of theirs is placed
	holders   map[berth.TenantID]map[berth.DaemonID]struct{} // daemons with a block
	todo      map[berth.TenantID]struct{}                    // whose blocks are to be changed, by a plan of their own
	uncounted map[berth.Key]uncounted
	loans     map[berth.PoolID]*loanStatus
	residents map[account]map[berth.RequestID]struct{}  // allocations of those who may borrow
	reclaims  map[berth.TenantID]struct{}               // of whose allocations some are to be stopped
	passings  map[berth.PoolID]*passings                // for which nothing is reclaimed, for that would be in vain
	drained   map[berth.GroupID]drainedGroup            // of this daemon, whose members end: their quota is gathered for them
	trying    *drainedGroup                             // of these, now
	returns   map[account]map[berth.RequestID]returning // what is in a short backoff
	types     map[berth.PoolID][]string                 // of devices, sorted, as they were when all were looked at for that
	schemaAt  berth.Revision                            // of the schema: no limit is newer than this
}

// quotaState is of one account.
type quotaState struct {
	limits     berth.Amounts     // what is allowed now: see allowed
	below      berth.Amounts     // how much less than nothing that would be
	back       berth.Amounts     // how much more it is until what is wanted back has been given back
	most       berth.Amounts     // the limits of the record
	dimensions []berth.Dimension // that are limited, sorted
	sum        berth.Amounts     // of allocations that no block counts: they were placed before there were limits
	ahead      int64             // how many times what is needed is taken
	usedAt     time.Time         // something was placed, or taken
	endedAt    time.Time         // something of this daemon's block has ended, the first of what ends together
	taken      berth.Amounts     // by all daemons
	movedAt    time.Time         // that has changed, or what is allowed
	takenAt    time.Time
	granted    berth.Amounts   // what was taken for whoever waits here: it is no part of what others may have
	grantedTo  asked           // the first of these, then
	roomless   bool            // no worker takes that, or it is gone
	yields     time.Time       // until then nothing is taken: others wait
	asked      berth.Amounts   // what all that waited here wanted back, when that was written last
	ownAt      time.Time       // something has waited here for what is guaranteed, or that was not known yet
	reclaimed  time.Time       // nothing was found to stop then
	unclaimed  berth.RequestID // for which a claim could not be written, last
	inVain     map[string]bool // those like these were looked at in vain, and others are yet to be; nil: all have been
	roomLooked time.Time       // it was looked for then
	wantsRoom  *roomWish       // of what waits here with its quota; nil: nothing does that borrowers could make room for
	wants      map[berth.TenantID]wantedBack
	gather     gatherer
	directAt   time.Time  // loans that went round over it were exchanged last
	typesBack  *typesBack // the first that waits for a worker, and wants such back; nil: none does
}

func newQuotas() quotas {
	return quotas{
		of: make(map[account]*quotaState), pools: make(map[berth.TenantID]map[berth.PoolID]struct{}), unknown: make(map[berth.TenantID]struct{}),
		holders: make(map[berth.TenantID]map[berth.DaemonID]struct{}), todo: make(map[berth.TenantID]struct{}),
		uncounted: make(map[berth.Key]uncounted), loans: make(map[berth.PoolID]*loanStatus),
		residents: make(map[account]map[berth.RequestID]struct{}), reclaims: make(map[berth.TenantID]struct{}),
		passings: make(map[berth.PoolID]*passings), returns: make(map[account]map[berth.RequestID]returning), types: make(map[berth.PoolID][]string),
	}
}

// limited is the account of a request, or nil where that has no limits.
func (l *loop) limited(r *berth.Request) *quotaState {
	if len(l.quotas.of)+len(l.quotas.unknown) == 0 {
		return nil
	}
	if _, unknown := l.quotas.unknown[r.Tenant]; unknown {
		return &quotaState{}
	}
	return l.quotas.of[account{r.Tenant, r.Pool}]
}

// upToSchema says whether the view knows all that was there when the schema was put last:
// every limit of a quota, and all that was placed before that was set.
func (l *loop) upToSchema() bool { return l.quotas.schemaAt <= l.asOf() }

func accountOf(r *berth.Request) account { return account{r.Tenant, r.Pool} }

// tenant is a tenant's record, or an empty one.
func (v *view) tenant(t berth.TenantID) (*berth.Tenant, berth.Revision) {
	if r, mod := record[berth.Tenant](v, tenantKey(t)); r != nil {
		return r, mod
	}
	return &berth.Tenant{}, 0
}

// block is what a daemon has taken, or an empty record.
func (v *view) block(r blockRef) (*berth.QuotaBlock, berth.Revision) {
	if b, mod := record[berth.QuotaBlock](v, blockKey(r)); b != nil {
		return b, mod
	}
	return &berth.QuotaBlock{}, 0
}

// blockNow is a block with what the plan being built does to it.
func (b *builder) blockNow(r blockRef) *berth.QuotaBlock {
	if i, ok := b.blocks[r]; ok {
		return b.plan.Blocks[i].Block
	}
	now, _ := b.l.view.block(r)
	return now
}

// bytesBlock is what a block takes at most.
const bytesBlock = 2048

// block is the record that this plan writes of a block, begun from the view.
func (b *builder) block(r blockRef) *berth.QuotaBlock {
	if i, ok := b.blocks[r]; ok {
		return b.plan.Blocks[i].Block
	}
	now, was := b.l.view.block(r)
	next := &berth.QuotaBlock{Pools: maps.Clone(now.Pools)}
	if next.Pools == nil {
		next.Pools = make(map[berth.PoolID]berth.Block)
	}
	if b.blocks == nil {
		b.blocks = make(map[blockRef]int)
	}
	b.blocks[r] = len(b.plan.Blocks)
	b.plan.Blocks = append(b.plan.Blocks, berth.BlockWrite{Tenant: r.tenant, Daemon: r.daemon, Was: was, Block: next})
	b.ops = b.ops.plus(opsBlock)
	b.bytes += bytesBlock
	b.keys = append(b.keys, tenantKey(r.tenant))
	return next
}

// charge counts a share against this daemon's block, where the account has limits, unless a
// claim has counted it in another already; it says in which. False: the block has no room for it.
func (b *builder) charge(w *waiting, on berth.WorkerID, s *berth.Share) (berth.DaemonID, bool) {
	r := w.request
	st := b.l.limited(r)
	if w.counted != "" || st == nil {
		return w.counted, true
	}
	a := b.l.balance(accountOf(r), st, b)
	amounts := berth.AmountsOf(s, &b.l.fleet.Worker(on).Ledger.Capacity)
	if !a.of(b.asked(w)).allows(amounts) {
		return "", false
	}
	st.notePassed(b.placedFor(w))
	ref := blockRef{r.Tenant, b.l.d.opts.ID}
	used, err := a.block.Used.Plus(amounts)
	if err != nil {
		return "", false
	}
	of := b.block(ref)
	of.Pools[r.Pool] = berth.Block{Block: a.block.Block, Used: used}
	st.usedAt = b.now
	st.spend(amounts)
	return ref.daemon, true
}

// giveBack takes amounts off the block that they are counted in.
func (b *builder) giveBack(ref blockRef, pool berth.PoolID, amounts berth.Amounts) error {
	now := b.blockNow(ref).Pools[pool]
	used, err := now.Used.Minus(amounts)
	if err != nil {
		return err
	}
	b.block(ref).Pools[pool] = berth.Block{Block: now.Block, Used: used}
	b.back.add(account{ref.tenant, pool}, ref.daemon, amounts)
	if st := b.l.quotas.of[account{ref.tenant, pool}]; st != nil && ref.daemon == b.l.d.opts.ID && b.now.Sub(st.endedAt) >= 2*endTogether {
		st.endedAt = b.now // where ends never cease to come, others have what is idle half of the time
	}
	return nil
}

// keeper is who ends an allocation: the daemon in whose block it is counted, that nobody
// else rewrites it; of one without a block, the owner of its worker.
func (l *loop) keeper(a *berth.Allocation, w berth.WorkerID) berth.DaemonID {
	if a.QuotaBlock == "" {
		return l.share.ofWorker(w)
	}
	return l.keeperOf(blockRef{a.Tenant, a.QuotaBlock})
}

// keeperOf is who changes a block: its daemon, or another when that is gone or silent.
func (l *loop) keeperOf(r blockRef) berth.DaemonID {
	if slices.ContainsFunc(l.share.awake, func(o rival) bool { return o.id == r.daemon }) {
		return r.daemon
	}
	k := blockKey(r)
	return l.share.ofTask(k.Owner + "/" + k.ID)
}

// balance is how an account stands with this daemon, with what the plan being built does.
type balance struct {
	account
	state  *quotaState
	daemon berth.DaemonID // whose block it is
	quota  berth.Quota
	block  berth.Block
	freed  berth.Amounts               // of that, by the plan being built: who has it is decided when that has its answer
	beyond []berth.Dimension           // of which more is used and taken than is allowed: the limits were set lower
	among  int64                       // others wait for it, and so many daemons share it; 0: nobody else waits
	top    func() int32                // the highest priority of what these others have waiting
	grant  bool                        // what was granted still is
	left   func(berth.Dimension) int64 // how much of it no daemon has taken
	idle   func(berth.Dimension) int64 // how much of it other daemons have taken, and do not use
	kinds  func() []string             // the types of devices of its pool, sorted
	own    bounding                    // see ownOf
	takes  func(*berth.Request) bool   // whether some worker could, were it empty

	loans   *loanStatus // of its pool
	gathers *gathering  // what stands, or nil
	turn    turnBeside  // of who asks, beside that
}

func (l *loop) balance(of account, st *quotaState, b *builder) balance {
	t, _ := l.view.tenant(of.tenant)
	ref := blockRef{of.tenant, l.d.opts.ID}
	s := balance{
		account: of, state: st, loans: l.loansIn(of.pool), daemon: ref.daemon, quota: t.Pools[of.pool],
		left:  func(d berth.Dimension) int64 { return l.free(of, st, d) },
		idle:  func(d berth.Dimension) int64 { return l.idleBut(of, d, ref.daemon) },
		kinds: func() []string { return l.fleet.DeviceTypes(of.pool) },
		own:   l.ownLater(of, st, t.Pools[of.pool].Guaranteed),
		takes: func(r *berth.Request) bool { return l.fitsEver(r, 0, nil) },
	}
	if b != nil {
		s.block, s.freed = b.blockNow(ref).Pools[of.pool], b.back[freedFrom{of, ref.daemon}]
	} else {
		own, _ := l.view.block(ref)
		s.block = own.Pools[of.pool]
	}
	for _, d := range st.dimensions {
		if s.left(d) < 0 {
			s.beyond = append(s.beyond, d)
		}
	}
	s.gathers = l.gatheringOf(of, &s.quota, b)
	if left := l.leftOf(&s, b); left != nil {
		s.gathers = left.beside(s.gathers)
	}
	s.grant = l.now().Before(st.takenAt.Add(grantFor))
	if slices.ContainsFunc(s.quota.Short, func(d berth.DaemonID) bool { return l.peers.byID[d] != nil }) {
		s.among, s.top = int64(max(len(l.share.planners[of.pool]), 1)), sync.OnceValue(func() int32 { return l.topOf(of, s.quota.Short) })
	}
	return s
}

// idleBut is how much of a dimension daemons have taken of an account's quota, and do not use; but for one of them.
func (l *loop) idleBut(of account, d berth.Dimension, but berth.DaemonID) (sum int64) {
	for by := range l.quotas.holders[of.tenant] {
		if by == but {
			continue
		}
		b, _ := l.view.block(blockRef{of.tenant, by})
		has := b.Pools[of.pool]
		sum += max(has.Block[d]-has.Used[d], 0)
	}
	return sum
}

// room is how much of a limited dimension this daemon may place now. While others wait,
// what is beyond its even part of the quota is theirs, but for what goes before all that: see alone.
func (s *balance) room(d berth.Dimension) int64 {
	have, named := s.block.Block[d]
	if !named {
		return 0
	}
	if slices.Contains(s.beyond, d) {
		return max(s.leaves(d, s.grantedOf(d)), 0) // it may have been taken for what quota is gathered for
	}
	rest := s.leaves(d, have-s.block.Used[d]-s.freed[d])
	if s.among > 0 && s.turn != itsTurn {
		even := min(have, s.state.limits[d]/s.among) - s.block.Used[d]
		if s.grant {
			even = max(even, s.state.granted[d])
		}
		rest = min(rest, even)
	}
	return max(rest, 0)
}

// grantedOf is how much of a dimension is kept, of which more is taken than is allowed, for what it was taken
// for: where it is wanted back only since then. Else two that wait for each other's part would take it from each
// other again and again, before either had placed anything.
func (s *balance) grantedOf(d berth.Dimension) int64 {
	if !s.grant || s.left(d)+s.state.back[d] < 0 {
		return 0
	}
	return max(min(s.state.granted[d], s.block.Block[d]-s.block.Used[d]), 0)
}

// spend takes off what was granted what is placed.
func (st *quotaState) spend(a berth.Amounts) {
	if len(st.granted) == 0 {
		return
	}
	left := make(berth.Amounts, len(st.granted))
	for d, v := range st.granted {
		if rest := v - a[d]; rest > 0 {
			left[d] = rest
		}
	}
	st.granted = left
}

// stale says whether the block names what is not limited any more: that is to be given up
// before anything is placed, for it would not be kept to.
func (s *balance) stale() bool {
	for d := range s.block.Block {
		if _, limited := s.state.limits[d]; !limited {
			return true
		}
	}
	return false
}

// over says whether more is used and taken than is allowed.
func (s *balance) over() bool { return len(s.beyond) > 0 }

// fits says whether all of it may be placed now.
func (s *balance) fits(a berth.Amounts) bool {
	for d, v := range a {
		if _, limited := s.state.limits[d]; limited && v > s.room(d) {
			return false
		}
	}
	return true
}

// allows says whether all of it may be placed now, and the quota is known.
func (s *balance) allows(a berth.Amounts) bool {
	return s.state.limits != nil && !s.stale() && !s.unopened() && s.fits(a)
}

// unopened says whether there is no block to count anything in, also what needs nothing that is limited.
func (s *balance) unopened() bool { return s.block.Block == nil && s.block.Used.IsZero() }

// free is how much of a dimension no daemon has taken. What is used though no block
// names the dimension is taken as well: it was placed before there was such a limit.
//
// Placements do not compare the tenant's record. So where an answer has brought a block of
// after a take, and the watch not yet the record, the blocks say what is taken.
func (l *loop) free(of account, st *quotaState, d berth.Dimension) int64 {
	t, _ := l.view.tenant(of.tenant)
	var taken, beside int64
	for daemon := range l.quotas.holders[of.tenant] {
		held, _ := l.view.block(blockRef{of.tenant, daemon})
		b := held.Pools[of.pool]
		if v, named := b.Block[d]; named {
			taken += v
		} else {
			beside += b.Used[d]
		}
	}
	return st.limits[d] - max(taken, t.Pools[of.pool].Taken[d]) - beside - st.sum[d]
}

// defersBlock says whether an end is left alone for now: a plan that rewrites the block
// that it is counted in is in flight, and it is due again when that has its answer.
func (fs *flights) defersBlock(r blockRef, k berth.Key) bool {
	f := fs.blocks[r]
	if f == nil {
		return false
	}
	f.again = append(f.again, k)
	return true
}

func eachBlock(p *berth.Plan, do func(blockRef)) {
	for i := range p.Blocks {
		do(blockRef{p.Blocks[i].Tenant, p.Blocks[i].Daemon})
	}
}

func eachTenant(p *berth.Plan, do func(berth.TenantID)) {
	for i := range p.Tenants {
		do(p.Tenants[i].ID)
	}
}

// releaseParked opens what waited for the blocks of a plan that has its answer.
func (l *loop) releaseParked(p *berth.Plan) {
	eachBlock(p, func(r blockRef) {
		if r.daemon == l.d.opts.ID {
			l.queue.release(r.tenant)
		}
	})
}
