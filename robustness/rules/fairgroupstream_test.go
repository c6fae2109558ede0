package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Groups of one tenant and single requests of another, of which some always wait, come to hold what is theirs by their weights.
func TestFair_GroupsBesideSingles(t *testing.T) {
	for _, size := range []int64{1, 2} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, func(r *rig) {
				for _, w := range []berth.WorkerID{"u", "v", "w"} {
					r.lives(w)
				}
				d, stop := r.daemon()
				defer stop()
				_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Weight: 3, Pool: "default"})
				r.ok(err)
				type one struct {
					id string
					of berth.TenantID
					at time.Time
				}
				var there []one
				next := 0
				submit := func(of berth.TenantID) {
					next++
					id := fmt.Sprintf("%s%04d", of, next)
					if of == "b" {
						r.run(d, id, func(q *berth.Request) { some(of, 250)(q) })
						there = append(there, one{id: id, of: of})
						return
					}
					g := r.group(id, size, size)
					g.Tenant, g.Resources.CPUMilli = of, 250
					r.submitGroup(d, g)
					for i := range size {
						there = append(there, one{id: fmt.Sprintf("%s.%d", id, i), of: of})
					}
				}
				for range 30 {
					submit("b")
					submit("a")
				}
				held := map[berth.TenantID]int{}
				for step := range 400 {
					r.passes(100 * time.Millisecond)
					now := time.Now()
					rest, on := there[:0], map[string]string{}
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						on[id] = w
					}
					ended := map[berth.TenantID]int{}
					for _, x := range there {
						if w := on[x.id]; w != "" {
							if x.at.IsZero() {
								x.at = now
								r.runs(w, x.id)
							}
							if step >= 100 {
								held[x.of]++
							}
							if now.Sub(x.at) >= 2*time.Second {
								r.reported(w, x.id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: now.UTC()})
								ended[x.of]++
								continue
							}
						}
						rest = append(rest, x)
					}
					there = rest
					for range ended["b"] {
						submit("b")
					}
					for range ended["a"] / int(size) {
						submit("a")
					}
				}
				if a, b := float64(held["a"])/300, float64(held["b"])/300; b > 4.5 || a+b < 11.5 {
					t.Errorf("groups of %d hold %.2f of 12 on average, single requests of a third of the weight %.2f", size, a, b)
				}
			})
		})
	}
}
