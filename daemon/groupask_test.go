package daemon

import (
	"testing"

	"github.com/berthd/berth"
)

// Of a group that ends nobody counts how its members do: those that are gone are not told to
// have succeeded.
func TestGroupStatus_Ending(t *testing.T) {
	facts := groupFacts(3, 3, func(int) bool { return false })
	for i, f := range facts {
		if f.Key.ID == "g.0" { // it has ended
			facts[i].Record = nil
		}
	}
	for state, want := range map[berth.GroupState]int64{berth.GroupPlaced: 1, berth.GroupEnding: 0} {
		for i, f := range facts {
			if g, ok := f.Record.(*berth.Group); ok {
				next := *g
				next.State = state
				facts[i].Record = &next
			}
		}
		if s, ok := loopWith(t, facts...).groupStatus("g", false); !ok || len(s.Members) != 2 || s.Succeeded != want {
			t.Errorf("%s: %+v, want %d that succeeded", state, s, want)
		}
	}
}
