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
	Asked  int64        `json:"asked"`            // requests, ever
	Usual  []UsualShape `json:"usual,omitempty"`  // those asked for most first
	Priced *PricedState `json:"priced,omitempty"` // nil: nothing has a price yet
}

// PricedState is what prices were made of.
type PricedState struct {
	Asked   int64            `json:"asked"`
	Usual   []UsualShape     `json:"usual"`
	Devices map[string]int64 `json:"devices"` // of each type
}

// UsualShape is requests of one shape. Divided by its weight, the sums are their means.
type UsualShape struct {
	Types     []string `json:"types,omitempty"`
	Count     int64    `json:"count"`
	Milli     int64    `json:"milli"`
	CPU       int64    `json:"cpu_bucket"`
	Memory    int64    `json:"memory_bucket"`
	Weight    int64    `json:"weight"`
	CPUMilli  int64    `json:"cpu_milli_sum"`
	MemoryMiB int64    `json:"memory_mib_sum"`
}

// Mix is the mix of a pool; of one without workers it is empty.
func (f *Fleet) Mix(pool berth.PoolID) MixState {
	p := f.pools[pool]
	if p == nil {
		return MixState{}
	}
	d := &p.dealer
	s := MixState{Asked: d.mix.asked, Usual: d.mix.state()}
	if v := d.prices; v.since > 0 {
		s.Priced = &PricedState{Asked: v.since, Usual: slices.Clone(v.of), Devices: maps.Clone(v.has)}
	}
	return s
}

// SetMix gives a pool that has workers a mix.
func (f *Fleet) SetMix(pool berth.PoolID, s MixState) {
	p := f.pools[pool]
	if p == nil {
		return
	}
	d := &p.dealer
	d.mix, d.prices = mixOf(s.Asked, s.Usual), noPrices()
	if s.Priced == nil {
		return
	}
	priced, has := mixOf(s.Priced.Asked, s.Priced.Usual), make([]int64, len(d.has))
	for name, n := range s.Priced.Devices {
		if t, ok := d.types[name]; ok {
			has[t] = n
		}
	}
	d.prices = newPrices(&priced, d.types, has)
}

func (m *mix) state() []UsualShape {
	var out []UsualShape
	for _, k := range m.keys() {
		u := m.shapes[k]
		out = append(out, UsualShape{
			Types: slices.Clone(u.types), Count: u.count, Milli: u.milli, CPU: int64(k.cpu), Memory: int64(k.memory),
			Weight: u.weight, CPUMilli: u.cpu, MemoryMiB: u.memory,
		})
	}
	return out
}

func mixOf(asked int64, shapes []UsualShape) mix {
	m := newMix()
	m.asked = asked
	for i := range shapes {
		s := &shapes[i]
		k := usualKey{joinTypes(s.Types), s.Count, s.Milli, uint8(s.CPU), uint8(s.Memory)}
		m.shapes[k] = &usual{weight: s.Weight, cpu: s.CPUMilli, memory: s.MemoryMiB, count: s.Count, milli: s.Milli, types: slices.Clone(s.Types)}
		m.weight += s.Weight
	}
	return m
}
