package invariant

import (
	"maps"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// sum adds what is not negative without ever overflowing: 128 bits.
type sum struct{ high, low uint64 }

func (s sum) plus(v int64) sum {
	low, carry := bits.Add64(s.low, uint64(v), 0)
	return sum{s.high + carry, low}
}

func (s sum) plusSum(o sum) sum {
	low, carry := bits.Add64(s.low, o.low, 0)
	return sum{s.high + o.high + carry, low}
}

func (s sum) above(o sum) bool { return s.high > o.high || s.high == o.high && s.low > o.low }

func (s sum) String() string {
	n := new(big.Int).SetUint64(s.high)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s.low)).String()
}

// family is a kind of resource: the second number of clauses 1.x and 2.x.
type family string

const (
	familyCPU    family = "cpu_milli"
	familyMemory family = "memory_bytes"
	familyDisk   family = "disk_bytes"
	familyCustom family = "custom"
	familyPort   family = "ports"
	familyDevice family = "devices"
)

// dimension is one resource of a tally: a named one where its family has names.
type dimension struct {
	family family
	name   string
}

func (d dimension) String() string {
	if d.name == "" {
		return string(d.family)
	}
	return string(d.family) + " " + d.name
}

// tally is a sum of shares, by dimension. Dimensions of zero are not in it.
type tally map[dimension]sum

func (t tally) add(family family, name string, v int64) {
	if v != 0 {
		d := dimension{family, name}
		t[d] = t[d].plus(v)
	}
}

func (t tally) addQuantities(q quantities) {
	t.add(familyCPU, "", q.CPUMilli)
	t.add(familyMemory, "", q.MemoryBytes)
	t.add(familyDisk, "", q.DiskBytes)
	for label, v := range q.Custom {
		t.add(familyCustom, label, v)
	}
}

// addShare counts a port as 1 each time that it is held.
func (t tally) addShare(s share) {
	t.addQuantities(s.quantities)
	for _, p := range s.Ports {
		t.add(familyPort, strconv.FormatInt(p, 10), 1)
	}
	for _, d := range s.Devices {
		t.add(familyDevice, d.Name, d.Milli)
	}
}

// dimensions are those of t, in one order.
func (t tally) dimensions() []dimension {
	return slices.SortedFunc(maps.Keys(t), func(a, b dimension) int {
		if a.family != b.family {
			return strings.Compare(string(a.family), string(b.family))
		}
		return strings.Compare(a.name, b.name)
	})
}

// differences are the dimensions in which the two are not equal.
func (t tally) differences(o tally) []dimension {
	both := maps.Clone(t)
	maps.Copy(both, o)
	return slices.DeleteFunc(both.dimensions(), func(d dimension) bool { return t[d] == o[d] })
}

// excess are the dimensions in which t is above most.
func (t tally) excess(most tally) []dimension {
	return slices.DeleteFunc(t.dimensions(), func(d dimension) bool { return !t[d].above(most[d]) })
}

func tallyOf(shares ...share) tally {
	t := tally{}
	for _, s := range shares {
		t.addShare(s)
	}
	return t
}

func quantitiesOf(list ...quantities) tally {
	t := tally{}
	for _, q := range list {
		t.addQuantities(q)
	}
	return t
}
