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
	case "", PreemptionNever:
		return nil
	case PreemptionLower:
		if r.Group != nil {
			return &FieldError{Field: "preemption", Value: string(r.Preemption), Problem: "does not go with group", Bound: "never: a group waits for room"}
		}
		return nil
	}
	return &FieldError{Field: "preemption", Value: clip(string(r.Preemption)), Problem: "is unknown", Bound: "never, lower"}
}
