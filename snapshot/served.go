package snapshot

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Served is when each tenant got something last in each pool, as the daemon knows that
// wrote the snapshot: of equal shares, who was served longest ago comes first. Without it, as in a
// snapshot of the past, that is known only of those that have something there yet, as to a
// daemon that has just started.
type Served map[berth.PoolID]map[berth.TenantID]time.Time

// ServedOf are those that shares know.
func ServedOf(s *scheduler.Shares) Served {
	out := make(Served)
	s.Served(func(t berth.TenantID, p berth.PoolID, at int64) {
		if out[p] == nil {
			out[p] = make(map[berth.TenantID]time.Time)
		}
		out[p][t] = time.Unix(0, at).UTC()
	})
	return out
}

// servedBytes bounds what of the first line they take: those beyond it that were served longest
// ago are left out, as if they never were, which is the same to all others.
const (
	servedBytes = MaxLineBytes / 4
	momentBytes = int64(len(`:"2006-01-02T15:04:05.123456789Z",`))
)

// bounded is those for which a line has room.
func (s Served) bounded() Served {
	type one struct {
		pool   berth.PoolID
		tenant berth.TenantID
		at     time.Time
	}
	var all []one
	for p, of := range s {
		for t, at := range of {
			all = append(all, one{p, t, at})
		}
	}
	slices.SortFunc(all, func(a, b one) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.pool, b.pool), cmp.Compare(a.tenant, b.tenant))
	})
	out, room := make(Served), int64(servedBytes)
	for _, o := range all {
		if out[o.pool] == nil {
			room -= int64(len(o.pool)) + 6
			out[o.pool] = make(map[berth.TenantID]time.Time)
		}
		if room -= int64(len(o.tenant)) + 2 + momentBytes; room < 0 {
			break
		}
		out[o.pool][o.tenant] = o.at
	}
	return out
}

// Years of which a moment can be reckoned with in nanoseconds.
const (
	servedFrom = 1970
	servedTo   = 2200
)

// sound refuses what no daemon could have noted.
func (s Served) sound() error {
	for p, of := range s {
		for t, at := range of {
			if at.Year() < servedFrom || at.Year() > servedTo {
				return fmt.Errorf("served of pool %s: tenant %s: %s is no moment of the years %d to %d", p, berth.Clip(string(t), berth.MaxIDLength), at.Format(time.RFC3339), servedFrom, servedTo)
			}
		}
	}
	return nil
}

// tell notes it in shares.
func (s Served) tell(to *scheduler.Shares) {
	for p, of := range s {
		for t, at := range of {
			to.ServedAt(t, p, at.UnixNano())
		}
	}
}

// notePlaced notes that a tenant got what is placed there.
func (s *Snapshot) notePlaced(a *berth.Allocation, in berth.PoolID) {
	if y := a.PlacedAt.Year(); y >= servedFrom && y <= servedTo {
		s.shares.ServedAt(a.Tenant, in, a.PlacedAt.UnixNano())
	}
}

// LastServed is when a tenant got something last in a pool, in nanoseconds since 1970; 0: nobody knows.
func (s *Snapshot) LastServed(t berth.TenantID, p berth.PoolID) int64 {
	return s.shares.Turn(t, p).Served
}
