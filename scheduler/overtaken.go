package scheduler

import (
	"maps"

	"github.com/berthd/berth"
)

// Overtaken is for whom what is kept for a gang is given up again. Of tenants that hold about as much as each other each has the least at some
// moment: were the gang to let them go first at each, its places would never come together. Nor would they beside one that has less for good, and of whose
// requests, which follow each other, something waits always, if each for a while only. So once it has let others go first, it does so
// again for what has waited for ten seconds, of who has had less for so long, with something waiting, without a break; and each time it has, for twice as
// long as before.
type Overtaken struct {
	since int64                    // ms that who goes first has had less; 0: it has let nobody go first yet
	less  map[berth.TenantID]int64 // since when they have
}

const (
	lessFor  = 10_000
	lessMost = 7 * 24 * 3_600_000
)

// Again notes that what is kept is given up.
func (o *Overtaken) Again(now int64) {
	if !o.Ever() {
		o.since = lessFor
		return
	}
	for _, at := range o.less { // else it is given up for its own tenant's
		if now-at >= o.since {
			o.since = min(2*o.since, lessMost)
			return
		}
	}
}

// Ever says whether it has been.
func (o *Overtaken) Ever() bool { return o.since > 0 }

// Look notes which tenants have less than the gang's now, and something that waits.
func (o *Overtaken) Look(less map[berth.TenantID]bool, now int64) {
	maps.DeleteFunc(o.less, func(t berth.TenantID, _ int64) bool { return !less[t] })
	if o.less == nil {
		o.less = make(map[berth.TenantID]int64)
	}
	for t := range less {
		if _, there := o.less[t]; !there {
			o.less[t] = now
		}
	}
}

// Lets says whether what has waited for so many ms goes first, of a tenant that has less.
func (o *Overtaken) Lets(t berth.TenantID, waited, now int64) bool {
	at, less := o.less[t]
	return !o.Ever() || less && min(now-at, waited) >= o.since
}
