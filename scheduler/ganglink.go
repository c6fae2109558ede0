package scheduler

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// site is where members of a gang are together: where its topology's label has a value,
// and in a link domain. Empty, of what the gang does not ask for.
type site struct{ value, link string }

func (a site) compare(b site) int {
	return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.link, b.link))
}

// anyOne is the link domains that count for who asks for none.
var anyOne = []string{""}

// within are the members, for the workers and the devices of a site only.
func (g *Gang) within(where site) []Candidate {
	out := inLink(g.Members, where.link)
	if g.Topology == "" {
		return out
	}
	out = slices.Clone(out)
	for i, c := range out {
		out[i] = labelled(c, berth.Constraint{Label: g.Topology, Operator: berth.OperatorIn, Values: []string{where.value}})
	}
	return out
}

// inLink are candidates for the devices of a link domain only.
func inLink(members []Candidate, link string) []Candidate {
	if link == "" {
		return members
	}
	out := slices.Clone(members)
	for i := range out {
		r := *out[i].Request
		r.Resources = r.Resources.InLink(link)
		out[i].Request = &r
	}
	return out
}

// anywhere is the first member where no worker is of any site: for whatever value of the
// label, and devices that are linked at all.
func (g *Gang) anywhere() Candidate {
	c, demands := g.narrowable()
	for i := range demands {
		demands[i].Linked = g.Linked
	}
	if g.Topology == "" {
		return c
	}
	return labelled(c, berth.Constraint{Label: g.Topology, Operator: berth.OperatorExists})
}

// narrowed is the demands for devices of a candidate, which may be changed.
type narrowed []berth.DeviceDemand

// narrowable is the first member, with demands of its own.
func (g *Gang) narrowable() (Candidate, narrowed) {
	c := g.Members[0]
	if !g.Linked {
		return c, nil
	}
	return ownDemands(c)
}

// ownDemands is a candidate with demands that may be changed.
func ownDemands(c Candidate) (Candidate, narrowed) {
	r := *c.Request
	r.Resources.Devices = slices.Clone(r.Resources.Devices)
	c.Request = &r
	return c, r.Resources.Devices
}

// to lets the demands be for the devices of one link domain.
func (d narrowed) to(link string) {
	for i := range d {
		d[i].Link = link
	}
}

// linksOf are the link domains of a worker that count for a gang: where the request
// names one, that one.
func (g *Gang) linksOf(n *node) []string {
	if !g.Linked {
		return anyOne
	}
	for i := range g.Members[0].Request.Resources.Devices {
		if link := g.Members[0].Request.Resources.Devices[i].Link; link != "" {
			at, found := slices.BinarySearch(n.linked, link)
			if !found {
				return nil
			}
			return n.linked[at : at+1]
		}
	}
	return n.linked
}

// sitesAt are those in which members could be on given workers.
func (f *Fleet) sitesAt(g *Gang, workers []berth.WorkerID) (all []site) {
	if len(workers) == 0 || f.nodes[workers[0]] == nil {
		return nil
	}
	n := f.nodes[workers[0]]
	value := n.worker.Labels[g.Topology]
	if g.Topology != "" && value == "" {
		return nil
	}
	for _, link := range g.linksOf(n) {
		all = append(all, site{value, link})
	}
	return all
}

// mostRelated bounds how many members a worker could have, whatever is near to it. Of
// link domains there may be one a worker: those without free devices are not tried.
func (g *Gang) mostRelated(q *query, n *node) int {
	if !g.Linked {
		return len(g.Members)
	}
	return min(len(g.Members), q.room(n))
}

// domainWord says in what its members must be together.
func (g *Gang) domainWord() string {
	switch {
	case !g.Linked:
		return g.Topology
	case g.Topology == "":
		return "link domain"
	}
	return g.Topology + " and link domain"
}

// tellLinks puts behind how many members fit that no link domain has as many devices
// free as those need that must have a place, if that is so: on workers that are open,
// and that the constraints and tolerations leave, whatever else is free of them.
func (f *Fleet) tellLinks(g Gang, v *berth.Verdict) {
	p := f.pools[g.Members[0].Request.Pool]
	if !g.Linked || p == nil {
		return
	}
	q := f.ask(g.Members[0])
	demands := q.request.Resources.Devices
	why := berth.Reason{Code: berth.ReasonLink, Detail: q.demandDetail(0)}
	for i := range demands {
		why.Want += demands[i].Count * int64(max(g.Need, 1))
	}
	free, all := make(map[site]int64), make(map[site]int64)
	for _, n := range p.nodes {
		value, ok := n.worker.Labels[g.Topology]
		if g.Topology != "" && !ok || !q.mayBeOn(n) {
			continue
		}
		for i := range n.devices {
			d := &n.devices[i]
			if d.link == noLink || !slices.Contains(g.linksOf(n), n.linked[d.link]) {
				continue
			}
			where := site{value, n.linked[d.link]}
			all[where] += wanted(n, d, demands)
			if d.free == berth.WholeDevice && n.open {
				free[where] += wanted(n, d, demands)
			}
			why.Best, why.Total = max(why.Best, free[where]), max(why.Total, all[where])
		}
	}
	if why.Best < why.Want {
		v.Reasons = slices.Insert(v.Reasons, 1, why)
	}
}

// mayBeOn says whether the labels and taints of a worker keep nobody off.
func (q *query) mayBeOn(n *node) bool {
	return q.constraints.Allows(n.worker.Labels) && (len(n.repels) == 0 || tolerates(q.request.Tolerations, n))
}

// wanted is 1 of a device that is of a type, and has the memory, that some demand wants.
func wanted(n *node, d *device, demands []berth.DeviceDemand) int64 {
	for i := range demands {
		if slices.Contains(kindsOf(n, &demands[i]), n.kinds[d.kind]) && d.memory >= demands[i].MemoryBytes {
			return 1
		}
	}
	return 0
}
