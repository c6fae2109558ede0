package scheduler

import (
	"maps"

	"github.com/berthd/berth"
)

// Overtaken is for whom what is kept for a gang is given up again. Of tenants that hold about as much as each other each has the least at some
// moment: were the gang to let them go first at each, its places would never come together. So once it has let others go first, it does so
// again for who has had less, with something waiting, for ten seconds without a break; and for twice as long as before when such a one has had as much since, or
// all that it asked for: it had not less for good.
type Overtaken struct {
	since int64                    // ms that who goes first has had less; 0: it has let nobody go first yet
	less  map[berth.TenantID]int64 // since when they have
}

const (
	lessFor  = 10_000
	lessMost = 7 * 24 * 3_600_000
)

// Again notes that what is kept is given up.
func (o *Overtaken) Again() { o.since = max(o.since, lessFor) }

// Ever says whether it has been.
func (o *Overtaken) Ever() bool { return o.since > 0 }

// Look notes which tenants have less than the gang's now, and something that waits.
func (o *Overtaken) Look(less map[berth.TenantID]bool, now int64) {
	since := o.since
	maps.DeleteFunc(o.less, func(t berth.TenantID, at int64) bool {
		if !less[t] && now-at >= since {
			o.since = min(2*since, lessMost)
		}
		return !less[t]
	})
	if o.less == nil {
		o.less = make(map[berth.TenantID]int64)
	}
	for t := range less {
		if _, there := o.less[t]; !there {
			o.less[t] = now
		}
	}
}

// Lets says whether a tenant goes first that has less.
func (o *Overtaken) Lets(t berth.TenantID, now int64) bool {
	at, less := o.less[t]
	return !o.Ever() || less && now-at >= o.since
}
