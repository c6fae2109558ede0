package berth

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Quantities are the resources that are amounts only: none of them has a name
// of its own on a worker, as a port or a device has.
type Quantities struct {
	CPUMilli    int64            `json:"cpu_milli,omitempty"`    // thousandths of a core
	MemoryBytes int64            `json:"memory_bytes,omitempty"` // bytes
	DiskBytes   int64            `json:"disk_bytes,omitempty"`   // bytes
	Custom      map[string]int64 `json:"custom,omitempty"`       // operator-defined integers, by name
}

// Plus is q + o. It shares no map with either.
func (q Quantities) Plus(o Quantities) (Quantities, error) {
	return q.combine(o, addInt)
}

// Minus is q - o; a result below zero is ErrOverflow. Custom entries that reach
// zero disappear, so that equal sums are equal values.
func (q Quantities) Minus(o Quantities) (Quantities, error) {
	return q.combine(o, func(a, b int64) (int64, bool) {
		return a - b, b >= 0 && a >= b
	})
}

func (q Quantities) combine(o Quantities, op func(a, b int64) (int64, bool)) (Quantities, error) {
	cpu, cpuFits := op(q.CPUMilli, o.CPUMilli)
	memory, memoryFits := op(q.MemoryBytes, o.MemoryBytes)
	disk, diskFits := op(q.DiskBytes, o.DiskBytes)
	switch {
	case !cpuFits:
		return Quantities{}, overflow("cpu_milli", q.CPUMilli, o.CPUMilli)
	case !memoryFits:
		return Quantities{}, overflow("memory_bytes", q.MemoryBytes, o.MemoryBytes)
	case !diskFits:
		return Quantities{}, overflow("disk_bytes", q.DiskBytes, o.DiskBytes)
	}
	out := Quantities{CPUMilli: cpu, MemoryBytes: memory, DiskBytes: disk}
	if len(q.Custom) == 0 && len(o.Custom) == 0 {
		return out, nil
	}
	out.Custom = maps.Clone(q.Custom)
	if out.Custom == nil {
		out.Custom = make(map[string]int64, len(o.Custom))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Custom)) {
		v, ok := op(out.Custom[name], o.Custom[name])
		if !ok {
			return Quantities{}, overflow("custom."+name, out.Custom[name], o.Custom[name])
		}
		out.Custom[name] = v
	}
	maps.DeleteFunc(out.Custom, func(_ string, v int64) bool { return v == 0 })
	if len(out.Custom) == 0 {
		out.Custom = nil
	}
	return out, nil
}

func overflow(name string, a, b int64) error {
	return fmt.Errorf("%s of %d and %d: %w", name, a, b, ErrOverflow)
}

// Within says whether no amount of q is above that of most.
func (q Quantities) Within(most Quantities) bool {
	if q.CPUMilli > most.CPUMilli || q.MemoryBytes > most.MemoryBytes || q.DiskBytes > most.DiskBytes {
		return false
	}
	for name, v := range q.Custom {
		if v > most.Custom[name] {
			return false
		}
	}
	return true
}

// IsZero says whether every amount is zero.
func (q Quantities) IsZero() bool {
	return q.CPUMilli == 0 && q.MemoryBytes == 0 && q.DiskBytes == 0 && len(q.Custom) == 0
}

// Equal says whether all amounts are the same; an absent custom name is zero.
func (q Quantities) Equal(o Quantities) bool {
	return q.Within(o) && o.Within(q)
}

func (q Quantities) validate() error {
	if err := checkRange("cpu_milli", q.CPUMilli, 0, MaxCPUMilli); err != nil {
		return err
	}
	if err := checkRange("memory_bytes", q.MemoryBytes, 0, MaxMemoryBytes); err != nil {
		return err
	}
	if err := checkRange("disk_bytes", q.DiskBytes, 0, MaxDiskBytes); err != nil {
		return err
	}
	if err := checkCount("custom", len(q.Custom), MaxCustomResources); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(q.Custom)) {
		if err := CheckID("custom", name); err != nil {
			return err
		}
		if err := checkRange("custom."+name, q.Custom[name], 0, MaxCustom); err != nil {
			return err
		}
	}
	return nil
}

func addInt(a, b int64) (int64, bool) {
	if b < 0 || a > math.MaxInt64-b {
		return 0, false
	}
	return a + b, a+b >= 0
}
