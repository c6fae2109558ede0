package berth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortDemand asks for one host port: Number itself, or, when it is 0, any free
// one of the worker's range. The process finds it in BERTH_PORT_<NAME>.
type PortDemand struct {
	Name   string `json:"name"`
	Number int32  `json:"number,omitempty"` // 1 to 65535; 0: any
}

// PortRange is the host ports that a worker gives out, both ends included;
// the zero range gives out none.
type PortRange struct {
	First int32 `json:"first,omitempty"`
	Last  int32 `json:"last,omitempty"`
}

// IsZero says whether the range is empty.
func (r PortRange) IsZero() bool { return r.Last == 0 }

// Count is the number of ports in the range.
func (r PortRange) Count() int64 {
	if r.Last == 0 {
		return 0
	}
	return int64(r.Last) - int64(r.First) + 1
}

// Holds says whether port is in the range.
func (r PortRange) Holds(port int32) bool { return r.Last != 0 && port >= r.First && port <= r.Last }

func (r PortRange) validate() error {
	if r == (PortRange{}) {
		return nil
	}
	if err := checkRange("first", int64(r.First), 1, 65535); err != nil {
		return err
	}
	if err := checkRange("last", int64(r.Last), int64(r.First), 65535); err != nil {
		return err
	}
	if n := r.Count(); n > MaxPortsPerWorker {
		return &FieldError{
			Field: "last", Value: strconv.Itoa(int(r.Last)), Problem: fmt.Sprintf("makes a range of %d ports", n),
			Bound: fmt.Sprintf("%d to %d: at most %d ports", r.First, min(65535, int(r.First)+MaxPortsPerWorker-1), MaxPortsPerWorker),
		}
	}
	return nil
}

// Variable is where the process finds the port's number: of the name "http-admin", BERTH_PORT_HTTP_ADMIN.
func (p PortDemand) Variable() string {
	return "BERTH_PORT_" + strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(p.Name))
}

// checkVariables refuses ports of which the process would find one number only.
func checkVariables(ports []PortDemand) error {
	for i, p := range ports {
		for _, o := range ports[:i] {
			if o.Name != p.Name && o.Variable() == p.Variable() {
				return &FieldError{
					Field: fmt.Sprintf("resources.ports[%d].name", i), Value: clip(p.Name),
					Problem: fmt.Sprintf("and %q would both stand in the variable %s", clip(o.Name), clip(p.Variable())), Bound: "names that differ in more than - . and _",
				}
			}
		}
	}
	return nil
}

func (p PortDemand) validate() error {
	if err := CheckID("name", p.Name); err != nil {
		return err
	}
	return checkRange("number", int64(p.Number), 0, 65535)
}

// addPorts returns the sorted union; a port that both hold is an error, for it
// would be handed out twice.
func addPorts(a, b []int32) ([]int32, error) {
	out := slices.Concat(a, b)
	slices.Sort(out)
	for i := 1; i < len(out); i++ {
		if out[i] == out[i-1] {
			return nil, fmt.Errorf("port %d reserved twice: %w", out[i], ErrOverflow)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func subPorts(a, b []int32) ([]int32, error) {
	out := slices.Clone(a)
	for _, port := range b {
		i := slices.Index(out, port)
		if i < 0 {
			return nil, fmt.Errorf("port %d released but not reserved: %w", port, ErrOverflow)
		}
		out = slices.Delete(out, i, i+1)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}
