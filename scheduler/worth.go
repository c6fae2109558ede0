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
	parts       []int32 // of each column of the prices: how many the devices hold
}

// of takes what is free of n, but for the parts.
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

// partsOf counts the parts that the devices of a room hold, into to.
func (v *prices) partsOf(r *room, to []int32) []int32 {
	to = append(to[:0], make([]int32, len(v.columns))...)
	for _, free := range r.free {
		if free == 0 {
			continue
		}
		for i, n := range v.partsIn(free) {
			to[i] += n
		}
	}
	return to
}

// cut takes a share off a device.
func (v *prices) cut(r *room, p pick) {
	free := r.free[p.device]
	r.free[p.device] = free - p.milli
	before, after := v.partsIn(free), v.partsIn(free-p.milli)
	parts := r.parts[:len(before)]
	for i := range parts {
		parts[i] += after[i] - before[i]
	}
}

// countShapes is the thousandths of devices that a usual shape could use if no other
// came, on average.
func (v *prices) countShapes(r *room) float64 {
	shapes, one := v.counted, r.oneType()
	switch {
	case one >= len(v.ofType): // a type that came after the prices
		shapes = v.ofAny
	case one >= 0:
		shapes = v.ofType[one]
	}
	sum, most := 0.0, slices.Max(r.free)
	for i := range shapes {
		c := &shapes[i]
		if c.milli > most {
			break
		}
		times := float64(r.parts[c.column])
		if one < 0 {
			times = v.partsFor(r, c)
		}
		if c.count > 1 {
			times = math.Floor(times / c.count)
		}
		if x := float64(r.cpu * c.perCPU); x < times {
			times = x
		}
		if x := float64(r.memory * c.perMemory); x < times {
			times = x
		}
		sum += float64(c.weight * times)
	}
	return sum
}

// partsFor counts the parts that a shape could use on the devices of its types.
func (v *prices) partsFor(r *room, c *counted) float64 {
	n := int32(0)
	for i, free := range r.free {
		if c.takes(r.types[i]) {
			n += v.partsIn(free)[c.column]
		}
	}
	return float64(n)
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

// losses are in parts of thousandths, whole ones: what differs by less is equal.
func lossOf(before, after float64) int64 { return int64(math.Round((before - after) * lossUnit)) }
