package berth

import (
	"fmt"
	"slices"
	"strings"
)

// Claim sets capacity of a ledger aside for a request, until those who have to make
// room for it have ended. Of what is free it holds at once what those do not free; of
// what each end frees, and what is free then, what the others do not. So what it has no
// need of is there for whom it is free, or kept, and what it waits for suffices whatever
// these take. Then the request gets its place.
type Claim struct {
	Request RequestID   `json:"request"`
	Attempt int64       `json:"attempt"` // that is to be placed
	Share   Share       `json:"share"`   // held so far
	Wants   Share       `json:"wants"`   // in the end
	Victims []RequestID `json:"victims,omitempty"`
	Counted *Counted    `json:"counted,omitempty"` // in its tenant's quota; nil: nowhere
	Lent    bool        `json:"lent,omitempty"`    // for its quota is lent, and what is wanted back of that ends on this worker: it counts when that is back
}

// Counted names the block of a tenant's quota of a pool in which what a claim wants
// counts as used, until its request is placed, which takes that over, or it is given up.
type Counted struct {
	Tenant TenantID `json:"tenant"`
	Pool   PoolID   `json:"pool"`
	Block  DaemonID `json:"block"` // the daemon whose block it is
}

// WaitsForQuota says whether a claim, if there is one, waits for nothing but what its tenant has lent.
func (c *Claim) WaitsForQuota() bool { return c != nil && c.Lent && len(c.Victims) == 0 }

// Free is the part of a share that neither allocations nor claims have.
func (l Ledger) Free(of Share) (Share, error) {
	taken, err := l.Reserved.Plus(l.Held)
	if err != nil {
		return Share{}, err
	}
	part := func(want, capacity, taken int64) int64 { return max(min(want, capacity-taken), 0) }
	out := Share{Quantities: Quantities{
		CPUMilli:    part(of.CPUMilli, l.Capacity.CPUMilli, taken.CPUMilli),
		MemoryBytes: part(of.MemoryBytes, l.Capacity.MemoryBytes, taken.MemoryBytes),
		DiskBytes:   part(of.DiskBytes, l.Capacity.DiskBytes, taken.DiskBytes),
	}}
	for name, want := range of.Custom {
		if n := part(want, l.Capacity.Custom[name], taken.Custom[name]); n > 0 {
			if out.Custom == nil {
				out.Custom = make(map[string]int64, len(of.Custom))
			}
			out.Custom[name] = n
		}
	}
	for _, p := range of.Ports {
		if !slices.Contains(taken.Ports, p) {
			out.Ports = append(out.Ports, p)
		}
	}
	slices.Sort(out.Ports)
	for _, d := range of.Devices {
		milli := int64(0)
		if i := slices.IndexFunc(taken.Devices, func(t DeviceShare) bool { return t.Name == d.Name }); i >= 0 {
			milli = taken.Devices[i].Milli
		}
		if n := part(d.Milli, WholeDevice, milli); n > 0 {
			out.Devices = append(out.Devices, DeviceShare{Name: d.Name, Milli: n})
		}
	}
	return out, nil
}

// WithClaim returns the ledger with one more claim, which holds what is free of what
// it wants, but for what its victims will free: has tells what they have, of whom it
// does not know nothing.
func (l Ledger) WithClaim(c Claim, has func(RequestID) Share) (Ledger, error) {
	i, there := l.claim(c.Request)
	if there {
		return Ledger{}, fmt.Errorf("request %s has a claim on the ledger already: %w", c.Request, ErrOverflow)
	}
	needs := c.Wants
	for _, v := range c.Victims {
		needs = needs.beyond(has(v))
	}
	var err error
	if c.Share, err = l.Free(needs); err != nil {
		return Ledger{}, err
	}
	if l.Held, err = l.Held.Plus(c.Share); err != nil {
		return Ledger{}, err
	}
	l.Claims = slices.Insert(slices.Clone(l.Claims), i, c)
	return l, nil
}

// WithoutClaim returns the ledger without the claim of a request, if it has one.
func (l Ledger) WithoutClaim(of RequestID) (Ledger, error) {
	i, there := l.claim(of)
	if !there {
		return l, nil
	}
	var err error
	if l.Held, err = l.Held.Minus(l.Claims[i].Share); err != nil {
		return Ledger{}, err
	}
	if l.Claims = slices.Delete(slices.Clone(l.Claims), i, i+1); len(l.Claims) == 0 {
		l.Claims = nil
	}
	return l, nil
}

// VictimEnded returns the ledger, from which a request was released, with what is missing
// of the claim that waits for it, and that claim, if there is one: has is as of WithClaim.
func (l Ledger) VictimEnded(id RequestID, has func(RequestID) Share) (Ledger, *Claim, error) {
	for _, c := range l.Claims {
		if !slices.Contains(c.Victims, id) {
			continue
		}
		next, err := l.WithoutClaim(c.Request)
		if err != nil {
			return Ledger{}, nil, err
		}
		c.Victims = slices.DeleteFunc(slices.Clone(c.Victims), func(v RequestID) bool { return v == id })
		if len(c.Victims) == 0 {
			c.Victims = nil
		}
		if next, err = next.WithClaim(c, has); err != nil {
			return Ledger{}, nil, err
		}
		i, _ := next.claim(c.Request)
		return next, &next.Claims[i], nil
	}
	return l, nil, nil
}

// ClaimOf is the claim of a request, or nil.
func (l *Ledger) ClaimOf(id RequestID) *Claim {
	if i, there := l.claim(id); there {
		return &l.Claims[i]
	}
	return nil
}

// claim is where the claim of a request stands, or would: they are sorted.
func (l *Ledger) claim(of RequestID) (int, bool) {
	return slices.BinarySearchFunc(l.Claims, of, func(c Claim, id RequestID) int { return strings.Compare(string(c.Request), string(id)) })
}
