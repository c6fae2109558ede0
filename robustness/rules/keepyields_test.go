package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Beside a stream of groups that need all workers, each submitted while the one before runs, an older request that waits alone has a place, of their tenant
// and priority, or of another tenant.
func TestKeep_OlderBesideStreamOfGroups(t *testing.T) {
	for _, tt := range []struct {
		ahead  int // groups that wait at a time
		tenant berth.TenantID
	}{{1, ""}, {2, ""}, {1, "b"}, {2, "b"}} {
		ahead := tt.ahead
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w0")
				r.lives("w1")
				d, stop := r.daemon()
				defer stop()
				n := 0
				submit := func() { r.submitGroup(d, r.whole(fmt.Sprint("g", n), 2)); n++ }
				submit()
				r.passes(time.Second)
				for _, m := range []string{"g0.0", "g0.1"} {
					for _, h := range r.held() {
						if w, id, _ := cutKey(h); id == m {
							r.runs(w, id)
						}
					}
				}
				r.run(d, "single", sizedOf(tt.tenant, 500, 0))
				r.passes(5 * time.Second)
				for range ahead {
					submit()
				}
				for round := range 8 {
					r.passes(5 * time.Second)
					// the group that runs ends
					g := ""
					for i := range n {
						if r.located(fmt.Sprintf("g%d.0", i), fmt.Sprintf("g%d.1", i)) == 2 {
							g = fmt.Sprint("g", i)
						}
					}
					if r.located("single") == 1 {
						return
					}
					if g == "" {
						continue
					}
					if round > 0 {
						for _, h := range r.held() {
							if w, id, _ := cutKey(h); id == g+".0" || id == g+".1" {
								r.runs(w, id)
							}
						}
					}
					endsAll(r, g+".0", g+".1")
					r.passes(100 * time.Millisecond)
					submit()
				}
				t.Errorf("the older one has no place beside %d groups", n)
			})
		})
	}
}

// What a group has given up for who goes first is kept for nobody for ten seconds, also where it waits alone.
func TestKeep_NothingIsKeptForSoLong(t *testing.T) {
	for _, more := range []bool{false, true} { // another group waits
		t.Run(fmt.Sprint(more), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				r.lives("v")
				r.run(d, "there", sized(1000, 0))
				r.runs("v", "there")
				_, err := d.SetIntent(r.t.Context(), "v", daemon.Wish{Cordon: true})
				r.ok(err)
				r.lives("w")
				r.run(d, "before", sized(1000, 0))
				r.runs("w", "before")
				g := r.group("g", 2, 2)
				g.Resources.CPUMilli = 500
				r.submitGroup(d, g)
				if more {
					g := r.group("h", 2, 2)
					g.Resources.CPUMilli = 400
					r.submitGroup(d, g)
				}
				r.passes(time.Second)
				r.run(d, "one", sizedOf("less", 500, 0))
				r.passes(3 * time.Second)
				if r.kept() == "" {
					t.Fatal("nothing is kept")
				}
				r.reported("w", "before", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
				for i := range 90 {
					r.passes(100 * time.Millisecond)
					if i > 2 && r.kept() != "" {
						t.Errorf("after %d ms %q is kept; held %v", (i+1)*100, r.kept(), r.held())
						break
					}
				}
			})
		})
	}
}

func sizedOf(t berth.TenantID, milli int64, priority int32) func(*berth.Request) {
	return func(q *berth.Request) { sized(milli, priority)(q); q.Tenant = t }
}

func endsAll(r *rig, keys ...string) {
	for _, k := range keys {
		for _, h := range r.held() {
			w, id, _ := cutKey(h)
			if id == k {
				r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
			}
		}
	}
}

func cutKey(h string) (w, id string, ok bool) {
	for i := range h {
		if h[i] == '/' {
			return h[:i], h[i+1:], true
		}
	}
	return "", "", false
}
