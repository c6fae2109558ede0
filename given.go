package berth

import (
	"fmt"
	"slices"
)

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

// defaultedTexts are the texts of a request for which the empty one stands for a default, or for none, as a 0 does
// for numbers, with what may stand there.
var defaultedTexts = map[string]string{
	"tenant":       idBound,
	"pool":         idBound,
	"preemption":   "never, lower",
	"on_drain":     "stop, replace",
	"group.id":     "the request's id",
	"dir":          "an absolute path",
	"user":         textBound(MaxLabelBytes),
	"image":        textBound(MaxPathBytes),
	"affinity_key": textBound(MaxLabelBytes),

	"group.topology":         textBound(MaxLabelBytes),
	"affinity.topology":      textBound(MaxLabelBytes),
	"anti_affinity.topology": textBound(MaxLabelBytes),
	"spread.topology":        textBound(MaxLabelBytes),
	"resources.devices.link": textBound(MaxLabelBytes),
	"tolerations.operator":   "equal, exists",
	"tolerations.effect":     "no_place, prefer_no_place, no_run",
}

// CheckGivenText refuses an empty text that was given for a field of a request, as CheckGiven does a 0.
func CheckGivenText(field, v string) error {
	bound, ok := defaultedTexts[field]
	if !ok || v != "" {
		return nil
	}
	return &FieldError{Field: field, Problem: "is empty", Bound: bound + "; without the field, the default"}
}

// CheckGivenList refuses a list without an entry that was given for a field of a request where it would be taken for
// the default, which has some.
func CheckGivenList(field string, entries int) error {
	if field != "retry.on" || entries > 0 {
		return nil
	}
	return &FieldError{Field: field, Problem: "is empty", Bound: retryEndsBound + "; without the field, lost and start_failed"}
}

// CheckRepeats refuses what stands twice in a list where once says it all, and ports of one variable. It is of what was given:
// Normalize drops some of that, and what was stored before goes on.
func (r *Request) CheckRepeats() error {
	if i := repeated(r.Retry.On); i >= 0 {
		return repeatedError(fmt.Sprintf("retry.on[%d]", i), string(r.Retry.On[i]))
	}
	for n, d := range r.Resources.Devices {
		if i := repeated(d.Types); i >= 0 {
			return repeatedError(fmt.Sprintf("resources.devices[%d].types[%d]", n, i), d.Types[i])
		}
	}
	return checkVariables(r.Resources.Ports)
}

// repeated is which entry stands before it already; -1: none.
func repeated[T comparable](list []T) int {
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			return i
		}
	}
	return -1
}

func repeatedError(field, value string) error {
	return &FieldError{Field: field, Value: clip(value), Problem: "stands twice", Bound: "each once"}
}
