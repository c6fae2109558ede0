package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Setting is how an operator lets the pool choose from a moment on.
type Setting struct {
	At       time.Duration
	Strategy berth.Strategy
	Weights  berth.Weights // of scorers; empty: none
}

// weighed are the scorers that may be. Were it weighed where a request failed to start, it could go
// there again and again.
var weighed = []berth.Scorer{
	berth.ScorerRank, berth.ScorerDislike, berth.ScorerYields, berth.ScorerOver, berth.ScorerLoad, berth.ScorerCold, berth.ScorerLoss, berth.ScorerFree,
}

// drawSettings gives the pool weights and strategies that come and go. It draws from a source of
// its own: what else a seed chooses is as without them.
func drawSettings(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 9)) //nolint:gosec // repeatable, not secret
	for at := between(rng, time.Second, time.Minute); at < p.FaultsUntil-time.Minute; at += between(rng, 20*time.Second, 4*time.Minute) {
		s := Setting{At: at, Strategy: []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}[rng.IntN(2)], Weights: berth.Weights{}}
		if rng.IntN(4) > 0 {
			for _, i := range rng.Perm(len(weighed))[:1+rng.IntN(3)] {
				s.Weights[weighed[i]] = rng.Int64N(6)
			}
		}
		p.Settings = append(p.Settings, s)
	}
}

// settings has an operator change the pool, one time after the other.
func (c *client) settings(left []Setting) {
	if len(left) > 0 {
		c.w.at(left[0].At, nil, func() { c.set(left[0], func() { c.settings(left[1:]) }) })
	}
}

func (c *client) set(s Setting, done func()) {
	again := func() { c.set(s, done) }
	call(c, "set", fmt.Sprint(s.Strategy, " ", s.Weights), func(ctx context.Context, d *daemon.Daemon) (struct{}, error) {
		return struct{}{}, d.SetPool(ctx, berth.DefaultPool, berth.Pool{Strategy: s.Strategy, Weights: s.Weights})
	}, func(_ struct{}, err error) {
		if err == nil {
			c.w.tally.Settings++
			done()
			return
		}
		c.w.after(between(c.w.rng, 300*time.Millisecond, 2*time.Second), nil, again)
	}, again)
}
