package robustness

import (
	"math/rand/v2"

	"github.com/berthd/berth"
)

// links are the names of link domains: those of every other worker's devices are one, across
// machines. One has four devices or more.
var links = []string{"x", "y"}

// drawLinks has some groups ask for devices of one link domain, and some requests for two that
// are linked. It draws from a source of its own: what else a seed chooses is as without links.
//
// Linked are small groups only, and none that must be in one zone, too: all of their members have to
// find their places.
func drawLinks(p *Plan) {
	rng := rand.New(rand.NewPCG(p.Seed, 8)) //nolint:gosec // repeatable, not secret
	for i := range p.Jobs {
		r := &p.Jobs[i].Request
		if len(r.Resources.Devices) == 0 || rng.IntN(2) > 0 {
			continue
		}
		switch {
		case r.Group != nil && r.Group.Size <= 3 && r.Group.Topology == "" && len(r.Constraints) == 0:
			r.Group.Linked = true
		case r.Group == nil && r.Resources.Devices[0].Count > 1:
			r.Resources.Devices[0].Linked = true
		default:
			continue
		}
		r.Resources.Devices[0].Milli = berth.WholeDevice // as what is linked must be
	}
}
