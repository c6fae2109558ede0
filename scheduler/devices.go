package scheduler

import (
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// maxDeviceSteps bounds the search for devices on one worker. With one demand,
// and wherever the demands do not compete, no search is needed; with several that
// do, it is bin packing, and a request that needs more steps is taken not to fit.
const maxDeviceSteps = 1000

// kindsOf is the types that d may be given on n, in order of preference.
func kindsOf(n *node, d *berth.DeviceDemand) []string {
	if len(d.Types) == 0 {
		return n.kinds
	}
	return d.Types
}

// serves says whether one device has room for a unit of d, and the memory, and is of a
// link domain, or whatever one.
func (v *device) serves(d *berth.DeviceDemand, link int) bool {
	return v.free >= d.Milli && v.memory >= d.MemoryBytes && (link == anyLink || v.link == link)
}

// countDevices counts the devices of one type, and of a link domain: those that serve d, and all that have the
// memory.
func countDevices(n *node, kind string, link int, d *berth.DeviceDemand) (room, all int64) {
	of := slices.Index(n.kinds, kind)
	for i := range n.devices {
		v := &n.devices[i]
		if v.kind != of || link != anyLink && v.link != link || v.memory < d.MemoryBytes {
			continue
		}
		all++
		if v.serves(d, link) {
			room++
		}
	}
	return room, all
}

// fitsAlone says whether d fits, were it the only demand, and the rank of the
// type that it would be given.
func fitsAlone(n *node, d *berth.DeviceDemand) (rank int, ok bool) {
	if n.own.lacks(d) {
		return 0, false
	}
	for i, kind := range kindsOf(n, d) {
		if _, ok := n.tightest(kind, d); ok {
			return rankOf(d, i), true
		}
	}
	return 0, false
}

// rankOf is how far down the list of preferences type i is.
func rankOf(d *berth.DeviceDemand, i int) int {
	if len(d.Types) == 0 || d.AnyOrder {
		return 0
	}
	return i
}

// deviceSearch finds devices for several demands that may compete for them:
// depth first, the preferred type first, then the device whose room loses least of its
// worth, then the one with the least room that suffices, then the least memory, then the
// one in whose link domain the least is free, then the name. The first find is the choice.
// Evenly, the device that could serve the demand most often comes before all these.
type deviceSearch struct {
	prices  *prices
	evenly  bool
	demands []berth.DeviceDemand
	kinds   []string // of the node
	links   []string // of the node
	devices []device // of the node; of several demands a copy, to reserve in
	copied  []device
	picked  []pick
	rank    int
	deepest int64 // units that found room at best
	steps   int
	listed  []int // options of the demands being served, one after the other's
}

type pick struct {
	device int
	milli  int64
}

// fit says whether n can serve all demands, and the sum of the ranks of types.
func (s *deviceSearch) fit(n *node, demands []berth.DeviceDemand) (rank int, ok bool) {
	for i := range demands {
		if rank, ok = fitsAlone(n, &demands[i]); !ok {
			return 0, false
		}
	}
	if len(demands) == 1 {
		return rank, true
	}
	return s.search(n, demands)
}

// take returns the devices of a worker that fits, sorted by name.
func (s *deviceSearch) take(n *node, demands []berth.DeviceDemand, evenly bool) []berth.DeviceShare {
	if len(demands) == 0 {
		return nil
	}
	s.evenly = evenly
	_, found := s.search(n, demands)
	if s.evenly = false; !found && evenly {
		s.search(n, demands) // of several demands it may take other steps to find some
	}
	var out []berth.DeviceShare
	for _, p := range s.picked {
		name := n.worker.Ledger.Capacity.Devices[p.device].Name
		i, found := slices.BinarySearchFunc(out, name, func(d berth.DeviceShare, name string) int { return strings.Compare(d.Name, name) })
		if !found {
			out = slices.Insert(out, i, berth.DeviceShare{Name: name})
		}
		out[i].Milli += p.milli
	}
	return out
}

func (s *deviceSearch) search(n *node, demands []berth.DeviceDemand) (rank int, ok bool) {
	if len(demands) == 1 {
		s.begin(n, n.devices, demands)
		return s.only(n, &demands[0])
	}
	ok = s.several(n, n.devices, demands)
	return s.rank, ok
}

func (s *deviceSearch) begin(n *node, devices []device, demands []berth.DeviceDemand) {
	s.demands, s.kinds, s.links, s.devices = demands, n.kinds, n.linked, devices
	s.picked, s.rank, s.deepest, s.steps, s.listed = s.picked[:0], 0, 0, 0, s.listed[:0]
}

// several serves demands on n, had it such devices.
func (s *deviceSearch) several(n *node, devices []device, demands []berth.DeviceDemand) bool {
	s.copied = append(s.copied[:0], devices...)
	s.begin(n, s.copied, demands)
	return s.demand(0)
}

// only serves the only demand.
func (s *deviceSearch) only(n *node, d *berth.DeviceDemand) (rank int, ok bool) {
	for k, kind := range kindsOf(n, d) {
		link, ok := n.tightest(kind, d)
		if !ok {
			continue
		}
		options := s.options(kind, link, d)
		for _, at := range options[:d.Count] {
			s.picked = append(s.picked, pick{at, d.Milli})
		}
		return rankOf(d, k), true
	}
	return 0, false
}

// demand serves the demands from number i on.
func (s *deviceSearch) demand(i int) bool {
	if i == len(s.demands) {
		return true
	}
	d := &s.demands[i]
	kinds := d.Types
	if len(kinds) == 0 {
		kinds = s.kinds
	}
	from, to := linksFor(s.links, d)
	for k, kind := range kinds {
		for link := from; link < to; link++ {
			options := s.options(kind, link, d)
			s.deepest = max(s.deepest, int64(len(s.picked))+min(int64(len(options)), d.Count))
			s.rank += rankOf(d, k)
			if s.unit(i, options, d.Count) {
				return true
			}
			s.rank -= rankOf(d, k)
			s.listed = s.listed[:len(s.listed)-len(options)]
		}
	}
	return false
}

// loses is how much less a device's room is worth with milli of it gone.
func (s *deviceSearch) loses(free, milli int64) int64 {
	return s.prices.order[free] - s.prices.order[free-milli]
}

// options is the devices of one type and link domain that serve d, the best first.
func (s *deviceSearch) options(kind string, link int, d *berth.DeviceDemand) []int {
	from, of := len(s.listed), slices.Index(s.kinds, kind)
	if of < 0 {
		return nil
	}
	for i := range s.devices {
		if s.devices[i].kind != of || !s.devices[i].serves(d, link) {
			continue
		}
		s.listed = append(s.listed, i)
		for j := len(s.listed) - 1; j > from && s.better(s.listed[j], s.listed[j-1], d.Milli); j-- {
			s.listed[j], s.listed[j-1] = s.listed[j-1], s.listed[j]
		}
	}
	return s.listed[from:]
}

// better says whether device a is to be taken before b for milli.
func (s *deviceSearch) better(a, b int, milli int64) bool {
	x, y := &s.devices[a], &s.devices[b]
	if s.evenly && x.free/milli != y.free/milli {
		return x.free/milli > y.free/milli
	}
	if lx, ly := s.loses(x.free, milli), s.loses(y.free, milli); lx != ly {
		return lx < ly
	}
	if x.free != y.free {
		return x.free < y.free
	}
	if x.memory != y.memory { // what has more is kept for who needs it
		return x.memory < y.memory
	}
	if x.beside != y.beside { // a domain that has much free is kept for who needs it linked
		return x.beside < y.beside
	}
	return a < b // by name
}

// unit gives demand i left more devices out of options, each at most once, and
// then serves the demands after it.
func (s *deviceSearch) unit(i int, options []int, left int64) bool {
	if left == 0 {
		return s.demand(i + 1)
	}
	milli := s.demands[i].Milli
	for j := 0; int64(len(options)-j) >= left; j++ {
		d := &s.devices[options[j]]
		if j > 0 && d.alike(&s.devices[options[j-1]]) {
			continue // as good as the one that led nowhere
		}
		if s.steps++; s.steps > maxDeviceSteps {
			return false
		}
		d.free -= milli
		s.picked = append(s.picked, pick{options[j], milli})
		if s.unit(i, options[j+1:], left-1) {
			return true
		}
		d.free += milli
		s.picked = s.picked[:len(s.picked)-1]
	}
	return false
}
