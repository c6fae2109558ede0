package berth

import (
	"fmt"
	"slices"
	"strconv"
)

// Demand is what a request needs of one worker.
type Demand struct {
	Quantities
	Ports   []PortDemand   `json:"ports,omitempty"`
	Devices []DeviceDemand `json:"devices,omitempty"`
}

// Capacity is what a worker has to give.
type Capacity struct {
	Quantities
	Ports   PortRange `json:"ports,omitzero"`
	Devices []Device  `json:"devices,omitempty"` // sorted by name
}

// Share is what allocations hold of a worker: exact ports and devices. In an
// allocation, ports stand in the order of the request's; in a ledger, sorted.
type Share struct {
	Quantities
	Ports   []int32       `json:"ports,omitempty"`
	Devices []DeviceShare `json:"devices,omitempty"` // sorted by name
}

// Plus is s + o, with ports and devices sorted. A port that both hold is ErrOverflow.
func (s Share) Plus(o Share) (Share, error) {
	return s.combine(o, Quantities.Plus, addPorts, addShares)
}

// Minus is s - o. What s does not hold is ErrOverflow.
func (s Share) Minus(o Share) (Share, error) {
	return s.combine(o, Quantities.Minus, subPorts, subShares)
}

func (s Share) combine(
	o Share,
	quantities func(a, b Quantities) (Quantities, error),
	ports func(a, b []int32) ([]int32, error),
	devices func(a, b []DeviceShare) ([]DeviceShare, error),
) (out Share, err error) {
	if out.Quantities, err = quantities(s.Quantities, o.Quantities); err != nil {
		return Share{}, err
	}
	if out.Ports, err = ports(s.Ports, o.Ports); err != nil {
		return Share{}, err
	}
	if out.Devices, err = devices(s.Devices, o.Devices); err != nil {
		return Share{}, err
	}
	return out, nil
}

// beyond is what s has more of than o.
func (s Share) beyond(o Share) (out Share) {
	less := func(n, by int64) int64 { return max(n-by, 0) }
	out.Quantities = Quantities{CPUMilli: less(s.CPUMilli, o.CPUMilli), MemoryBytes: less(s.MemoryBytes, o.MemoryBytes), DiskBytes: less(s.DiskBytes, o.DiskBytes)}
	for name, n := range s.Custom {
		if n = less(n, o.Custom[name]); n > 0 {
			if out.Custom == nil {
				out.Custom = make(map[string]int64, len(s.Custom))
			}
			out.Custom[name] = n
		}
	}
	for _, p := range s.Ports {
		if !slices.Contains(o.Ports, p) {
			out.Ports = append(out.Ports, p)
		}
	}
	for _, d := range s.Devices {
		if i := slices.IndexFunc(o.Devices, func(of DeviceShare) bool { return of.Name == d.Name }); i >= 0 {
			d.Milli -= o.Devices[i].Milli
		}
		if d.Milli > 0 {
			out.Devices = append(out.Devices, d)
		}
	}
	return out
}

// IsZero says whether the share holds nothing.
func (s Share) IsZero() bool {
	return s.Quantities.IsZero() && len(s.Ports) == 0 && len(s.Devices) == 0
}

// Exceeds names the first resource of which s is more than c, or "".
func (c Capacity) Exceeds(s Share) string {
	switch {
	case s.CPUMilli > c.CPUMilli:
		return fmt.Sprintf("cpu_milli %d of %d", s.CPUMilli, c.CPUMilli)
	case s.MemoryBytes > c.MemoryBytes:
		return fmt.Sprintf("memory_bytes %d of %d", s.MemoryBytes, c.MemoryBytes)
	case s.DiskBytes > c.DiskBytes:
		return fmt.Sprintf("disk_bytes %d of %d", s.DiskBytes, c.DiskBytes)
	}
	for _, name := range sortedKeys(s.Custom) {
		if s.Custom[name] > c.Custom[name] {
			return fmt.Sprintf("custom.%s %d of %d", name, s.Custom[name], c.Custom[name])
		}
	}
	for _, port := range s.Ports {
		if !c.Ports.Holds(port) {
			return fmt.Sprintf("ports %d not in %d-%d", port, c.Ports.First, c.Ports.Last)
		}
	}
	for _, d := range s.Devices {
		if !slices.ContainsFunc(c.Devices, func(have Device) bool { return have.Name == d.Name }) {
			return fmt.Sprintf("devices %s is not there", d.Name)
		}
		if d.Milli > WholeDevice {
			return fmt.Sprintf("devices %s %d of %d", d.Name, d.Milli, WholeDevice)
		}
	}
	return ""
}

// ValidateCounts checks that of nothing less than none is held, or more than there can be.
func (s Share) ValidateCounts() error {
	if err := s.Quantities.validate(); err != nil {
		return err
	}
	for _, port := range s.Ports {
		if err := checkRange("ports", int64(port), 1, 65535); err != nil {
			return err
		}
	}
	for i, d := range s.Devices {
		if err := checkRange(fmt.Sprintf("devices[%d].milli", i), d.Milli, 1, WholeDevice); err != nil {
			return err
		}
	}
	return nil
}

// ValidateCounts is Validate of the numbers that a scheduler counts with.
func (c Capacity) ValidateCounts() error {
	if err := c.Quantities.validate(); err != nil {
		return err
	}
	return inField("ports.", c.Ports.validate())
}

// Validate checks every bound of a worker's capacity.
func (c Capacity) Validate() error {
	if err := c.ValidateCounts(); err != nil {
		return err
	}
	if err := checkCount("devices", len(c.Devices), MaxDevicesPerWorker); err != nil {
		return err
	}
	for i, d := range c.Devices {
		prefix := fmt.Sprintf("devices[%d].", i)
		if err := CheckID(prefix+"name", d.Name); err != nil {
			return err
		}
		if err := CheckID(prefix+"type", d.Type); err != nil {
			return err
		}
		if err := checkRange(prefix+"memory_bytes", d.MemoryBytes, 0, MaxMemoryBytes); err != nil {
			return err
		}
		if d.NUMANode != nil {
			if err := checkRange(prefix+"numa_node", *d.NUMANode, 0, MaxNUMANode); err != nil {
				return err
			}
		}
		if err := checkText(prefix+"link", d.Link, MaxLabelBytes); err != nil {
			return err
		}
		if i > 0 && c.Devices[i-1].Name >= d.Name {
			return &FieldError{Field: prefix + "name", Value: d.Name, Problem: "is repeated or out of order", Bound: "unique names, sorted"}
		}
	}
	return nil
}

// validateCounts is validate of the numbers alone.
func (d Demand) validateCounts() error {
	if err := d.Quantities.validate(); err != nil {
		return err
	}
	for i, p := range d.Ports {
		if err := checkRange(fmt.Sprintf("ports[%d].number", i), int64(p.Number), 0, 65535); err != nil {
			return err
		}
	}
	for i, dev := range d.Devices {
		if err := dev.validateCounts(); err != nil {
			return inField(fmt.Sprintf("devices[%d].", i), err)
		}
	}
	return nil
}

func (d Demand) validate() error {
	if err := d.Quantities.validate(); err != nil {
		return err
	}
	if err := checkCount("ports", len(d.Ports), MaxPortsPerRequest); err != nil {
		return err
	}
	names, numbers := map[string]bool{}, map[int32]bool{}
	for i, p := range d.Ports {
		prefix := fmt.Sprintf("ports[%d].", i)
		if err := p.validate(); err != nil {
			return inField(prefix, err)
		}
		if names[p.Name] || (p.Number != 0 && numbers[p.Number]) {
			return &FieldError{Field: prefix + "name", Value: p.Name, Problem: "or its number stands twice", Bound: "each name and each number once"}
		}
		names[p.Name], numbers[p.Number] = true, true
	}
	total := int64(0)
	for i, dev := range d.Devices {
		if err := dev.validate(); err != nil {
			return inField(fmt.Sprintf("devices[%d].", i), err)
		}
		total += dev.Count
		if total > MaxDevicesPerRequest {
			return &FieldError{
				Field: "devices", Value: strconv.FormatInt(total, 10), Problem: "are too many, of all demands together",
				Bound: fmt.Sprintf("1 to %d", MaxDevicesPerRequest),
			}
		}
	}
	return nil
}
