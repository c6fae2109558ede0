package daemon

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func TestPlaceAmong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfDistinct(rapid.StringMatching(`[a-c]{1,3}`), rapid.ID[string]).Draw(t, "ids")
		slices.Sort(ids)
		var sorted []*life
		for _, id := range ids {
			sorted = append(sorted, &life{id: berth.RequestID(id)})
		}
		x := &life{id: berth.RequestID(rapid.StringMatching(`[a-d]{1,3}`).Draw(t, "x"))}
		want, _ := slices.BinarySearchFunc(sorted, x, compareLives)
		if got := placeAmong(sorted, x); got != want {
			t.Fatalf("%s stands at %d of %v, want %d", x.id, got, ids, want)
		}
	})
}
