package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What asks for more of its tenant's quota in one piece than the others do is placed, though higher priorities of the same tenant come and go: whatever
// takes most of the quota, and waits for a moment each time, before those do that come after it. Once its quota is gathered that goes on meanwhile.
func TestGathering_HigherComeAndGo(t *testing.T) {
	for _, group := range []bool{false, true} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%d daemons, group %t", n, group), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					var kills []func()
					for _, w := range []berth.WorkerID{"w", "v"} {
						_, kill := r.lives(w)
						kills = append(kills, kill)
					}
					r.limit(ds[0], "a", 400)
					began, runs := make(map[string]int), map[string]int{"h": 14, "l": 12, "x": 5}
					small, behind := 0, 0
					add := func(name string, priority int32, each int64) {
						r.run(ds[small%n], fmt.Sprintf("%s%04d", name, small), func(q *berth.Request) {
							some("a", each)(q)
							q.Priority = priority
						})
						small++
					}
					placed := func() bool { return r.located("large", "large.0", "large.1") > 0 }
					tick, stood := 0, false
					for ; tick < 900 && !placed(); tick++ {
						if tick%5 == 0 { // a tenth of a second each: 2.8 of the 4, on average
							add("h", 5, 100)
						}
						if tick%150 == 70 { // it waits for some ends
							add("x", 5, 200)
						}
						held := r.held()
						waiting := r.heldOf()["l"]
						for _, k := range held {
							w, id, _ := strings.Cut(k, "/")
							if _, known := began[id]; !known {
								began[id] = tick
							}
							if tick-began[id] >= runs[id[:1]] && runs[id[:1]] > 0 {
								r.ends(w, id)
							}
						}
						if waiting = behind - waiting - r.exited("l"); waiting < 3 {
							add("l", 0, 100)
							behind++
						}
						if tick == 30 {
							r.run(ds[0], "large", func(q *berth.Request) {
								some("a", 200)(q)
								if group {
									q.Resources.CPUMilli = 100
									q.Group = &berth.Membership{Size: 2, MinCount: 2}
									*q = q.Normalize()
								}
							})
						}
						r.passes(100 * time.Millisecond)
						stands := false
						for _, g := range r.gathers() {
							stands = stands || g.Request == "large" || g.Group == "large"
						}
						if stood && !stands && !placed() {
							t.Errorf("after %d ticks quota is gathered no more: %s", tick, r.record("a"))
						}
						stood = stands
					}
					if !placed() {
						t.Errorf("it waits after a minute and a half: %s", r.record("a"))
					}
					for _, kill := range kills {
						kill()
					}
					stop()
					checked()
				})
			})
		}
	}
}
