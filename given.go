package berth

import "fmt"

// defaulted are the numbers of a request for which 0 is below the bound, and stands for a default where
// nothing can tell it from a field that is left out: see Normalize.
var defaulted = map[string]struct{ low, high int64 }{
	"retry.max_attempts": {1, MaxAttempts},
	"retry.backoff_ms":   {1, MaxBackoffMS},
	"stop_timeout_ms":    {1, MaxStopMS},
	"start_timeout_ms":   {100, MaxDurationMS},
	"spread.max_skew":    {1, MaxSkew},
	"group.min_count":    {1, 0}, // high: the group's size

	"resources.devices.count": {1, MaxDevicesPerRequest},
	"resources.devices.milli": {1, WholeDevice},
}

// CheckGiven refuses a 0 that was given for a field of a request, by its path without indices, where
// Normalize would take it for the default. It is for who reads what a person wrote: a file, or flags.
func CheckGiven(field string, v int64) error {
	d, ok := defaulted[field]
	switch {
	case !ok || v != 0:
		return nil // Validate sees it
	case d.high == 0:
		return &FieldError{Field: field, Value: "0", Problem: "is too small", Bound: fmt.Sprintf("%d to group.size", d.low)}
	}
	return checkRange(field, v, d.low, d.high)
}
