package daemon

import (
	"context"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// shadowRate bounds how many placements a second of a pool its shadow is asked about.
const shadowRate = 200

// shadowNotes are caught up with between two looks at whether anybody calls.
const shadowNotes = 64

// ShadowCounts is what this daemon has learned of a pool's shadow since that was set. The
// sums are over what was judged: Same and Other.
type ShadowCounts struct {
	Same, Other, Skipped       int64
	LoadMilli, ShadowLoadMilli int64 // of the workers that were chosen, with the request
	LossMilli, ShadowLossMilli int64 // thousandths of devices
}

// shadowOf is a pool's shadow, and how much of this second's samples is taken.
type shadowOf struct {
	policy *berth.Shadow
	counts ShadowCounts
	since  time.Time
	taken  int
}

// Shadows are the counts of the pools that have a shadow.
func (d *Daemon) Shadows(ctx context.Context) (map[berth.PoolID]ShadowCounts, error) {
	out := make(map[berth.PoolID]ShadowCounts)
	err := d.call(ctx, func(l *loop) {
		for p, s := range l.shadows {
			out[p] = s.counts
		}
	})
	return out, err
}

// setShadow has a pool judged by the shadow that its settings name. With another policy
// it is counted anew.
func (l *loop) setShadow(pool berth.PoolID, settings *berth.Pool) {
	if settings.Shadow == nil {
		delete(l.shadows, pool)
		l.fleet.SetShadow(pool, nil)
		return
	}
	policy := settings.Shadow.Of(settings)
	if s := l.shadows[pool]; s == nil || !s.policy.Equal(policy) {
		l.shadows[pool] = &shadowOf{policy: policy}
		l.fleet.SetShadow(pool, policy)
	}
}

// mayJudge says whether the shadow of a pool is to be asked about one more placement.
func (l *loop) mayJudge(pool berth.PoolID, now time.Time) bool {
	s := l.shadows[pool]
	if s == nil {
		return false
	}
	if d := now.Sub(s.since); d < 0 || d >= time.Second {
		s.since, s.taken = now, 0
	}
	return s.taken < shadowRate
}

// sampled counts a placement for which mayJudge was asked.
func (l *loop) sampled(pool berth.PoolID, taken bool) {
	switch s := l.shadows[pool]; {
	case s == nil:
	case taken:
		s.taken++
	default:
		l.judged(scheduler.Judgement{Pool: pool, Skipped: 1})
	}
}

// judgeShadows catches up while nobody calls: what is in flight has been sent, and no
// answer waits.
func (l *loop) judgeShadows() {
	for len(l.d.calls) == 0 && l.fleet.ShadowsBehind() {
		l.fleet.JudgeShadows(shadowNotes, l.judged)
	}
}

func (l *loop) judged(j scheduler.Judgement) {
	s := l.shadows[j.Pool]
	if s == nil {
		return
	}
	l.metrics.shadow.count(&j)
	c := &s.counts
	switch {
	case j.Skipped > 0:
		c.Skipped += j.Skipped
		return
	case j.Real.Worker == j.Shadow.Worker:
		c.Same++
	default:
		c.Other++
	}
	c.LoadMilli += j.Real.LoadMilli
	c.LossMilli += j.Real.LossMilli
	c.ShadowLoadMilli += j.Shadow.LoadMilli
	c.ShadowLossMilli += j.Shadow.LossMilli
}
