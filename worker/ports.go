package worker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// ParsePorts reads FIRST-LAST, the host ports that a worker gives out. That the range
// makes sense, the capacity's Validate tells.
func ParsePorts(text string) (berth.PortRange, error) {
	a, b, _ := strings.Cut(text, "-")
	first, errA := strconv.ParseInt(a, 10, 32)
	last, errB := strconv.ParseInt(b, 10, 32)
	if errA != nil || errB != nil {
		return berth.PortRange{}, &berth.FieldError{Field: "ports", Value: berth.Clip(text, 64), Problem: "is no range", Bound: fmt.Sprintf("FIRST-LAST, from 1 to 65535, at most %d of them", berth.MaxPortsPerWorker)}
	}
	return berth.PortRange{First: int32(first), Last: int32(last)}, nil
}
