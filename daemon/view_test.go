package daemon

import (
	"testing"

	"github.com/berthd/berth"
)

// An answer that comes after the watch has passed the key's deletion brings
// nothing back: the tombstone is gone by then.
func TestView_LateAnswer(t *testing.T) {
	t.Parallel()
	v := newView()
	placed := berth.Fact{Key: allocationKey("w", "r"), Record: &berth.Allocation{}, Create: 5, Mod: 5}
	v.passed(4)
	v.apply(&placed)
	v.passed(5)
	v.apply(&berth.Fact{Key: placed.Key, Mod: 7}) // deleted
	v.passed(7)
	if _, changed := v.apply(&placed); changed {
		t.Error("a fact of revision 5 was taken at revision 7")
	}
	if w, a, _ := v.allocationOf("r"); a != nil {
		t.Errorf("the allocation is there again, on %s", w)
	}
	again := berth.Fact{Key: placed.Key, Record: &berth.Allocation{}, Create: 8, Mod: 8}
	if _, changed := v.apply(&again); !changed {
		t.Error("a newer fact was not taken")
	}
}
