package daemon

import (
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// The workers to avoid stand in the order in which they last failed: the one that
// stands first is the next to be tried where all are avoided.
func TestNext_AvoidsInOrder(t *testing.T) {
	full := []berth.WorkerID{"a", "b", "c", "d", "e", "f", "g", "h"}
	tests := []struct {
		name string
		was  []berth.WorkerID
		on   berth.WorkerID
		want []berth.WorkerID
	}{
		{"the first", nil, "a", []berth.WorkerID{"a"}},
		{"another", []berth.WorkerID{"a"}, "b", []berth.WorkerID{"a", "b"}},
		{"the same again", []berth.WorkerID{"a", "b"}, "b", []berth.WorkerID{"a", "b"}},
		{"an earlier one again", []berth.WorkerID{"a", "b"}, "a", []berth.WorkerID{"b", "a"}},
		{"one too many", full, "i", append(slices.Clone(full[1:]), "i")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := ending{
				worker: tt.on, allocation: &berth.Allocation{Attempt: 1}, progress: &berth.Progress{Avoid: tt.was},
				submission: &berth.Submission{},
			}
			if got := e.next(verdict{state: berth.StatePending, avoid: true}).Avoid; !slices.Equal(got, tt.want) {
				t.Errorf("avoids %v, want %v", got, tt.want)
			}
		})
	}
}
