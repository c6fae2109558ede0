package rules

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Of a quota that has enough for all each daemon takes more at a time where it takes again and again: that costs few transactions, however many daemons place.
func TestQuota_TakenAhead(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n, " daemons"), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(n)
				for i := range 40 {
					r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
				}
				r.limit(ds[0], "b", 1_000_000)
				before := r.kv("tenants/b").Version
				var all sync.WaitGroup
				for i := range 400 {
					q := r.submission(fmt.Sprint("r", i)).Spec
					sizedOf("b", 100, 0)(&q)
					q.StartTimeoutMS = 3_600_000
					all.Go(func() {
						res, err := ds[i%n].Submit(r.t.Context(), []berth.Request{q})
						if r.ok(err); len(res) == 1 {
							r.ok(res[0].Err)
						}
					})
				}
				all.Wait()
				r.passes(2 * time.Second)
				if of := r.heldOf(); of["r"] != 400 {
					t.Errorf("%d are placed", of["r"])
				}
				if takes := r.kv("tenants/b").Version - before; takes > int64(20*n) {
					t.Errorf("the quota was changed %d times", takes)
				}
				stop()
				checked()
			})
		})
	}
}
