package daemon

import (
	"slices"

	"github.com/berthd/berth"
)

// terms are what the allocations of equal requests have in common.
type terms struct {
	tenant         berth.TenantID
	share          berth.Share
	quotaBlock     berth.DaemonID
	group          berth.GroupID
	groupAttempt   int64
	startTimeoutMS int64
	keepMS         int64
	seed           uint64
	policy         string
}

func termsOf(a *berth.Allocation) terms {
	return terms{
		tenant: a.Tenant, share: a.Share, quotaBlock: a.QuotaBlock, group: a.Group, groupAttempt: a.GroupAttempt,
		startTimeoutMS: a.StartTimeoutMS, keepMS: a.KeepMS, seed: a.Planned.Seed, policy: a.Planned.Policy,
	}
}

// equal says whether o is the same. Shares that name a port or a device seldom are.
func (t *terms) equal(o *terms) bool {
	return t.tenant == o.tenant && t.quotaBlock == o.quotaBlock && t.group == o.group && t.groupAttempt == o.groupAttempt &&
		t.startTimeoutMS == o.startTimeoutMS && t.keepMS == o.keepMS && t.seed == o.seed && t.policy == o.policy &&
		sameQuantities(&t.share.Quantities, &o.share.Quantities) &&
		slices.Equal(t.share.Ports, o.share.Ports) && slices.Equal(t.share.Devices, o.share.Devices)
}

// terms finds those of an allocation among what is known, or makes them.
func (x *life) termsOf(a *berth.Allocation) *terms {
	t := termsOf(a)
	for _, known := range []*terms{x.terms, x.specTerms()} {
		if known != nil && known.equal(&t) {
			return known
		}
	}
	if x.spec != nil {
		x.spec.terms = &t
	}
	return &t
}

func (x *life) specTerms() *terms {
	if x.spec == nil {
		return nil
	}
	return x.spec.terms
}
