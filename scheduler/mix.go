package scheduler

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Bounds of what is remembered of requests for devices.
const (
	maxUsual  = 512  // shapes
	mixWindow = 8192 // requests; then all weights are halved, so that half of it is the older ones
	mixUnit   = 256  // the weight of one request: halved, it is not forgotten at once
	mixFirst  = 16   // requests, before anything is made of them; then twice as many, and so on
)

// mix is what a pool was asked for lately: requests with one demand for devices, by
// their shapes. It is made of nothing but the requests that Place was asked for, and
// the groups that PlaceGang was, in their order, so that the same give the same mix.
type mix struct {
	shapes map[usualKey]*usual
	groups map[string]int64 // what groups asked for, by their topology: thousandths of devices, times mixUnit
	weight int64            // of all
	asked  int64            // requests, ever; a group is one
}

// usualKey is what a shape of the mix is known by. CPU and memory are told apart by
// half octaves only (1, 1.5, 2, 3, 4, 6...): requests of one kind differ in them a little.
type usualKey struct {
	types        string // in their order, each with a comma behind it
	count, milli int64
	cpu, memory  uint8
}

// usual is the requests of a shape; divided by the weight, the sums are their means.
type usual struct {
	weight       int64
	cpu, memory  int64 // thousandths of a core and MiB, times weight
	count, milli int64
	types        []string
}

func newMix() mix { return mix{shapes: make(map[usualKey]*usual), groups: make(map[string]int64)} }

// ask remembers a request.
func (m *mix) ask(d *berth.Demand) {
	if len(d.Devices) != 1 {
		return
	}
	v := &d.Devices[0]
	memory := d.MemoryBytes >> 20
	key := usualKey{joinTypes(v.Types), v.Count, v.Milli, halfOctave(d.CPUMilli), halfOctave(memory)}
	u := m.shapes[key]
	if u == nil {
		if len(m.shapes) == maxUsual {
			m.forget()
		}
		u = &usual{count: v.Count, milli: v.Milli, types: slices.Clone(v.Types)}
		m.shapes[key] = u
	}
	u.weight += mixUnit
	u.cpu += d.CPUMilli * mixUnit
	u.memory += memory * mixUnit
	m.count()
}

// count counts a request, or a group.
func (m *mix) count() {
	m.weight += mixUnit
	m.asked++
	if m.weight >= mixWindow*mixUnit {
		m.halve()
	}
}

func joinTypes(types []string) string {
	switch len(types) {
	case 0:
		return ""
	case 1:
		return types[0]
	}
	return strings.Join(types, ",")
}

func halfOctave(v int64) uint8 {
	if v < 2 {
		return uint8(max(v, 0))
	}
	n := bits.Len64(uint64(v))
	return uint8(2*n) | uint8(v>>(n-2)&1)
}

func (k usualKey) compare(o usualKey) int {
	return cmp.Or(cmp.Compare(k.types, o.types), cmp.Compare(k.count, o.count), cmp.Compare(k.milli, o.milli),
		cmp.Compare(k.cpu, o.cpu), cmp.Compare(k.memory, o.memory))
}

// forget drops the quarter of the shapes that was asked for least: one at a time would
// be dear where no two requests are alike.
func (m *mix) forget() {
	keys := m.keys()
	for _, k := range keys[len(keys)-len(keys)/4:] {
		m.weight -= m.shapes[k].weight
		delete(m.shapes, k)
	}
}

func (m *mix) halve() {
	m.weight = 0
	m.halveGroups()
	for k, u := range m.shapes {
		u.weight, u.cpu, u.memory = u.weight/2, u.cpu/2, u.memory/2
		m.weight += u.weight
		if u.weight == 0 {
			delete(m.shapes, k)
		}
	}
}

// keys is those of the shapes, those that were asked for most first.
func (m *mix) keys() []usualKey {
	keys := make([]usualKey, 0, len(m.shapes))
	for k := range m.shapes {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b usualKey) int {
		return cmp.Or(cmp.Compare(m.shapes[b].weight, m.shapes[a].weight), a.compare(b))
	})
	return keys
}

// sorted is the shapes in that order.
func (m *mix) sorted() []*usual {
	out := make([]*usual, 0, len(m.shapes))
	for _, k := range m.keys() {
		out = append(out, m.shapes[k])
	}
	return out
}

// due says whether so much has been asked for since `since` requests that what
// follows from the mix should be made anew.
func (m *mix) due(since int64) bool {
	if since == 0 {
		return m.asked >= mixFirst
	}
	return m.asked >= since+min(since, mixWindow/2)
}
