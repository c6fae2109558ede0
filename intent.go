package berth

import (
	"strconv"
	"time"
)

// Intent is what an operator wants of a worker, under intents/<w>.
type Intent struct {
	Header
	Cordon  bool      `json:"cordon"`           // nothing new is placed
	Drain   bool      `json:"drain,omitempty"`  // and what runs is stopped, to run elsewhere
	Remove  bool      `json:"remove,omitempty"` // and, once it is empty and its agent gone, the worker is forgotten
	Dead    bool      `json:"dead,omitempty"`   // with Remove: nothing of it runs any more, by the operator's word
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
	Taints  []Taint   `json:"taints,omitempty"` // beside those that the worker registers with; they stay when it is freed

	// Of a worker that is emptied. Without a pace and a deadline all stop at once;
	// with a deadline alone, nothing is stopped before it.
	Parallel  int64     `json:"parallel,omitempty"`   // so many are stopping at once, at most; 0: any number
	PerMinute int64     `json:"per_minute,omitempty"` // so many stops are begun a minute, at most; 0: any number
	Deadline  time.Time `json:"deadline,omitzero"`    // what still runs is stopped then in any case

	BegunWith  int64     `json:"begun_with,omitempty"`  // allocations that were there when it began
	LastStopAt time.Time `json:"last_stop_at,omitzero"` // when the pace let the last one stop
}

// Empties says whether the worker is to be emptied.
func (i Intent) Empties() bool { return i.Drain || i.Remove }

// Standing is what stays of an intent when the worker is freed; nil: nothing.
func (i *Intent) Standing() *Intent {
	if i == nil || len(i.Taints) == 0 {
		return nil
	}
	return &Intent{At: i.At, Taints: i.Taints}
}

// Paced says whether stops are bounded in number or rate.
func (i Intent) Paced() bool { return i.Parallel > 0 || i.PerMinute > 0 }

// Validate checks the bounds of what an operator hands in; until is the deadline
// as a duration, 0 for none.
func (i Intent) Validate(until time.Duration) error {
	if err := CheckMessage("message", i.Message); err != nil {
		return err
	}
	if err := checkRange("parallel", i.Parallel, 0, MaxDrainParallel); err != nil {
		return err
	}
	if err := checkRange("per_minute", i.PerMinute, 0, MaxDrainPerMinute); err != nil {
		return err
	}
	if err := checkRange("deadline_ms", until.Milliseconds(), 0, MaxDurationMS); err != nil {
		return err
	}
	for _, f := range []struct {
		field string
		n     int64
	}{{"parallel", i.Parallel}, {"per_minute", i.PerMinute}, {"deadline_ms", until.Milliseconds()}} {
		if f.n > 0 && !i.Empties() {
			return &FieldError{Field: f.field, Value: strconv.FormatInt(f.n, 10), Problem: "is given", Bound: "only with drain or remove"}
		}
	}
	if i.Dead && !i.Remove {
		return &FieldError{Field: "dead", Problem: "is given", Bound: "only with remove"}
	}
	return nil
}
