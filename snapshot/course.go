package snapshot

import (
	"maps"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// course is what would happen, step by step.
type course struct {
	s      *Snapshot
	fleet  *scheduler.Fleet
	shares *scheduler.Shares
	quotas map[account]*budget // of those that are limited

	limited    map[berth.PoolID][]account     // by the names of their tenants
	guaranteed map[berth.PoolID]berth.Amounts // to all of them
	loans      bool                           // something is placed with a loan
	own        map[account]bool               // of whom something waits for what is guaranteed to them, or for a loan, then
	awaited    map[account]berth.Amounts      // what waits for a worker needs of their quotas, then

	on      map[berth.WorkerID][]*resident // in the order of their ids
	resides map[berth.RequestID]*resident

	singles  []*asked // that are to be looked at in the next pass, in no order
	blocked  []*asked // that have been looked at in this one, in vain
	groups   []*askedGroup
	tried    []*askedGroup                 // in this pass, in vain
	whole    map[berth.GroupID]*askedGroup // that are to be placed again, or wait for it
	ends     []*resident                   // that end behind what is being planned
	stopping []*resident                   // that end with those who are waited for
	ever     map[string]bool               // see fitsEver
	full     map[string]Outcome            // of equal requests, none fits where one did not: within a pass, room only shrinks
	claims   []*claimant
	kept     map[berth.PoolID]*berth.Keep
	unkept   map[berth.GroupID]bool              // of whom something was kept, and is given up
	opened   map[berth.PoolID]bool               // in which something was, for those whose turn is before
	rooms    []*resident                         // that end where room is made for groups
	vain     []*resident                         // that end where it was, and is given up
	making   map[berth.GroupID][]berth.RequestID // who makes room for a group
	coming   map[berth.PoolID][]coming           // the members of one for which others do
	plans    int64                               // that are done
	placed   bool                                // something was, in this pass
	placedIn map[berth.PoolID]bool               // in which pools
	again    bool                                // something else waits than before
	gaveUp   bool                                // what is kept for a group was given up: who was looked at comes again

	gathering map[account][]berth.Gathering // groups for which their quota is kept
	asking    berth.Gathering               // who asks for quota; of no age: nobody for whom that decides anything

	standing map[berth.RequestID]*berth.Claim      // of the snapshot
	ending   map[berth.RequestID][]berth.RequestID // for whom a claim stands: who ends for that
	records  map[berth.GroupID]*group              // and those that are not there yet
	asks     map[berth.RequestID]bool              // that are not there yet
	out      scheduler.LeftOut                     // workers that the change takes away: what waits is not told to look there

	outcomes []Outcome
	index    map[berth.RequestID]int // in outcomes
}

type account struct {
	tenant berth.TenantID
	pool   berth.PoolID
}

func accountOf(r *berth.Request) account { return account{r.Tenant, r.Pool} }

// asked is a request that waits for a place in a course.
type asked struct {
	*Request
	kind  string
	from  berth.WorkerID
	room  berth.RequestID // that it has made room for
	group berth.GroupID   // of which it is a member
	alone *Request        // of a later member, which goes where the others are: as it is without that
	claim *berth.Claim    // that it has
	on    berth.WorkerID  // where
	made  bool            // others have made room for it: once is enough
	known bool            // it was asked for already, and counts no more for what is usual: see scheduler.Candidate
	last  berth.EndReason // of its attempt before the one that it waits for; of what would be moved none: its drain ends that

	loanFirst bool // it was to wait for types of devices that others lend, before others make room for it
}

// course begins one on these workers.
func (s *Snapshot) course(workers []scheduler.Worker) *course {
	c := &course{
		s: s, fleet: s.fleet(workers), shares: s.shares.Clone(), quotas: make(map[account]*budget),
		on: make(map[berth.WorkerID][]*resident), resides: make(map[berth.RequestID]*resident), index: make(map[berth.RequestID]int),
		whole: make(map[berth.GroupID]*askedGroup), standing: make(map[berth.RequestID]*berth.Claim), ending: make(map[berth.RequestID][]berth.RequestID), records: maps.Clone(s.groups), kept: maps.Clone(s.kept), unkept: make(map[berth.GroupID]bool), opened: make(map[berth.PoolID]bool), making: make(map[berth.GroupID][]berth.RequestID), coming: make(map[berth.PoolID][]coming), asks: make(map[berth.RequestID]bool), placedIn: make(map[berth.PoolID]bool), ever: make(map[string]bool), gathering: make(map[account][]berth.Gathering),
	}
	for of, q := range s.quotas {
		c.quotas[of] = newBudget(q)
	}
	for i := range workers {
		w := &workers[i]
		c.shares.Resize(w.Pool, scheduler.BulkOfCapacity(&w.Ledger.Capacity), 1)
		for _, a := range s.allocations[w.ID] {
			c.settles(w, a)
		}
		for _, claim := range w.Ledger.Claims {
			c.claimStands(w, &claim)
		}
	}
	c.limited, c.guaranteed = s.limited(), s.guaranteed() // what is there is nobody's loan yet
	return c
}

// hold counts what a request has on a worker: for its tenant, and for who is near to it.
func (c *course) hold(r *berth.Request, on berth.WorkerID, share *berth.Share, by int64) {
	c.shares.Hold(r.Tenant, r.Pool, scheduler.BulkOf(share), by)
	c.fleet.Count(on, r.Labels, by)
	if w := c.fleet.Worker(on); w != nil {
		c.spend(accountOf(r), share, &w.Ledger.Capacity, by)
	}
}

// tell sets what becomes of a request.
func (c *course) tell(a *asked, o Outcome) {
	o.Request, o.Group, o.Kind, o.From, o.For = a.Spec.ID, a.group, a.kind, a.from, a.room
	o.Tenant, o.Pool = a.Spec.Tenant, a.Spec.Pool
	if i, told := c.index[a.Spec.ID]; told {
		c.outcomes[i] = o
		return
	}
	c.index[a.Spec.ID] = len(c.outcomes)
	c.outcomes = append(c.outcomes, o)
}
