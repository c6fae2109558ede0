package robustness

import (
	"github.com/berthd/berth"
)

// drawRelations gives requests, by their numbers, a label, and some of them others that they are
// to be near to, apart from or evenly spread with, or would rather: what else a seed chooses is as
// without.
//
// Who requires something waits for others to end, or to come. So that all ends in time nobody waits
// for what may never come, and few require anything: none that may go to some workers only for
// another reason, and of groups, all of whose members have to find their places, the small ones.
func drawRelations(p *Plan) {
	for i := range p.Jobs {
		r := &p.Jobs[i].Request
		r.Labels = map[string]string{"app": []string{"web", "db", "web", "", "batch"}[i%5]}
		prefer(r, i)
		if len(r.Constraints)+len(r.Resources.Devices)+len(r.Resources.Custom) == 0 && (r.Group == nil || r.Group.Size <= 2) {
			require(r, i)
		}
	}
}

func require(r *berth.Request, i int) {
	web, own := berth.RequestLabel{Label: "app", Value: "web"}, berth.RequestLabel{Label: "app", Value: r.Labels["app"]}
	switch i % 13 {
	case 2:
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: &own, Topology: berth.TopologyHost})
	case 4:
		r.AntiAffinity = append(r.AntiAffinity, berth.Affinity{Requests: &berth.RequestLabel{Label: "app", Value: "db"}, Topology: berth.TopologyHost})
	case 7:
		r.Affinity = append(r.Affinity, berth.Affinity{Requests: &own, Topology: "zone"}) // the first goes anywhere
	case 10:
		r.Spread = append(r.Spread, berth.Spread{Requests: own, Topology: berth.TopologyHost, MaxSkew: 2})
	case 12:
		r.Spread = append(r.Spread, berth.Spread{Requests: web, Topology: "zone", MaxSkew: 4})
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
