package berth

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// Dimension is what amounts are of: cpu_milli, memory_bytes, disk_bytes, custom.NAME,
// and devices.TYPE, in thousandths of a device.
type Dimension string

// The dimensions without a name, and what stands before the names of the others.
const (
	DimensionCPU    Dimension = "cpu_milli"
	DimensionMemory Dimension = "memory_bytes"
	DimensionDisk   Dimension = "disk_bytes"

	customPrefix = "custom."
	devicePrefix = "devices."
)

// CustomDimension is the one of a custom resource.
func CustomDimension(name string) Dimension { return customPrefix + Dimension(name) }

// DeviceDimension is the one of a type of devices.
func DeviceDimension(kind string) Dimension { return devicePrefix + Dimension(kind) }

// DeviceType is the type of devices that a dimension is of, if it is.
func (d Dimension) DeviceType() (kind string, ok bool) {
	return strings.CutPrefix(string(d), devicePrefix)
}

// CustomName is the custom resource that a dimension is of, if it is.
func (d Dimension) CustomName() (name string, ok bool) {
	return strings.CutPrefix(string(d), customPrefix)
}

// check says what is wrong with a dimension, or with an amount of it.
func (d Dimension) check(field string, amount int64) error {
	most := MaxCustom
	if name, ok := d.CustomName(); ok {
		if err := CheckID(field, name); err != nil {
			return err
		}
	} else if kind, ok := d.DeviceType(); ok {
		if err := CheckID(field, kind); err != nil {
			return err
		}
	} else {
		switch d {
		case DimensionCPU:
			most = MaxCPUMilli
		case DimensionMemory:
			most = MaxMemoryBytes
		case DimensionDisk:
			most = MaxDiskBytes
		default:
			return &FieldError{Field: field, Value: clip(string(d)), Problem: "is no dimension", Bound: "cpu_milli, memory_bytes, disk_bytes, custom.NAME, devices.TYPE"}
		}
	}
	return checkRange(field+"."+string(d), amount, 0, most)
}

// Amounts are sums of shares, or bounds of such, by dimension. They are never
// changed: what changes them makes others.
type Amounts map[Dimension]int64

// AmountsOf is what a share holds of a worker of that capacity. Ports are counted
// against nobody.
func AmountsOf(s *Share, of *Capacity) Amounts {
	a := AmountsOfDemand(&s.Quantities)
	for _, d := range s.Devices {
		for i := range of.Devices {
			if of.Devices[i].Name == d.Name {
				a[DeviceDimension(of.Devices[i].Type)] += d.Milli
				break
			}
		}
	}
	return a
}

// Amounts are what a worker has of all that can be counted against a tenant.
func (c *Capacity) Amounts() Amounts {
	a := AmountsOfDemand(&c.Quantities)
	for i := range c.Devices {
		a[DeviceDimension(c.Devices[i].Type)] += WholeDevice
	}
	return a
}

// AmountsOfDemand is what quantities are.
func AmountsOfDemand(q *Quantities) Amounts {
	a := make(Amounts, 4)
	for d, v := range map[Dimension]int64{DimensionCPU: q.CPUMilli, DimensionMemory: q.MemoryBytes, DimensionDisk: q.DiskBytes} {
		if v != 0 {
			a[d] = v
		}
	}
	for name, v := range q.Custom {
		if v != 0 {
			a[CustomDimension(name)] = v
		}
	}
	return a
}

// Plus is a + o, without what is zero.
func (a Amounts) Plus(o Amounts) (Amounts, error) { return a.combine(o, addInt) }

// Minus is a - o, without what is zero; below zero is ErrOverflow.
func (a Amounts) Minus(o Amounts) (Amounts, error) {
	return a.combine(o, func(x, y int64) (int64, bool) { return x - y, y >= 0 && x >= y })
}

func (a Amounts) combine(o Amounts, op func(x, y int64) (int64, bool)) (Amounts, error) {
	out := maps.Clone(a)
	if out == nil {
		out = make(Amounts, len(o))
	}
	for d, v := range o {
		sum, ok := op(out[d], v)
		if !ok {
			return nil, fmt.Errorf("%s: %w", d, ErrOverflow)
		}
		out[d] = sum
	}
	maps.DeleteFunc(out, func(_ Dimension, v int64) bool { return v == 0 })
	return out, nil
}

// Dimensions are those that are named, sorted.
func (a Amounts) Dimensions() []Dimension { return sortedKeys(a) }

// IsZero says whether there is nothing of anything.
func (a Amounts) IsZero() bool {
	for _, v := range a {
		if v != 0 {
			return false
		}
	}
	return true
}

// Equal says whether all amounts are the same, and the same are named.
func (a Amounts) Equal(o Amounts) bool { return maps.Equal(a, o) }

// Tenant is what a tenant may use, under tenants/<t>.
type Tenant struct {
	Header
	Weight int64            `json:"weight,omitempty"` // where not all fits; 0: DefaultTenantWeight
	Pools  map[PoolID]Quota `json:"pools"`
}

// DefaultTenantWeight is that of a tenant for which nothing else is said.
const DefaultTenantWeight = 1

// Limit sets what a tenant may use of a pool; nil: that is not limited any more. What is guaranteed
// of what is not limited any more is not guaranteed either.
func (t *Tenant) Limit(p PoolID, limits Amounts) {
	q := t.Pools[p]
	q.Limits = limits
	q.Guaranteed = maps.Clone(q.Guaranteed)
	maps.DeleteFunc(q.Guaranteed, func(d Dimension, _ int64) bool { _, limited := limits[d]; return !limited })
	if q.Idle() {
		delete(t.Pools, p)
		return
	}
	if t.Pools == nil {
		t.Pools = make(map[PoolID]Quota)
	}
	t.Pools[p] = q
}

// Empty says whether the record says nothing, and need not be there.
func (t *Tenant) Empty() bool { return t.Weight == 0 && len(t.Pools) == 0 }

// CheckTenantWeight checks the weight of a tenant as a user gives it.
func CheckTenantWeight(weight int64) error {
	return checkRange("weight", weight, DefaultTenantWeight, MaxTenantWeight)
}

// Quota is what a tenant may use of one pool. Blocks of it are taken by daemons: Taken
// is their sum. What Limits does not name is not limited; without Limits, nothing is.
type Quota struct {
	Limits Amounts    `json:"limits,omitempty"`
	Taken  Amounts    `json:"taken,omitempty"`
	Blocks int64      `json:"blocks,omitempty"` // that name the pool
	Short  []DaemonID `json:"short,omitempty"`  // those that wait for more than is left

	Guaranteed Amounts `json:"guaranteed,omitempty"` // of the limits; what is not used of it, others may borrow
	Lent       Loans   `json:"lent,omitempty"`
	Borrowed   Loans   `json:"borrowed,omitempty"`
	Recalled   Loans   `json:"recalled,omitempty"` // of what is lent: wanted back

	Waits map[DaemonID]LoanWait `json:"waits,omitempty"` // where something waits that a loan would help, or the end of one

	Gathering map[DaemonID]Gathering `json:"gathering,omitempty"` // for what each would have quota gathered

	RecalledSince  map[TenantID]time.Time `json:"recalled_since,omitempty"`
	ReclaimAfterMS *int64                 `json:"reclaim_after_ms,omitempty"` // wanted back for so long, what uses it is stopped; nil: it never is
}

// QuotaBlock is what a daemon has taken of a tenant's quotas, under tenants/<t>/<d>.
type QuotaBlock struct {
	Header
	Pools map[PoolID]Block `json:"pools"`
}

// Block is what was taken of the quota of one pool, in the dimensions that it names, and
// what allocations use of it, in all.
type Block struct {
	Block Amounts `json:"block,omitempty"`
	Used  Amounts `json:"used,omitempty"`
}

// Check checks what an operator has said of a tenant.
func (t *Tenant) Check() error {
	if t.Weight != 0 {
		if err := CheckTenantWeight(t.Weight); err != nil {
			return err
		}
	}
	for _, p := range sortedKeys(t.Pools) {
		if err := CheckLimits(t.Pools[p].Limits); err != nil {
			return err
		}
		if err := CheckGuaranteed(t.Pools[p].Guaranteed, t.Pools[p].Limits); err != nil {
			return err
		}
		if after := t.Pools[p].ReclaimAfterMS; after != nil {
			if err := CheckReclaimAfter(*after); err != nil {
				return err
			}
		}
	}
	return checkCount("pools", len(t.Pools), MaxQuotaPools)
}

// CheckDimension says whether something can be limited of d; field is the name used in the error.
func CheckDimension(field string, d Dimension) error { return d.check(field, 0) }

// CheckLimits checks the limits of a quota as a user gives them.
func CheckLimits(limits Amounts) error {
	if err := checkCount("limits", len(limits), MaxQuotaLimits); err != nil {
		return err
	}
	for _, d := range limits.Dimensions() {
		if err := d.check("limits", limits[d]); err != nil {
			return err
		}
	}
	return nil
}
