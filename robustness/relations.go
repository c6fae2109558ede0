package robustness

import (
	"github.com/berthd/berth"
)

// drawRelations gives requests, by their numbers, a label, and some of them others that they
// would rather be near to, apart from or evenly spread with: what else a seed chooses is as
// without. Nobody waits for what is preferred alone, so all that is to end in time does.
func drawRelations(p *Plan) {
	for i := range p.Jobs {
		r := &p.Jobs[i].Request
		r.Labels = map[string]string{"app": []string{"web", "db", "web", "", "batch"}[i%5]}
		prefer(r, i)
	}
}

func prefer(r *berth.Request, i int) {
	web, own := berth.RequestLabel{Label: "app", Value: "web"}, berth.RequestLabel{Label: "app", Value: r.Labels["app"]}
	switch i % 9 {
	case 1:
		r.Spread = []berth.Spread{{Requests: own, Topology: "zone", MaxSkew: 1, Weight: 20}}
	case 3:
		r.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost, Weight: 40}}
	case 5:
		r.Affinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost, Weight: 10}, {Requests: &own, Topology: "zone", Weight: 30}}
	case 8:
		r.Spread = []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 2, Weight: 5}}
	}
}
