package scheduler

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// Groups need whole devices on whole workers, and some of them on workers of one domain,
// at once: what a single request loses nowhere may take the last of those. So the more of
// what was asked for lately was for groups, the more it counts against a worker that its
// devices are idle: the workers in use are filled before another is begun, and the others
// stay whole. Where several are as idle, all begin with the same ones, and so they do of the
// domains of the label that groups asked for.
//
// The order of the workers is that of the ring, whatever their type. Without it, losses decide
// between those that are as idle, and these say by the least difference that one type is less in
// demand: all that takes any goes there, and groups that need that type find it full while the
// other is empty.
//
// That costs packing where shares fill all devices (about a point of openb's, at most), so
// it is reckoned beside the loss, and pools in which no groups are placed know nothing of it.

const (
	maxTopologies = 8
	// groupPart is the part of what was asked for that groups have where idle devices
	// count in full: 1 / 10. Groups run longer than others, and wait for all at once.
	groupPart = 10
	// workerDevices is what each idle device of the last worker counts more than one of the
	// first, in devices.
	workerDevices = 1
	// domainDevices is what the last of the domains counts more than the first, in devices.
	domainDevices = 16
	// maxGroupDevices bounds what one group counts for.
	maxGroupDevices = 1 << 16
	// groupStep is how much of its full price idleness must have changed by, for prices
	// to be made anew before it is time.
	groupStep = 0.125
)

// askGroup remembers a group of so many members, as one request. What it asks for is
// kept by the topology alone: what its members are like decides nothing.
func (m *mix) askGroup(d *berth.Demand, members int, topology string) {
	if len(d.Devices) != 1 {
		return
	}
	if _, known := m.groups[topology]; !known && len(m.groups) == maxTopologies {
		delete(m.groups, m.topologies()[maxTopologies-1])
	}
	v := &d.Devices[0]
	m.groups[topology] += min(int64(members)*min(v.Count, maxGroupDevices), maxGroupDevices) * v.Milli * mixUnit
	m.count()
}

// topologies are those that groups asked for, the one for most devices first.
func (m *mix) topologies() []string {
	return slices.SortedFunc(maps.Keys(m.groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.groups[b], m.groups[a]), cmp.Compare(a, b))
	})
}

func (m *mix) halveGroups() {
	for topology := range m.groups {
		if m.groups[topology] /= 2; m.groups[topology] == 0 {
			delete(m.groups, topology)
		}
	}
}

// whole is what keeping workers and domains whole is worth, in devices.
type whole struct {
	device   float64 // each idle device of a worker counts so much against it
	worker   float64 // and of the last of the workers, more than of the first
	topology string  // the label that groups asked for; empty: none
	domain   float64 // and the last of its domains, more than the first
}

// wholeOf follows from how much of what was asked for is groups'.
func (m *mix) wholeOf() (w whole) {
	if len(m.groups) == 0 {
		return w
	}
	groups, all := int64(0), int64(0)
	for _, milli := range m.groups {
		groups += milli
	}
	for _, u := range m.shapes {
		all += u.weight * min(u.count, maxGroupDevices) * u.milli
	}
	all += groups
	part := func(of int64) float64 { return min(1, float64(groupPart*float64(of))/float64(all)) }
	w.device, w.worker = part(groups), float64(workerDevices*part(m.groups[""]))
	for _, topology := range m.topologies() {
		if topology != "" {
			w.topology, w.domain = topology, float64(domainDevices*part(m.groups[topology]))
			break
		}
	}
	return w
}

// apart says whether one has become so different from o that prices are to be made anew.
func (w *whole) apart(o *whole) bool {
	return math.Abs(w.device-o.device) > groupStep || math.Abs(w.worker-o.worker) > workerDevices*groupStep ||
		math.Abs(w.domain-o.domain) > domainDevices*groupStep || w.topology != o.topology && max(w.domain, o.domain) > domainDevices*groupStep
}

// counts is what counts against a worker beyond what it loses, in parts of thousandths.
func (w *whole) counts(n *node) int64 {
	if w.device == 0 {
		return 0
	}
	devices := float64((w.device + float64(w.worker*part64(n.position))) * float64(n.own.whole))
	if value, has := n.worker.Labels[w.topology]; has && w.topology != "" {
		devices += float64(w.domain * part64(Mix(Hash(value))))
	}
	return int64(math.Round(float64(devices * float64(berth.WholeDevice*lossUnit))))
}

// part64 is a hash as a part of all there are.
func part64(hash uint64) float64 {
	const bits = 14
	return float64(hash>>(64-bits)) / (1 << bits)
}

// askGroup remembers a group, and prices anew when that is due, or keeping whole what is
// so has become worth something else; not before 16 requests have come since.
func (d *dealer) askGroup(demand *berth.Demand, members int, topology string) {
	d.mix.askGroup(demand, members, topology)
	now := d.mix.wholeOf()
	if d.due() || d.prices.since > 0 && d.mix.asked >= d.prices.since+mixFirst && now.apart(&d.prices.whole) {
		d.prices = newPrices(&d.mix, d.types, d.has)
	}
}

// learnGroup adds a group to what its pool is asked for, once.
func (f *Fleet) learnGroup(g *Gang) {
	first := &g.Members[0]
	d, p := &first.Request.Resources, f.pools[first.Request.Pool]
	if len(d.Devices) == 0 || first.Again || p == nil || malformed(d) {
		return
	}
	p.dealer.askGroup(d, len(g.Members), g.Topology)
	if s := f.shadows[first.Request.Pool]; s != nil {
		s.note(note{learned: d, members: len(g.Members), topology: g.Topology})
	}
}
