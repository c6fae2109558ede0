package berth

// Preemption says whether others may have to make room for a request.
type Preemption string

// The choices. Never is the default, and is stored as nothing.
const (
	PreemptionNever Preemption = "never" // it waits for room
	PreemptionLower Preemption = "lower" // where it fits nowhere, requests of lower priority are stopped for it
)

// Vain is why nobody makes room for a request for which others may have to: the Detail of a ReasonPreemption.
type Vain string

// The reasons.
const (
	VainPriority Vain = "priority" // whose end would make room has its priority, or a higher one
	VainLate     Vain = "late"     // they would have ended only after its pending limit
	VainFirst    Vain = "first"    // it made room itself, and is to run before others do so for it
	VainBrake    Vain = "brake"    // many workers of the pool are lost: what may still run is left alone
	VainKeptOff  Vain = "kept_off" // it is on workers that are kept for a group that waits
	VainClaimed  Vain = "claimed"  // others make room for one of lower priority already, which is placed before they do for it
	VainRoom     Vain = "room"     // no end of others would make room for it
	VainKept     Vain = "kept"     // of a group: something is kept in its pool for another that matters as much, and one at a time has others make room
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
