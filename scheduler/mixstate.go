package scheduler

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// MixState is what a pool was asked for lately, and what its prices were made of: all
// that a decision depends on beside the workers and the request. Another fleet that is
// given it, and the same workers, decides the same.
type MixState struct {
	Asked  int64               `json:"asked"`            // requests, ever
	Usual  []berth.UsualShape  `json:"usual,omitempty"`  // those asked for most first
	Groups []berth.GroupsAsked `json:"groups,omitempty"` // those that asked for most first
	Priced *berth.Prices       `json:"priced,omitempty"` // nil: nothing has a price yet
}

// Mix is the mix of a pool; of one without workers it is empty.
func (f *Fleet) Mix(pool berth.PoolID) MixState {
	p := f.pools[pool]
	if p == nil {
		return MixState{}
	}
	d := &p.dealer
	s := MixState{Asked: d.mix.asked, Usual: d.mix.state(), Groups: d.mix.groupState()}
	if v := d.prices.made; v != nil {
		s.Priced = &berth.Prices{Asked: v.Asked, Usual: slices.Clone(v.Usual), Groups: slices.Clone(v.Groups), Devices: maps.Clone(v.Devices)}
	}
	return s
}

// Mixes are those of the pools that were asked for devices.
func (f *Fleet) Mixes() map[berth.PoolID]MixState {
	out := make(map[berth.PoolID]MixState)
	for id, p := range f.pools {
		if p.dealer.mix.asked > 0 {
			out[id] = f.Mix(id)
		}
	}
	return out
}

// SetMix gives a pool that has workers a mix.
func (f *Fleet) SetMix(pool berth.PoolID, s MixState) {
	if p := f.pools[pool]; p != nil {
		p.dealer.mix = mixOf(s.Asked, s.Usual, s.Groups)
		p.dealer.prices = p.dealer.pricesOf(s.Priced)
	}
}

// Prices is what the prices in a pool with devices were made of; nil: nothing has a price
// yet. It is one and the same until they are made anew, and must not be changed. Another
// fleet that is given it decides the same about requests that are not learned from.
func (f *Fleet) Prices(pool berth.PoolID) *berth.Prices {
	if p := f.pools[pool]; p != nil && p.dealer.devices > 0 {
		return p.dealer.prices.made
	}
	return nil
}

// SetPrices gives a pool that has workers the prices that were made of that; nil: none.
func (f *Fleet) SetPrices(pool berth.PoolID, made *berth.Prices) {
	if p := f.pools[pool]; p != nil {
		p.dealer.prices = p.dealer.pricesOf(made)
	}
}

// pricesOf makes prices of what others were made of. Types of devices that there were
// then are numbered, though there may be none now; those that came since have the price
// that they had there: none of their own.
func (d *dealer) pricesOf(made *berth.Prices) *prices {
	if made == nil {
		return noPrices()
	}
	mix, types := mixOf(made.Asked, made.Usual, made.Groups), make(map[string]int, len(made.Devices))
	for _, name := range slices.Sorted(maps.Keys(made.Devices)) {
		types[name] = d.typeOf(name)
	}
	has, since := make([]int64, len(d.has)), maps.Clone(d.types)
	for name, t := range types {
		has[t] = made.Devices[name]
		delete(since, name)
	}
	v := newPrices(&mix, types, has)
	for _, t := range since {
		v.scarce[t] = 1
	}
	return v
}

func (m *mix) state() []berth.UsualShape {
	var out []berth.UsualShape
	for _, k := range m.keys() {
		u := m.shapes[k]
		out = append(out, berth.UsualShape{
			Types: slices.Clone(u.types), Count: u.count, Milli: u.milli, CPU: int64(k.cpu), Memory: int64(k.memory),
			Weight: u.weight, CPUMilli: u.cpu, MemoryMiB: u.memory,
		})
	}
	return out
}

func (m *mix) groupState() []berth.GroupsAsked {
	var out []berth.GroupsAsked
	for _, topology := range m.topologies() {
		out = append(out, berth.GroupsAsked{Topology: topology, Weight: m.groups[topology]})
	}
	return out
}

func mixOf(asked int64, shapes []berth.UsualShape, groups []berth.GroupsAsked) mix {
	m := newMix()
	for _, g := range groups {
		m.groups[g.Topology] = g.Weight
	}
	m.asked = asked
	for i := range shapes {
		s := &shapes[i]
		k := usualKey{joinTypes(s.Types), s.Count, s.Milli, uint8(s.CPU), uint8(s.Memory)}
		m.shapes[k] = &usual{weight: s.Weight, cpu: s.CPUMilli, memory: s.MemoryMiB, count: s.Count, milli: s.Milli, types: slices.Clone(s.Types)}
		m.weight += s.Weight
	}
	return m
}
