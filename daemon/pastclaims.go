package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// claimants are requests of one pool that waited for others to make room.
type claimants []*berth.Request

// claimantsAt are those of a pool: of the group for which others made room, one member.
func (d *Daemon) claimantsAt(ctx context.Context, s *snapshot.Snapshot, in berth.PoolID) (out claimants, err error) {
	var keys []berth.Key
	for _, w := range s.Workers() {
		for i := range w.Ledger.Claims {
			if w.Pool == in {
				keys = append(keys, requestKey(w.Ledger.Claims[i].Request))
			}
		}
	}
	for some := range slices.Chunk(keys, readAtOnce) {
		facts, err := d.store.GetAt(ctx, s.Revision, some...)
		if err != nil {
			return nil, err
		}
		for i := range facts {
			if of, ok := facts[i].Record.(*berth.Submission); ok {
				out = append(out, &of.Spec)
			}
		}
	}
	rec := s.Keep(in)
	if rec == nil || rec.MadeRoom.IsZero() {
		return out, nil
	}
	facts, err := d.store.GetAt(ctx, s.Revision, groupKey(rec.Group))
	if err != nil {
		return nil, err
	}
	if g, ok := facts[0].Record.(*berth.Group); ok {
		members, err := Replayer{d.store}.members(ctx, rec.Group, g, s.Revision)
		if err != nil {
			return nil, err
		}
		for i := range members[:min(len(members), 1)] {
			out = append(out, members[i].waiting.request)
		}
	}
	return out, nil
}

// nextAttempt is loop.nextAttempt by the records of then.
func (c claimants) nextAttempt(r *berth.Request, end berth.EndReason, notBefore, then time.Time) time.Time {
	apart := func(of *berth.Request) bool { return apartFrom(of, r.Labels) }
	if end.MadeRoom() && notBefore.After(then) && !slices.ContainsFunc(c, apart) {
		return time.Time{}
	}
	return notBefore
}
