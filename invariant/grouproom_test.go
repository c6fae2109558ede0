package invariant

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Who makes room for a group is told so by the revision that keeps its worker for it.
func TestStep_RoomForAGroup(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(store)
		want []string
	}{
		{"of higher priority", func(store) {}, nil},
		{"that matters as much", func(s store) { s.set("requests/h.0", "spec.priority", 0) }, []string{"2.14"}},
		{"that is kept another worker", func(s store) {
			s.set("keeps/batch", "workers", []any{object{"worker": "w2", "share": object{"cpu_milli": 100}}})
		}, []string{"2.14"}},
		{"that is kept it, and not for that", func(s store) { s.set("keeps/batch", "made_room_at", nil) }, []string{"2.14"}},
		{"that was kept it before", func(s store) { s["keeps/batch"].mod = 90 }, []string{"2.14"}},
		{"in another pool", func(s store) {
			s["keeps/default"] = s["keeps/batch"]
			delete(s, "keeps/batch")
		}, []string{"2.14"}},
		{"by a group that stays", func(s store) {
			s.set("allocations/w1/r1", "stop", nil)
			s.set("allocations/w2/g1", "stop", object{"reason": "preempt", "deadline": day})
			s.rewrite("allocations/w2/g1")
			s.add("keeps/default", 101, 101, 0, object{"group": "h", "since": day, "chosen": day, "made_room_at": day, "workers": []any{object{"worker": "w2", "share": object{"cpu_milli": 100}}}})
		}, []string{"2.15"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := healthy(), healthy()
			spec := someSpec("h.0")
			spec["pool"], spec["priority"], spec["group"] = "batch", 9, object{"id": "h", "size": 1, "min_count": 1}
			for _, s := range []store{before, after} {
				s.addRequest("h.0", 60, spec)
				s.add("groups/h", 60, 60, 0, object{"size": 1, "min_count": 1, "digest": "x", "attempt": 1, "state": "PENDING", "since": day})
			}
			after.set("allocations/w1/r1", "stop", object{"reason": "preempt", "deadline": day})
			after.rewrite("allocations/w1/r1")
			after.add("keeps/batch", 101, 101, 0, object{
				"group": "h", "since": day, "chosen": day, "made_room_at": day, "workers": []any{object{"worker": "w1", "share": object{"cpu_milli": 100}}},
			})
			tt.do(after)
			after.set("requests/h.0", "digest", digestOfSpec(after["requests/h.0"].value["spec"].(object))) //nolint:errcheck // it is one
			before["requests/h.0"].value = after["requests/h.0"].value
			st := loaded(before)
			found := st.Step(101, eventsTo(before, after))
			if got := clausesIn(found); !slices.Equal(got, tt.want) {
				t.Errorf("%s\n%v", cmp.Diff(tt.want, got), found)
			}
		})
	}
}
