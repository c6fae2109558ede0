package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthd/berth"
)

// parseGPUs reads NUMBER[xTYPE] of each type, comma-separated: devices gpu0 and so on, of which a worker only says that it
// has them.
func parseGPUs(text string) (devices []berth.Device, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		number, kind, typed := strings.Cut(strings.TrimSpace(part), "x")
		if !typed {
			kind = "gpu"
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if none := n == 0 && text != "0"; err != nil || none || len(devices)+int(n) > berth.MaxDevicesPerWorker {
			return nil, &berth.FieldError{
				Field: "gpus", Value: text, Problem: "is no number of devices",
				Bound: fmt.Sprintf("N or NxTYPE, each from 1 on, comma-separated, up to %d in all: 2xh100; or 0", berth.MaxDevicesPerWorker),
			}
		}
		if err := berth.CheckID("gpus: type", kind); err != nil {
			return nil, err
		}
		for range n {
			devices = append(devices, berth.Device{Name: fmt.Sprintf("gpu%d", len(devices)), Type: kind})
		}
	}
	slices.SortFunc(devices, func(a, b berth.Device) int { return strings.Compare(a.Name, b.Name) })
	return devices, nil
}
