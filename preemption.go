package berth

// Preemption says whether others may have to make room for a request.
type Preemption string

// The choices. Never is the default, and is stored as nothing.
const (
	PreemptionNever Preemption = "never" // it waits for room
	PreemptionLower Preemption = "lower" // where it fits nowhere, requests of lower priority are stopped for it
)

// UnmarshalText rejects every word that is not a choice.
func (p *Preemption) UnmarshalText(b []byte) error {
	return decodeWord(p, b, "preemption", []Preemption{PreemptionNever, PreemptionLower})
}

func (r Request) validatePreemption() error {
	switch r.Preemption {
	case "", PreemptionNever, PreemptionLower:
		return nil
	}
	return &FieldError{Field: "preemption", Value: clip(string(r.Preemption)), Problem: "is unknown", Bound: "never, lower"}
}
