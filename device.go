package berth

import (
	"fmt"
	"slices"
	"strings"
)

// Device is one named accelerator of a worker, divisible in thousandths.
type Device struct {
	Name string `json:"name"` // unique on the worker: "gpu0", or the vendor's UUID
	Type string `json:"type"` // what requests ask for: "h100"

	MemoryBytes int64  `json:"memory_bytes,omitempty"` // of its own; 0: not known
	NUMANode    *int64 `json:"numa_node,omitempty"`    // that it is attached to; nil: not known
	Link        string `json:"link,omitempty"`         // its link domain: devices of one name reach each other by it, on whatever workers; empty: it is in none
}

// LinkOf is the name of a link domain that a worker has by itself: no other worker has it.
func LinkOf(w WorkerID, local string) string { return string(w) + "." + local }

// LikeOf is the capacity of a worker that is to be as another one, from: what it has
// linked by itself is linked by itself.
func (c Capacity) LikeOf(from, to WorkerID) Capacity {
	c.Devices = slices.Clone(c.Devices)
	for i := range c.Devices {
		if local, own := strings.CutPrefix(c.Devices[i].Link, LinkOf(from, "")); own {
			c.Devices[i].Link = LinkOf(to, local)
		}
	}
	return c
}

// DeviceDemand asks for Count devices, Milli thousandths of each, of one of
// Types in order of preference (none: any type), with MemoryBytes at least.
type DeviceDemand struct {
	Types []string `json:"types,omitempty"`
	Count int64    `json:"count"`
	Milli int64    `json:"milli"` // thousandths of each device, 1 to 1000

	MemoryBytes int64 `json:"memory_bytes,omitempty"` // that each device has as a whole, at least

	Linked bool   `json:"linked,omitempty"` // all of them are of one link domain
	Link   string `json:"link,omitempty"`   // and that is this one

	// AnyOrder says that one of Types is as good as another: they are what a quota leaves of a demand that names none. No
	// record holds it.
	AnyOrder bool `json:"-"`
}

// DeviceShare is a part of one named device that an allocation holds.
type DeviceShare struct {
	Name  string `json:"name"`
	Milli int64  `json:"milli"` // thousandths
}

// InLink is the demand with all devices of one link domain.
func (d Demand) InLink(link string) Demand {
	d.Devices = slices.Clone(d.Devices)
	for i := range d.Devices {
		d.Devices[i].Link = link
	}
	return d
}

// normalizeDevices has one whole device asked for where a demand does not say how many, or what part. Records
// have both, for who reads them without knowing this.
func normalizeDevices(list []DeviceDemand) []DeviceDemand {
	if len(list) == 0 {
		return list
	}
	out := slices.Clone(list)
	for i := range out {
		setDefault(&out[i].Count, 1)
		setDefault(&out[i].Milli, WholeDevice)
	}
	return out
}

func (d DeviceDemand) validate() error {
	if err := d.validateCounts(); err != nil {
		return err
	}
	if err := checkRange("memory_bytes", d.MemoryBytes, 0, MaxMemoryBytes); err != nil {
		return err
	}
	if err := d.validateLink(); err != nil {
		return err
	}
	if err := checkCount("types", len(d.Types), MaxDeviceTypes); err != nil {
		return err
	}
	for _, t := range d.Types {
		if err := CheckID("types", t); err != nil {
			return err
		}
	}
	return nil
}

func (d DeviceDemand) validateCounts() error {
	if err := checkRange("count", d.Count, 1, MaxDevicesPerRequest); err != nil {
		return err
	}
	return checkRange("milli", d.Milli, 1, WholeDevice)
}

// validateLink refuses what linked means nothing for: one device, and parts of devices,
// of which several would be on one, and whose links are anybody's who is there.
func (d DeviceDemand) validateLink() error {
	switch {
	case d.Linked && d.Milli != WholeDevice:
		return &FieldError{Field: "milli", Value: fmt.Sprint(d.Milli), Problem: "does not go with linked", Bound: "1000: whole devices"}
	case d.Linked && d.Count < 2:
		return &FieldError{Field: "linked", Value: "true", Problem: "says nothing of one device", Bound: "a count of 2 or more"}
	}
	return checkText("link", d.Link, MaxLabelBytes)
}

// addShares merges two lists of device shares, sorted by name.
func addShares(a, b []DeviceShare) ([]DeviceShare, error) {
	return mergeShares(a, b, 1)
}

func subShares(a, b []DeviceShare) ([]DeviceShare, error) {
	return mergeShares(a, b, -1)
}

func mergeShares(a, b []DeviceShare, sign int64) ([]DeviceShare, error) {
	if len(b) == 0 {
		return slices.Clone(a), nil
	}
	out := make([]DeviceShare, 0, len(a)+len(b))
	out = append(out, a...)
	for _, s := range b {
		if s.Milli < 0 || s.Milli > WholeDevice {
			return nil, fmt.Errorf("device %s share %d: %w", s.Name, s.Milli, ErrOverflow)
		}
		out = append(out, DeviceShare{Name: s.Name, Milli: sign * s.Milli})
	}
	slices.SortFunc(out, func(x, y DeviceShare) int { return strings.Compare(x.Name, y.Name) })
	sums := out[:0]
	for _, s := range out {
		if n := len(sums); n > 0 && sums[n-1].Name == s.Name {
			sums[n-1].Milli += s.Milli
			continue
		}
		sums = append(sums, s)
	}
	for _, s := range b {
		i, _ := slices.BinarySearchFunc(sums, s.Name, func(d DeviceShare, name string) int { return strings.Compare(d.Name, name) })
		if sums[i].Milli < 0 || sums[i].Milli > 1<<40 {
			return nil, fmt.Errorf("device %s: %w", s.Name, ErrOverflow)
		}
	}
	if sums = slices.DeleteFunc(sums, func(s DeviceShare) bool { return s.Milli == 0 }); len(sums) == 0 {
		return nil, nil
	}
	return sums, nil
}
