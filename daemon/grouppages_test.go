package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/berthd/berth"
)

// Pages of groups are whole, in order, and as long as asked for.
func TestGroups_Pages(t *testing.T) {
	d, _ := start(t)
	var want []berth.GroupID
	for i := range 7 {
		id := fmt.Sprintf("g%d", i)
		submitGroup(t, d, groupOf(id, 3, 0))
		want = append(want, berth.GroupID(id))
	}
	for _, limit := range []int{0, 1, 3, 7, 8} {
		var got []berth.GroupID
		for after, pages := berth.GroupID(""), 0; pages < 10; pages++ {
			page, next, err := d.Groups(t.Context(), after, limit)
			if err != nil || limit > 0 && len(page) > limit {
				t.Fatalf("a page of %d: %d groups, %v", limit, len(page), err)
			}
			for _, g := range page {
				got = append(got, g.ID)
			}
			if after = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by pages of %d: %v, want %v", limit, got, want)
		}
	}
	if _, _, err := d.Groups(t.Context(), "", 10_001); err == nil {
		t.Error("a page of any length")
	} else if _, ok := errors.AsType[*berth.FieldError](err); !ok {
		t.Error(err)
	}
}
