package scheduler

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// Bulk is what shares of a pool are reckoned in: thousandths of a core, MiB of memory
// and of disk, and thousandths of devices, of whatever type.
type Bulk [4]int64

const bulkUnit = 1 << 20 // bytes: a pool's sum of them would not fit into 64 bits

// BulkOf is what a share of a worker is. Amounts are rounded up, each by itself, so that
// sums do not depend on what they are sums of.
func BulkOf(s *berth.Share) Bulk {
	b := bulkOf(&s.Quantities)
	for i := range s.Devices {
		b[3] += s.Devices[i].Milli
	}
	return b
}

// BulkOfCapacity is what a worker is.
func BulkOfCapacity(c *berth.Capacity) Bulk {
	b := bulkOf(&c.Quantities)
	b[3] = int64(len(c.Devices)) * berth.WholeDevice
	return b
}

// BulkOfDemand is what a request asks for.
func BulkOfDemand(d *berth.Demand) Bulk {
	b := bulkOf(&d.Quantities)
	for i := range d.Devices {
		b[3] += d.Devices[i].Count * d.Devices[i].Milli
	}
	return b
}

func bulkOf(q *berth.Quantities) Bulk {
	return Bulk{q.CPUMilli, (q.MemoryBytes + bulkUnit - 1) / bulkUnit, (q.DiskBytes + bulkUnit - 1) / bulkUnit}
}

// Plus is b + times o.
func (b Bulk) Plus(o Bulk, times int64) Bulk {
	for i := range b {
		b[i] += times * o[i]
	}
	return b
}

// bulkNames are what a share is of.
var bulkNames = [len(Bulk{})]berth.ReasonCode{berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk, berth.ReasonDevices}

// Shares says whose turn it is where not all fits: among tenants by dominant resource
// fairness (Ghodsi et al., NSDI 2011). The dominant share of a tenant in a pool is the
// largest part that it holds of any resource of the pool, by its weight; who has the
// smallest comes next, and of equals the one that was served longest ago: so of two
// that hold nothing whenever something is free, neither waits for ever.
//
// It has no memory of what was held before. What it costs is a change of four numbers for
// each thing that comes or goes, and it knows nothing of what waits: see Turn.
type Shares struct {
	pools   map[berth.PoolID]*poolShares
	weights map[berth.TenantID]int64
	served  int64 // the last of all, as Serve counts
}

type poolShares struct {
	total   Bulk
	tenants map[berth.TenantID]*tenantShare // that hold something, or were served
	pruneAt int
}

type tenantShare struct {
	held   Bulk
	served int64
}

// NewShares is of tenants that hold nothing, in pools without workers.
func NewShares() *Shares {
	return &Shares{pools: make(map[berth.PoolID]*poolShares), weights: make(map[berth.TenantID]int64)}
}

// Clone shares nothing with s.
func (s *Shares) Clone() *Shares {
	out := &Shares{pools: make(map[berth.PoolID]*poolShares, len(s.pools)), weights: maps.Clone(s.weights), served: s.served}
	for id, p := range s.pools {
		of := &poolShares{total: p.total, pruneAt: p.pruneAt, tenants: make(map[berth.TenantID]*tenantShare, len(p.tenants))}
		for t, one := range p.tenants {
			copied := *one
			of.tenants[t] = &copied
		}
		out.pools[id] = of
	}
	return out
}

// Turn is when a tenant's turn comes in a pool: the smaller, the sooner.
type Turn struct {
	Share  float64 // dominant, by the tenant's weight
	Served int64   // when it got something last, as Serve counts; 0: never
}

// Compare is below zero when t comes before o. What it calls equal, the age of what
// waits decides.
func (t Turn) Compare(o Turn) int {
	return cmp.Or(cmp.Compare(t.Share, o.Share), cmp.Compare(t.Served, o.Served))
}

func (s *Shares) pool(p berth.PoolID) *poolShares {
	of := s.pools[p]
	if of == nil {
		of = &poolShares{tenants: make(map[berth.TenantID]*tenantShare)}
		s.pools[p] = of
	}
	return of
}

// Resize adds workers to a pool, or takes some off. It may change all turns of the pool.
func (s *Shares) Resize(p berth.PoolID, by Bulk, times int64) {
	of := s.pool(p)
	of.total = of.total.Plus(by, times)
}

// SetWeight says how much of a pool is a tenant's beside others': twice the weight, twice
// as much. Below 1 stands for 1. It may change the tenant's turns of all pools.
func (s *Shares) SetWeight(t berth.TenantID, weight int64) {
	if weight <= berth.DefaultTenantWeight {
		delete(s.weights, t)
		return
	}
	s.weights[t] = weight
}

// Weight is a tenant's.
func (s *Shares) Weight(t berth.TenantID) int64 { return max(s.weights[t], berth.DefaultTenantWeight) }

// Hold adds to what a tenant holds in a pool, or takes off.
func (s *Shares) Hold(t berth.TenantID, p berth.PoolID, b Bulk, times int64) {
	of := s.tenant(t, p)
	of.held = of.held.Plus(b, times)
}

// Serve notes that a tenant got something: of equals, it is the last now. It counts in
// nanoseconds since 1970, of what was placed at that time (0: nobody knows), and one more where
// that is not later than all before.
func (s *Shares) Serve(t berth.TenantID, p berth.PoolID, at int64) {
	s.served = max(s.served+1, at)
	s.tenant(t, p).served = s.served
}

// ServedAt notes that a tenant had got something by then, in any order: of two that got
// something at the same time last, neither was before the other.
func (s *Shares) ServedAt(t berth.TenantID, p berth.PoolID, at int64) {
	s.served = max(s.served, at)
	of := s.tenant(t, p)
	of.served = max(of.served, at)
}

// Served calls do for each tenant that got something in a pool, with when, in no order.
func (s *Shares) Served(do func(t berth.TenantID, p berth.PoolID, at int64)) {
	for p, pool := range s.pools {
		for t, of := range pool.tenants {
			if of.served > 0 {
				do(t, p, of.served)
			}
		}
	}
}

func (s *Shares) tenant(t berth.TenantID, p berth.PoolID) *tenantShare {
	pool := s.pool(p)
	of := pool.tenants[t]
	if of == nil {
		pool.prune()
		of = &tenantShare{}
		pool.tenants[t] = of
	}
	return of
}

// idleMost bounds the tenants of a pool that hold nothing, of which is known when they
// were served last.
const idleMost = 4096

// prune forgets those that were served longest ago: as if they never were, which is the
// same to all who are left.
func (p *poolShares) prune() {
	if len(p.tenants) < max(p.pruneAt, 2*idleMost) {
		return
	}
	idle := slices.SortedFunc(maps.Keys(p.tenants), func(a, b berth.TenantID) int {
		return cmp.Compare(p.tenants[b].served, p.tenants[a].served)
	})
	idle = slices.DeleteFunc(idle, func(t berth.TenantID) bool { return p.tenants[t].held != Bulk{} })
	for _, t := range idle[min(idleMost, len(idle)):] {
		delete(p.tenants, t)
	}
	p.pruneAt = 2 * len(p.tenants)
}

// Turn is when a tenant's turn comes in a pool, as things are.
func (s *Shares) Turn(t berth.TenantID, p berth.PoolID) Turn {
	pool := s.pools[p]
	if pool == nil || pool.tenants[t] == nil {
		return Turn{}
	}
	share, _ := pool.dominant(pool.tenants[t].held, float64(s.Weight(t)))
	return Turn{share, pool.tenants[t].served}
}

// With is what a tenant's share in a pool would be, were it to hold so much more.
func (s *Shares) With(t berth.TenantID, p berth.PoolID, more Bulk) float64 {
	pool := s.pools[p]
	if pool == nil {
		return 0
	}
	if of := pool.tenants[t]; of != nil {
		more = more.Plus(of.held, 1)
	}
	share, _ := pool.dominant(more, float64(s.Weight(t)))
	return share
}

// Dominant is the largest part of a resource of a pool that a tenant holds, whatever its
// weight, and of which resource it is; 0: it holds nothing.
func (s *Shares) Dominant(t berth.TenantID, p berth.PoolID) (share float64, of berth.ReasonCode) {
	pool := s.pools[p]
	if pool == nil || pool.tenants[t] == nil {
		return 0, ""
	}
	return pool.dominant(pool.tenants[t].held, 1)
}

// dominant divides once, by what float64 holds exactly up to 2^53: equal parts are equal.
func (p *poolShares) dominant(held Bulk, weight float64) (share float64, of berth.ReasonCode) {
	for r, total := range p.total {
		if total <= 0 {
			continue // of what no worker has, nobody's part can be told
		}
		if part := float64(held[r]) / (float64(total) * weight); part > share {
			share, of = part, bulkNames[r]
		}
	}
	return share, of
}

// Tenants calls do for those that hold something in a pool, or were served, in no order.
func (s *Shares) Tenants(p berth.PoolID, do func(berth.TenantID)) {
	if pool := s.pools[p]; pool != nil {
		for t := range pool.tenants {
			do(t)
		}
	}
}
