package rules

import (
	"testing"
	"time"
)

// What waits for a worker for longer than a block is kept that nobody uses is placed when its turn has come, though its
// tenant has a quota and the others that wait have none.
func TestQuota_TurnAfterLongWait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		daemons int
		limited bool
	}{
		{"no quota", 1, false},
		{"a quota", 1, true},
		{"a quota, three daemons", 3, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.several(tt.daemons)
				defer stop()
				if tt.limited {
					r.limit(ds[0], "a", 300)
				}
				all := ids("x", 6)
				for _, id := range all {
					r.run(ds[0], id, some("x", 800))
				}
				r.run(ds[0], "a0", some("a", 300))
				for ends := range 3 { // the first of x may have been placed when a0 came
					r.passes(30 * time.Second)
					if r.located("a0") == 1 {
						return
					}
					for _, id := range all {
						if r.kv("allocations/w/"+id) != nil {
							r.ends("w", id)
							break
						}
					}
					t.Logf("after %d ends of the other tenant's: a0 waits for %v", ends, r.state(ds[0], "a0").Verdict)
				}
				t.Error("a0 waits though it had its turn")
			})
		})
	}
}
