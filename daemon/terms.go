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

// are says whether they are an allocation's. Of shares that name a port or a device
// they seldom are.
func (t *terms) are(a *berth.Allocation) bool {
	return t.tenant == a.Tenant && t.quotaBlock == a.QuotaBlock && t.group == a.Group && t.groupAttempt == a.GroupAttempt &&
		t.startTimeoutMS == a.StartTimeoutMS && t.keepMS == a.KeepMS && t.seed == a.Planned.Seed && t.policy == a.Planned.Policy &&
		sameQuantities(&t.share.Quantities, &a.Share.Quantities) &&
		slices.Equal(t.share.Ports, a.Share.Ports) && slices.Equal(t.share.Devices, a.Share.Devices)
}

// terms finds those of an allocation among what is known, or makes them.
func (x *life) termsOf(a *berth.Allocation) *terms {
	for _, known := range [...]*terms{x.terms, x.specTerms()} {
		if known != nil && known.are(a) {
			return known
		}
	}
	t := termsOf(a)
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
