package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What has failed, or was on a worker that is lost, has its quota again when its backoff is over: nothing of its tenant's that comes
// behind it has that meanwhile, nor does another tenant borrow it.
func TestQuota_KeptInABackoff(t *testing.T) {
	for _, tt := range []struct {
		name     string
		lost     bool
		backoff  int64 // ms
		waits    berth.TenantID
		priority int32 // of what waits
		want     bool
	}{
		{"failed", false, 100, "b", 0, true},
		{"failed, the longest", false, 1000, "b", 0, true},
		{"failed, too long", false, 5000, "b", 0, false},
		{"failed, younger", false, 100, "b", 5, true},
		{"failed, higher", false, 100, "b", 9, false},
		{"lost", true, 100, "b", 0, true},
		{"failed, a borrower waits", false, 100, "a", 9, true},
	} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					if r.limit(ds[0], "b", 4000); tt.waits == "a" {
						r.guarantee(ds[0], "b", 6000, 4000)
						r.guarantee(ds[0], "a", 6000, 0)
					}
					kills := make(map[string]func())
					for i := range 8 {
						w := fmt.Sprint("w", i)
						_, kills[w] = r.lives(berth.WorkerID(w))
					}
					r.runAll(ds, "x", 4, func(q *berth.Request) {
						sizedOf("b", 1000, 5)(q)
						q.Retry = berth.RetryPolicy{MaxAttempts: 3, OnFailure: true, BackoffMS: tt.backoff}
					})
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
					r.runAll(ds, "l", 6, sizedOf(tt.waits, 1000, tt.priority))
					r.passes(3 * time.Second)
					for _, k := range r.held()[:3] {
						w, id, _ := strings.Cut(k, "/")
						if tt.lost {
							kills[w]()
							delete(kills, w)
							r.passes(3 * time.Minute)
						} else {
							r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
							r.passes(8 * time.Second)
						}
						if h := r.heldOf(); (h["x"] == 4) != tt.want || (h["l"] == 0) != tt.want {
							t.Errorf("held %v, that %s has its quota again is %t", r.held(), id, h["x"] == 4)
						}
					}
					stop()
					for _, kill := range kills {
						kill()
					}
					checked()
				})
			})
		}
	}
}
