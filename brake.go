package berth

import "time"

// BrakePolicy says when the loss of many workers of a pool at once holds up the
// moving of what may still run on them. Zero fields mean the defaults. A number of
// workers above the pool's size switches the brake off.
type BrakePolicy struct {
	Percent  int64 `json:"brake_percent,omitempty"`   // of the pool's workers
	Workers  int64 `json:"brake_workers,omitempty"`   // and at least so many
	WindowMS int64 `json:"brake_window_ms,omitempty"` // lost within so long of each other
	BoundMS  int64 `json:"brake_bound_ms,omitempty"`  // then it releases by itself
}

// DefaultBrake is the policy of a pool that says nothing. Two racks of five in a
// pool may die without it; a switch above a third of the pool may not.
var DefaultBrake = BrakePolicy{Percent: 34, Workers: 3, WindowMS: 30_000, BoundMS: 300_000}

// Bounds of a BrakePolicy.
const (
	MaxBrakeWorkers  = 1_000_000
	MinBrakeMS       = 1_000
	MaxBrakeWindowMS = 3600 * 1000
	MaxBrakeBoundMS  = 7 * 24 * 3600 * 1000
)

// Over is the policy p where it says something, and q elsewhere.
func (p BrakePolicy) Over(q BrakePolicy) BrakePolicy {
	return BrakePolicy{
		Percent: firstSet(p.Percent, q.Percent), Workers: firstSet(p.Workers, q.Workers),
		WindowMS: firstSet(p.WindowMS, q.WindowMS), BoundMS: firstSet(p.BoundMS, q.BoundMS),
	}
}

func firstSet(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

// Validate checks the fields that are set.
func (p BrakePolicy) Validate() error {
	for _, f := range []struct {
		name         string
		v, low, high int64
	}{
		{"brake_percent", p.Percent, 1, 100},
		{"brake_workers", p.Workers, 1, MaxBrakeWorkers},
		{"brake_window_ms", p.WindowMS, MinBrakeMS, MaxBrakeWindowMS},
		{"brake_bound_ms", p.BoundMS, MinBrakeMS, MaxBrakeBoundMS},
	} {
		if f.v == 0 {
			continue
		}
		if err := checkRange(f.name, f.v, f.low, f.high); err != nil {
			return err
		}
	}
	return nil
}

// Need is how many workers of a pool of size must be lost for the brake.
func (p BrakePolicy) Need(size int) int {
	p = p.Over(DefaultBrake)
	return max(int(p.Workers), (size*int(p.Percent)+99)/100)
}

// Window is how far apart losses count as one.
func (p BrakePolicy) Window() time.Duration {
	return time.Duration(p.Over(DefaultBrake).WindowMS) * time.Millisecond
}

// Bound is how long the brake holds.
func (p BrakePolicy) Bound() time.Duration {
	return time.Duration(p.Over(DefaultBrake).BoundMS) * time.Millisecond
}

// BrakeState is whether a brake holds.
type BrakeState string

// A released brake stays in the store until nothing of its loss is left, so that
// every daemon knows that this loss is not to be braked again.
const (
	BrakeEngaged  BrakeState = "engaged"
	BrakeReleased BrakeState = "released"
)

// UnmarshalText rejects every word that is not a state.
func (s *BrakeState) UnmarshalText(b []byte) error {
	return decodeWord(s, b, "brake state", []BrakeState{BrakeEngaged, BrakeReleased})
}

// BrakeRelease is why a brake was released.
type BrakeRelease string

// Its bound passed, an operator said so, or enough workers came back.
const (
	ReleaseBound     BrakeRelease = "bound"
	ReleaseOperator  BrakeRelease = "operator"
	ReleaseRecovered BrakeRelease = "recovered"
)

// UnmarshalText rejects every word that is not a reason.
func (s *BrakeRelease) UnmarshalText(b []byte) error {
	return decodeWord(s, b, "brake release", []BrakeRelease{ReleaseBound, ReleaseOperator, ReleaseRecovered})
}

// Brake is one mass loss of a pool, under brakes/<p>: what may still run on lost
// workers is not moved while it is engaged.
type Brake struct {
	Header
	State   BrakeState   `json:"state"`
	Why     BrakeRelease `json:"why,omitempty"` // released only
	Size    int64        `json:"size"`          // of the pool before the loss
	Lost    int64        `json:"lost"`          // of them missing, when this was written
	Held    int64        `json:"held"`          // containers on them that may run, when this was written
	Since   time.Time    `json:"since"`         // it engaged
	At      time.Time    `json:"at"`            // this was written
	BoundMS int64        `json:"bound_ms"`      // from when a daemon sees this
	Message string       `json:"message,omitempty"`
}

// Check is an operator's word on a brake, checked.
func (b *Brake) Check() error {
	if err := checkRange("for_ms", b.BoundMS, MinBrakeMS, MaxBrakeBoundMS); err != nil {
		return err
	}
	return CheckMessage("message", b.Message)
}
