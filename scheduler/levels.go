package scheduler

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// PriorityLeaving is under which Occupy counts what ends anyway: it is below every
// priority, for whoever makes room takes it first.
const PriorityLeaving int32 = math.MinInt32

// level is what the allocations of one priority hold on a worker. Most workers have
// one or two: who asks where room could be made reads those, and no allocations.
type level struct {
	priority int32
	count    int64
	sum      vector
	rare     *rareHeld // nil: nobody holds any
}

// rareHeld is what they hold of what most requests ask nothing of.
type rareHeld struct {
	holders int64            // allocations that hold some
	custom  map[string]int64 // by name
	ports   map[int32]int64  // how many hold each
	devices map[string]int64 // thousandths, by the device's name
}

// Occupy notes that an allocation of a priority has come to a worker, 1, or has left
// it, -1. Like Count, it is told of what is, not of what is proposed.
func (f *Fleet) Occupy(w berth.WorkerID, priority int32, s *berth.Share, by int64) {
	levels := f.levels[w]
	i, found := slices.BinarySearchFunc(levels, priority, func(l level, p int32) int { return cmp.Compare(l.priority, p) })
	if !found {
		levels = slices.Insert(levels, i, level{priority: priority})
	}
	levels[i].hold(s, by)
	switch {
	case levels[i].count == 0 && len(levels) == 1:
		delete(f.levels, w)
	case levels[i].count == 0:
		f.levels[w] = slices.Delete(levels, i, i+1)
	case !found:
		f.levels[w] = levels
	}
}

func (l *level) hold(s *berth.Share, by int64) {
	l.count += by
	for r, amount := range vectorOf(&s.Quantities) {
		l.sum[r] += by * amount
	}
	if len(s.Custom)+len(s.Ports)+len(s.Devices) == 0 {
		return
	}
	if l.rare == nil {
		l.rare = &rareHeld{custom: make(map[string]int64), ports: make(map[int32]int64), devices: make(map[string]int64)}
	}
	if l.rare.hold(s, by); l.rare.holders == 0 {
		l.rare = nil
	}
}

func (h *rareHeld) hold(s *berth.Share, by int64) {
	h.holders += by
	for name, amount := range s.Custom {
		add(h.custom, name, by*amount)
	}
	for _, p := range s.Ports {
		add(h.ports, p, by)
	}
	for _, d := range s.Devices {
		add(h.devices, d.Name, by*d.Milli)
	}
}

// add leaves no 0 behind.
func add[K comparable](to map[K]int64, k K, by int64) {
	if to[k] += by; to[k] == 0 {
		delete(to, k)
	}
}
