package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// After a restore nothing is placed, neither what waits nor what is submitted then,
// which may run though the backup does not know of it: until the hold has passed by the
// daemon's own clock, whatever that of whoever restored says.
func TestDaemon_HoldAfterRestore(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"right": 0, "an hour behind": -time.Hour, "an hour ahead": time.Hour} {
		bubbleSub(t, name, func(r *rig) {
			waits := r.submission("waits")
			waits.Spec.StartTimeoutMS = 600_000
			r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: waits}}})
			r.put("schema", fmt.Sprintf(`{"version":1,"txn":"x-1","layout":1,"restored":{"at":%q,"hold_ms":60000}}`,
				time.Now().Add(wrong).UTC().Format(time.RFC3339)))
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
			_, kill := r.lives("w")
			r.run(d, "new", func(s *berth.Request) { s.StartTimeoutMS = 600_000 })
			placed := func() (n int) {
				for _, id := range []string{"waits", "new"} {
					if a, _ := r.allocation("w", id); a != nil {
						n++
					}
				}
				return n
			}
			wait(r, 58)
			if n := placed(); n != 0 {
				r.t.Errorf("%d placed during the hold", n)
			}
			wait(r, 4)
			if n := placed(); n != 2 {
				r.t.Errorf("%d placed after the hold, want 2", n)
			}
			kill()
			stop()
		})
	}
}
