package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What is told to stop has its tenant's quota again only behind what waits for that and goes before it: that needs more than
// what comes free, and the rest, that nobody has taken, is there.
func TestQuota_StoppedGoesBehind(t *testing.T) {
	for _, tt := range []struct {
		name  string
		by    string // what stops it
		most  int64  // the quota
		first int64  // what goes first, each of its members
		group int64  // members; 0: it is alone
	}{
		{"drained", "drain", 2000, 2000, 0},
		{"drained, larger", "drain", 4000, 4000, 0},
		{"its worker removed", "remove", 2000, 2000, 0},
		{"preempted", "preempt", 2000, 2000, 0},
		{"drained, a group first", "drain", 2000, 1000, 2},
		{"preempted, a group first", "preempt", 2000, 1000, 2},
	} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.apart(make([]time.Duration, n)...)
					kills := []func(){r.livesOf("w0", 1000, 4<<30)}
					r.limit(ds[0], "b", tt.most)
					r.run(ds[0], "low", sizedOf("b", 500, 0))
					r.runs("w0", "low")
					for _, w := range []berth.WorkerID{"w1", "w2"} {
						kills = append(kills, r.livesOf(w, 4000, 1<<30))
					}
					if tt.group > 0 {
						g := r.whole("first", tt.group)
						sizedOf("b", tt.first, 10)(&g)
						g.StartTimeoutMS = 3_600_000
						r.submitGroup(ds[n-1], g)
					} else {
						r.run(ds[n-1], "first", sizedOf("b", tt.first, 10))
					}
					r.passes(1500 * time.Millisecond)
					if got := strings.Join(r.held(), " "); got != "w0/low" {
						t.Fatalf("held %v", got)
					}
					switch tt.by {
					case "drain":
						_, err := ds[0].SetIntent(r.t.Context(), "w0", daemon.Wish{Drain: true})
						r.ok(err)
					case "remove":
						_, err := ds[0].SetIntent(r.t.Context(), "w0", daemon.Wish{Remove: true})
						r.ok(err)
					case "preempt":
						r.run(ds[0], "other", func(q *berth.Request) {
							sizedOf("c", 1000, 10)(q)
							q.Resources.MemoryBytes, q.Preemption = 3<<30, berth.PreemptionLower // no other worker has so much
						})
					}
					r.passes(100 * time.Millisecond)
					r.reported("w0", "low", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 143, At: time.Now().UTC()})
					r.passes(3 * time.Second)
					first := 0
					for _, k := range r.held() {
						if strings.Contains(k, "/first") {
							first++
						}
						if strings.HasSuffix(k, "/low") {
							t.Errorf("held %v: what was stopped goes first", r.held())
						}
					}
					if first != int(max(tt.group, 1)) {
						t.Errorf("held %v", r.held())
					}
					stop()
					endAll(kills)
					checked()
				})
			})
		}
	}
}
