package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Who makes room for a request that has to be apart from it does not come back before that has its place, though there is room for both:
// it would have to make room again, for ever.
func TestPreempt_ApartFromVictims(t *testing.T) {
	k := berth.RequestLabel{Label: "app", Value: "k"}
	for name, tt := range map[string]struct {
		victims int
		wish    func(*berth.Request)
	}{
		"one":                 {1, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"one has not started": {3, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"two":                 {2, func(q *berth.Request) { q.AntiAffinity = near("k") }},
		"even": {2, func(q *berth.Request) {
			q.Labels, q.Spread = map[string]string{"app": "k"}, []berth.Spread{{Requests: k, Topology: berth.TopologyHost, MaxSkew: 1}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				d, stop := r.alone()
				defer stop()
				var ids []string
				for i := range tt.victims {
					ids = append(ids, fmt.Sprint("k", i))
					r.run(d, ids[i], func(q *berth.Request) {
						sized(100, 1)(q)
						q.Labels, q.StopTimeoutMS, q.StartTimeoutMS = map[string]string{"app": "k"}, 10_000, 3_600_000
					})
					if i < 2 {
						r.runs("w", ids[i])
					}
				}
				if name == "even" {
					r.lives("v") // none of them is there: one more on w would be too many
					r.run(d, "full", sized(1000, 500))
					r.runs("v", "full")
				}
				r.run(d, "now", func(q *berth.Request) {
					sized(100, 12)(q)
					q.Preemption, q.StartTimeoutMS = berth.PreemptionLower, 3_600_000
					tt.wish(q)
				})
				for i, id := range ids {
					r.passes(time.Duration(i) * 3 * time.Second)
					if a, _ := r.allocation("w", id); a == nil || a.Stop == nil || a.Stop.Reason != berth.StopPreempt {
						continue
					}
					r.exits("w", id)
					r.passes(200 * time.Millisecond)
				}
				if r.kv("allocations/w/now") == nil {
					t.Fatalf("it is not placed when the last has ended: %v", r.held())
				}
				r.passes(2 * time.Minute)
				for _, id := range ids {
					if s := r.state(d, id); s.Attempt > 2 {
						t.Errorf("%s had to make room again: attempt %d", id, s.Attempt)
					}
				}
				if r.are(ids...) != tt.victims {
					t.Errorf("they are not placed again: %v", r.held())
				}
			})
		})
	}
}
