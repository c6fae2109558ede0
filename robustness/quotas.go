package robustness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Limit is what an operator lets a tenant use of the pool from a moment on.
type Limit struct {
	At     time.Duration
	Tenant berth.TenantID
	Most   berth.Amounts // nil: it is not limited
	Weight int64         // 0: as it is

	Guaranteed berth.Amounts // of it: lent where it is idle
	Reclaim    *int64        // after so many milliseconds; nil: never
}

// tenants are those with quotas; the others' requests are the default one's.
var tenants = []berth.TenantID{"a", "b"}

// drawQuotas gives requests tenants, and tenants quotas that come, grow, shrink and go. It
// draws from a source of its own: what else a seed chooses is as without quotas.
func drawQuotas(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 3)) //nolint:gosec // repeatable, not secret
	for i := range p.Jobs {
		if n := rng.IntN(len(tenants) + 1); n < len(tenants) {
			p.Jobs[i].Request.Tenant = tenants[n]
		}
	}
	for _, t := range tenants {
		for at := between(rng, 2*time.Second, 2*time.Minute); at < p.FaultsUntil-time.Minute; at += between(rng, 20*time.Second, 4*time.Minute) {
			l := Limit{At: at, Tenant: t}
			if rng.IntN(6) > 0 {
				l.Most = berth.Amounts{berth.DimensionCPU: int64(500 + rng.IntN(6000))}
				if rng.IntN(3) == 0 {
					l.Most[berth.DimensionMemory] = int64(256+rng.IntN(4000)) << 20
				}
			}
			p.Limits = append(p.Limits, l)
		}
	}
	slices.SortFunc(p.Limits, func(a, b Limit) int { return int(a.At - b.At) })
	drawWeights(p)
	drawGuarantees(p)
}

// drawGuarantees guarantees a part of most limits, so that tenants borrow from each other.
func drawGuarantees(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 7)) //nolint:gosec // repeatable, not secret
	for i := range p.Limits {
		l := &p.Limits[i]
		for _, d := range l.Most.Dimensions() {
			if rng.IntN(4) == 0 {
				continue
			}
			if l.Guaranteed == nil {
				l.Guaranteed = make(berth.Amounts)
			}
			l.Guaranteed[d] = rng.Int64N(l.Most[d] + 1)
		}
	}
	drawReclaims(p)
}

// drawReclaims has most lenders wait for what they have lent for a while only, or not at all.
func drawReclaims(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 8)) //nolint:gosec // repeatable, not secret
	for i := range p.Limits {
		if l := &p.Limits[i]; len(l.Guaranteed) > 0 && rng.IntN(4) > 0 {
			l.Reclaim = new([]int64{0, 2000, 15_000}[rng.IntN(3)])
		}
	}
}

// drawWeights gives tenants other weights with some of their limits.
func drawWeights(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 6)) //nolint:gosec // repeatable, not secret
	for i := range p.Limits {
		if rng.IntN(2) == 0 {
			p.Limits[i].Weight = 1 + rng.Int64N(5)
		}
	}
}

// limits has an operator set the quotas of each tenant, one after the other.
func (c *client) limits() {
	for _, t := range tenants {
		var all []Limit
		for _, l := range c.w.plan.Limits {
			if l.Tenant == t {
				all = append(all, l)
			}
		}
		c.limitNext(t, all)
	}
}

// limitNext sets the first of a tenant's limits when its moment has come, and then the
// next. When what cannot end by itself is cancelled, the first tenant is let free, and the others
// get as much as there is.
func (c *client) limitNext(t berth.TenantID, left []Limit) {
	if len(left) == 0 {
		c.limited[t] = true
		if c.finishing {
			c.freeTenant(t)
		}
		return
	}
	c.w.at(left[0].At, nil, func() { c.limit(left[0], func() { c.limitNext(t, left[1:]) }) })
}

func (c *client) freeTenant(t berth.TenantID) {
	if !c.limited[t] {
		return
	}
	l := Limit{Tenant: t, Weight: berth.DefaultTenantWeight}
	if t != tenants[0] {
		l.Most = berth.Amounts{berth.DimensionCPU: 1_000_000_000}
	}
	c.free++
	c.limit(l, func() {
		c.free--
		c.freed = append(c.freed, t)
	})
}

func (c *client) limit(l Limit, done func()) {
	again := func() { c.limit(l, done) }
	call(c, "limit", string(l.Tenant), func(ctx context.Context, d *daemon.Daemon) (daemon.QuotaStatus, error) {
		return d.SetQuota(ctx, daemon.QuotaChange{Tenant: l.Tenant, Pool: berth.DefaultPool, Set: l.Most, All: true, Weight: l.Weight, Guarantee: l.Guaranteed, ReclaimAfterMS: l.Reclaim})
	}, func(_ daemon.QuotaStatus, err error) {
		if err == nil || l.Most == nil && errors.Is(err, daemon.ErrNotFound) { // of one that was repeated, too
			c.w.tally.Limits++
			done()
			return
		}
		c.w.after(between(c.w.rng, 300*time.Millisecond, 2*time.Second), nil, again)
	}, again)
}

// quotas must be as if nothing had ever been taken.
func (c *checker) quotas() (why string, about []string) {
	for key := range c.keys {
		parts := strings.Split(key, "/")
		if parts[0] != "tenants" {
			continue
		}
		if len(parts) == 3 {
			return "block " + key + " is left", parts[1:]
		}
		var t struct {
			Pools map[string]struct {
				Taken    json.RawMessage `json:"taken"`
				Lent     json.RawMessage `json:"lent"`
				Borrowed json.RawMessage `json:"borrowed"`
			} `json:"pools"`
		}
		if err := json.Unmarshal(c.w.store.At(prefix+key).Value, &t); err != nil {
			return err.Error(), parts[1:]
		}
		if len(t.Pools[string(berth.DefaultPool)].Taken) > 0 {
			return fmt.Sprintf("of %s is taken %s", key, t.Pools[string(berth.DefaultPool)].Taken), parts[1:]
		}
		if q := t.Pools[string(berth.DefaultPool)]; len(q.Lent)+len(q.Borrowed) > 0 {
			return fmt.Sprintf("of %s is lent %s, and borrowed %s", key, q.Lent, q.Borrowed), parts[1:]
		}
		if slices.Contains(c.w.client.freed, tenants[0]) && parts[1] == string(tenants[0]) {
			return key + " is left", parts[1:]
		}
	}
	return "", nil
}
