package scheduler

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthd/berth"
)

const (
	maxParts   = 64 // sizes that are priced, those that are asked for most
	maxCounted = 64 // shapes that are counted on a worker
	// countWeight is how much the second thought weighs: what single shapes could still
	// use, beside what the mix as a whole could.
	countWeight = 0.25
	// lossUnit is the parts of a thousandth of a device that losses are told apart by.
	lossUnit = 16
)

// prices is what a mix makes room worth, in thousandths of a device. Without a mix
// any room is worth itself.
type prices struct {
	made    *berth.Prices // of which; nil: of nothing
	since   int64         // requests had been asked for
	devices int64         // of the pool, when it was made
	room    [berth.WholeDevice + 1]float64
	order   [berth.WholeDevice + 1]int64 // room, rounded, for devices to be compared by
	cpu     [berth.WholeDevice + 1]float64
	memory  [berth.WholeDevice + 1]float64 // MiB: what fills a room so needs, on average
	whole   whole
	scarce  []float64   // by the number of a type: how much is asked of it, beside others
	counted []counted   // shapes, from the smallest parts on
	ofType  [][]counted // those that take a type, by its number
	ofAny   []counted   // those that take any
	columns []column    // of parts
	parts   []int32     // by a device's room and the column: how many it holds
}

// counted is a usual shape, to be counted on workers.
type counted struct {
	milli     int64
	column    int // of its parts
	count     float64
	weight    float64 // thousandths of a device, times how often it is asked for
	perCPU    float64 // 1 / what one needs; if nothing, enough for any
	perMemory float64
	any       bool
	types     []bool // by number
}

// column is parts of one size.
type column struct {
	milli int64
	once  bool // on a device, for shapes of several: no two are on one
}

// noPrices is before anything is known.
func noPrices() *prices {
	v := &prices{}
	for r := range v.room {
		v.room[r], v.order[r] = float64(r), int64(r)*lossUnit
	}
	return v
}

// newPrices makes prices of a mix; types numbers the types, and has is how many devices there are of each.
func newPrices(m *mix, types map[string]int, has []int64) *prices {
	v := noPrices()
	v.since, v.whole = m.asked, m.wholeOf()
	v.made = &berth.Prices{Asked: m.asked, Usual: m.state(), Groups: m.groupState(), Devices: make(map[string]int64, len(types))}
	for name, t := range types {
		v.made.Devices[name] = has[t]
		v.devices += has[t]
	}
	usual := m.sorted()
	v.priceRooms(usual)
	v.scarcity(usual, types, has)
	v.count(usual, types, len(has))
	return v
}

// sizeOf is what is asked of one size of parts.
type sizeOf struct {
	demand, cpu, memory float64
}

// priceRooms prices the rooms of a device, and finds what is needed to fill them so.
func (v *prices) priceRooms(usual []*usual) {
	sizes := make(map[int64]*sizeOf)
	for _, u := range usual {
		s := sizes[u.milli]
		if s == nil {
			s = &sizeOf{}
			sizes[u.milli] = s
		}
		s.demand += float64(u.weight * u.count)
		s.cpu += float64(u.cpu)
		s.memory += float64(u.memory)
	}
	var parts []part
	for milli, s := range sizes {
		if milli < berth.WholeDevice {
			parts = append(parts, part{milli, s.demand})
		}
	}
	slices.SortFunc(parts, func(a, b part) int {
		if a.demand != b.demand {
			return order(a.demand > b.demand)
		}
		return order(a.milli < b.milli)
	})
	parts = parts[:min(len(parts), maxParts)]
	slices.SortFunc(parts, func(a, b part) int { return order(a.milli < b.milli) })
	costs := priceParts(parts)
	// A whole device is worth one whole request; the parts may cut it up as well as that.
	if s := sizes[berth.WholeDevice]; s != nil {
		parts, costs = append(parts, part{berth.WholeDevice, s.demand}), append(costs, 1)
	}
	if len(parts) > 0 {
		v.fillRooms(parts, costs, sizes)
	}
}

// fillRooms finds the best filling of each room, and of equal ones that which needs
// the least CPU.
func (v *prices) fillRooms(parts []part, costs []float64, sizes map[int64]*sizeOf) {
	for i := range v.room {
		v.room[i], v.cpu[i], v.memory[i] = 0, 0, 0
	}
	for room := int64(1); room <= berth.WholeDevice; room++ {
		best, cpu, memory := v.room[room-1], v.cpu[room-1], v.memory[room-1]
		for i := range parts {
			rest := room - parts[i].milli
			if rest < 0 {
				continue
			}
			s := sizes[parts[i].milli]
			w, c := float64(costs[i]*1000)+v.room[rest], s.cpu/s.demand+v.cpu[rest]
			if w > best+1e-6 || w > best-1e-6 && c < cpu {
				best, cpu, memory = max(best, w), c, s.memory/s.demand+v.memory[rest]
			}
		}
		v.room[room], v.cpu[room], v.memory[room] = best, cpu, memory
	}
	for i := range v.room {
		v.order[i] = int64(math.Round(v.room[i] * lossUnit))
	}
}

// scarcity is how dense the demand for devices of each type is: each request spreads
// what it asks for evenly over the devices that will do. Of all devices it is 1 on
// average.
func (v *prices) scarcity(usual []*usual, types map[string]int, has []int64) {
	v.scarce = make([]float64, len(has))
	all := 0.0
	for _, u := range usual {
		wants := float64(u.weight * u.count * u.milli)
		devices := int64(0)
		for t, n := range has {
			if u.takes(t, types) {
				devices += n
			}
		}
		if devices == 0 {
			continue
		}
		all += wants
		for t := range has {
			if u.takes(t, types) {
				v.scarce[t] += wants / float64(devices)
			}
		}
	}
	for t := range v.scarce {
		if v.scarce[t] *= float64(v.devices) / max(all, 1); v.scarce[t] == 0 {
			v.scarce[t] = tiny // nobody asks for it: anything else is dearer
		}
	}
}

func (u *usual) takes(t int, types map[string]int) bool {
	return len(u.types) == 0 || slices.ContainsFunc(u.types, func(name string) bool {
		n, ok := types[name]
		return ok && n == t
	})
}

// count prepares the usual shapes to be counted. There are so many numbers of types.
func (v *prices) count(usual []*usual, types map[string]int, numbers int) {
	all := 0.0
	usual = usual[:min(len(usual), maxCounted)]
	for _, u := range usual {
		all += float64(u.weight)
	}
	for _, u := range usual {
		c := counted{milli: u.milli, count: float64(u.count), any: len(u.types) == 0, weight: float64(u.weight) / all * float64(u.count*u.milli)}
		c.perCPU, c.perMemory = perUnit(u.weight, u.cpu), perUnit(u.weight, u.memory)
		for _, name := range u.types {
			if t, ok := types[name]; ok {
				for len(c.types) <= t {
					c.types = append(c.types, false)
				}
				c.types[t] = true
			}
		}
		c.column = v.columnOf(column{u.milli, u.count > 1})
		v.counted = append(v.counted, c)
	}
	slices.SortStableFunc(v.counted, func(a, b counted) int { return cmp.Compare(a.milli, b.milli) })
	v.ofType = make([][]counted, numbers)
	for i := range v.counted {
		c := &v.counted[i]
		for t := range v.ofType {
			if c.takes(t) {
				v.ofType[t] = append(v.ofType[t], *c)
			}
		}
		if c.any {
			v.ofAny = append(v.ofAny, *c)
		}
	}
	v.fillParts()
}

// columnOf is the number of a column; made when it is the first.
func (v *prices) columnOf(c column) int {
	i := slices.Index(v.columns, c)
	if i < 0 {
		i = len(v.columns)
		v.columns = append(v.columns, c)
	}
	return i
}

func (v *prices) fillParts() {
	v.parts = make([]int32, 0, len(v.room)*len(v.columns))
	for room := range berth.WholeDevice + 1 {
		for _, c := range v.columns {
			n := room / c.milli
			if c.once {
				n = min(n, 1)
			}
			v.parts = append(v.parts, int32(n))
		}
	}
}

// partsIn is how many of each column a device with that room holds.
func (v *prices) partsIn(room int64) []int32 {
	return v.parts[int(room)*len(v.columns):][:len(v.columns)]
}

// perUnit is how many there are of what needs sum/weight, for each unit of that.
func perUnit(weight, sum int64) float64 {
	if sum == 0 {
		return math.MaxFloat32
	}
	return float64(weight) / float64(sum)
}
