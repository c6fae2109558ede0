package berth

import (
	"fmt"
	"slices"
)

// RetryPolicy bounds the attempts that may have run. Attempts that a worker
// refused, or that were preempted or drained, do not count.
type RetryPolicy struct {
	MaxAttempts int64      `json:"max_attempts"`
	OnFailure   bool       `json:"on_failure,omitempty"` // also after failure and oom
	On          []RetryEnd `json:"on,omitempty"`         // after these ends; none: lost and start_failed
	BackoffMS   int64      `json:"backoff_ms"`           // before the second attempt; doubles, at most a minute
}

// RetryEnd is an end of an attempt that may have run, after which a request may be
// tried again.
type RetryEnd string

// The ends.
const (
	RetryFailure     RetryEnd = "failure"      // an exit other than 0, or a signal
	RetryLost        RetryEnd = "lost"         // its worker was lost, or had to end it, cut off from the store
	RetryStartFailed RetryEnd = "start_failed" // it could not be started
	RetryOOM         RetryEnd = "oom"          // the kernel killed it, above its memory limit
)

// allRetryEnds are sorted, as they are stored.
var allRetryEnds = []RetryEnd{RetryFailure, RetryLost, RetryOOM, RetryStartFailed}

// byOnFailure says whether on_failure stands for an end.
func (e RetryEnd) byOnFailure() bool { return e == RetryFailure || e == RetryOOM }

// byDefault says whether a request is tried again after an end that says nothing of it.
func (e RetryEnd) byDefault() bool { return !e.byOnFailure() }

// UnmarshalText rejects every word that is not an end.
func (e *RetryEnd) UnmarshalText(b []byte) error { return decodeWord(e, b, "retry.on", allRetryEnds) }

// Retries says whether a request is tried again after an end, while attempts are left.
func (p *RetryPolicy) Retries(end RetryEnd) bool {
	if p.OnFailure && end.byOnFailure() {
		return true
	}
	if len(p.On) == 0 {
		return end.byDefault()
	}
	return slices.Contains(p.On, end)
}

// Equal says whether two policies are stored alike.
func (p RetryPolicy) Equal(o RetryPolicy) bool {
	return p.MaxAttempts == o.MaxAttempts && p.OnFailure == o.OnFailure && slices.Equal(p.On, o.On) && p.BackoffMS == o.BackoffMS
}

// normalize leaves one way to say each set of ends, so that equal requests have equal
// digests: where on_failure or its absence says it, that. Unknown words are left for
// validate to refuse.
func (p RetryPolicy) normalize() RetryPolicy {
	setDefault(&p.MaxAttempts, DefaultMaxAttempts)
	setDefault(&p.BackoffMS, DefaultBackoffMS)
	if len(p.On) == 0 || slices.ContainsFunc(p.On, RetryEnd.unknown) {
		return p
	}
	on := slices.DeleteFunc(slices.Clone(allRetryEnds), func(end RetryEnd) bool { return !p.Retries(end) })
	switch {
	case len(on) == len(allRetryEnds):
		p.OnFailure, p.On = true, nil
	case !slices.ContainsFunc(allRetryEnds, func(end RetryEnd) bool { return end.byDefault() != slices.Contains(on, end) }):
		p.OnFailure, p.On = false, nil
	default:
		p.OnFailure, p.On = false, on
	}
	return p
}

func (e RetryEnd) unknown() bool { return !slices.Contains(allRetryEnds, e) }

const retryEndsBound = "failure, lost, start_failed, oom"

// validate checks the bounds of a normalized policy.
func (p RetryPolicy) validate() error {
	if err := checkRange("retry.max_attempts", p.MaxAttempts, 1, MaxAttempts); err != nil {
		return err
	}
	if err := checkRange("retry.backoff_ms", p.BackoffMS, 1, MaxBackoffMS); err != nil {
		return err
	}
	for i, end := range p.On {
		if end.unknown() {
			return &FieldError{Field: fmt.Sprintf("retry.on[%d]", i), Value: clip(string(end)), Problem: "is unknown", Bound: retryEndsBound}
		}
	}
	return nil
}
