package robustness

import (
	"math/rand/v2"
	"time"

	"github.com/berthd/berth"
)

// drawPressing has some of the groups matter more than what fills the workers, and come behind it: the
// jobs from crowd on. Others make room for them.
func drawPressing(p *Plan, crowd int) {
	rng := rand.New(rand.NewPCG(p.Seed, 11)) //nolint:gosec // repeatable, not secret
	for i := range p.Jobs[:crowd] {
		j := &p.Jobs[i]
		if j.Request.Group == nil || rng.IntN(2) == 0 {
			continue
		}
		j.At = p.Jobs[crowd+rng.IntN(len(p.Jobs)-crowd)].At + between(rng, time.Second, 12*time.Second)
		j.Request.Priority, j.Request.Preemption = int32(40+rng.IntN(4)*10), berth.PreemptionLower
		if j.Fits {
			j.Request.Resources.CPUMilli = int64(300 + rng.IntN(700)) // so that two workers take all of it
		}
	}
}
