package rules

import (
	"encoding/json"
	"fmt"
	"slices"
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
		together bool // one daemon plans all that may fail, and the clocks of others are ahead
		zone     bool // their records tell times of another zone: daemons keep those whole
	}{
		{"failed", false, 100, "b", 0, true, false, false},
		{"failed, of another zone", false, 100, "b", 0, true, false, true},
		{"failed, the longest", false, 1000, "b", 0, true, false, false},
		{"failed, too long", false, 5000, "b", 0, false, false, false},
		{"failed, younger", false, 100, "b", 5, true, false, false},
		{"failed, younger, all of one daemon", false, 100, "b", 5, true, true, false},
		{"failed, higher", false, 100, "b", 9, false, false, false},
		{"lost", true, 100, "b", 0, true, false, false},
		{"failed, a borrower waits", false, 100, "a", 9, true, false, false},
	} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := func() {}
					if !tt.zone { // a record that is written again breaks a rule by itself
						checked = r.checked()
					}
					skews := make([]time.Duration, n)
					if tt.together {
						for i := range skews {
							skews[i] = 20 * time.Duration(i) * time.Millisecond
						}
					}
					ds, stop := r.apart(skews...)
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
						if sizedOf("b", 1000, 5)(q); tt.together {
							q.AffinityKey = "x"
						}
						q.Retry = berth.RetryPolicy{MaxAttempts: 6, OnFailure: true, BackoffMS: tt.backoff}
					})
					for i := range 4 {
						if id := fmt.Sprint("x", i); tt.zone {
							r.ofAnotherZone(id)
						}
					}
					r.runAll(ds, "l", 6, sizedOf(tt.waits, 1000, tt.priority))
					r.passes(3 * time.Second)
					times := 3
					if tt.together {
						times = 16
					}
					for i := range times {
						id := fmt.Sprint("x", i%4)
						w, _, _ := strings.Cut(r.held()[slices.IndexFunc(r.held(), func(k string) bool { return strings.HasSuffix(k, id) })], "/")
						r.runs(w, id)
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
							break
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

// ofAnotherZone has a request's record tell the same time as a clock an hour ahead does.
func (r *rig) ofAnotherZone(id string) {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/berth/requests/"+id)
	r.ok(err)
	var record map[string]json.RawMessage
	r.ok(json.Unmarshal(resp.Kvs[0].Value, &record))
	var at time.Time
	r.ok(json.Unmarshal(record["submitted_at"], &at))
	record["submitted_at"], err = json.Marshal(at.In(time.FixedZone("", 3600)))
	r.ok(err)
	value, err := json.Marshal(record)
	r.ok(err)
	r.put("requests/"+id, string(value))
}
