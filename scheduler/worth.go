package scheduler

import (
	"math"
	"slices"
)

// room is what is free of a worker, as its worth is reckoned.
type room struct {
	cpu, memory float64 // thousandths of a core, MiB
	free        []int64 // thousandths of each device
	types       []int   // the number of each device's type
}

// of takes what is free of n.
func (r *room) of(n *node) {
	r.cpu, r.memory = float64(max(n.own.free[cpu], 0)), float64(max(n.own.free[memory], 0)>>20)
	r.free, r.types = r.free[:0], n.types
	for i := range n.devices {
		r.free = append(r.free, n.devices[i].free)
	}
}

// worth is what the mix could make of a worker's room, in thousandths of devices:
// what the devices' rooms are worth, as far as CPU and memory go that are needed to
// fill them so; and, a little, what single shapes could use, for the mix that comes to
// one worker is never the average.
func (v *prices) worth(r *room) float64 {
	var sum, cpu, memory float64
	for i, free := range r.free {
		scarce := 1.0
		if t := r.types[i]; t < len(v.scarce) {
			scarce = v.scarce[t]
		}
		sum += float64(v.room[free] * scarce)
		cpu += v.cpu[free]
		memory += v.memory[free]
	}
	if sum == 0 {
		return 0
	}
	part := 1.0
	if cpu > r.cpu {
		part = r.cpu / cpu
	}
	if memory > r.memory {
		part = min(part, r.memory/memory)
	}
	return float64(sum*part) + float64(countWeight*v.countShapes(r))
}

// countShapes is the thousandths of devices that a usual shape could use if no other
// came, on average.
func (v *prices) countShapes(r *room) float64 {
	sum, most, one := 0.0, slices.Max(r.free), r.oneType()
	for i := range v.counted {
		s := &v.counted[i]
		if s.milli > most {
			break
		}
		n := s.countAll(r)
		for j := range s.shapes {
			c := &s.shapes[j]
			times := float64(n)
			if one < 0 || c.count > 1 {
				times = s.countSome(r, c)
			} else if !c.takes(one) {
				continue
			}
			if x := float64(r.cpu * c.perCPU); x < times {
				times = x
			}
			if x := float64(r.memory * c.perMemory); x < times {
				times = x
			}
			sum += float64(c.weight * times)
		}
	}
	return sum
}

func (c *counted) takes(t int) bool { return c.any || t < len(c.types) && c.types[t] }

// oneType is the type of all devices, or -1.
func (r *room) oneType() int {
	for _, t := range r.types {
		if t != r.types[0] {
			return -1
		}
	}
	return r.types[0]
}

// countAll counts parts of a size, on devices of any type.
func (s *countedSize) countAll(r *room) (n int64) {
	for _, free := range r.free {
		n += int64(s.fits[free])
	}
	return n
}

// countSome counts a shape on the devices of its types; of several parts no two are
// on one device.
func (s *countedSize) countSome(r *room, c *counted) float64 {
	n := int64(0)
	for i, free := range r.free {
		fits := int64(s.fits[free])
		if !c.takes(r.types[i]) || fits == 0 {
			continue
		}
		if c.count > 1 {
			fits = 1
		}
		n += fits
	}
	return math.Floor(float64(n) / c.count)
}

// losses are in parts of thousandths, whole ones: what differs by less is equal.
func lossOf(before, after float64) int64 { return int64(math.Round((before - after) * lossUnit)) }
