package rules

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// A hold that follows an earlier one of its group within a second has its own second.
func TestHold_AgainWithinASecond(t *testing.T) {
	bubble(t, func(r *rig) {
		const hold = `{"version":1,"txn":"t","workers":["w"]}`
		r.worker("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.put("holds/other", hold)
		<-time.After(500 * time.Millisecond)
		r.remove("holds/other")
		<-time.After(300 * time.Millisecond)
		r.put("holds/other", hold)
		synctest.Wait()
		r.run(d, "r", nil)
		<-time.After(900 * time.Millisecond)
		synctest.Wait()
		if r.kv("allocations/w/r") != nil {
			t.Error("placed on a worker that is held")
		}
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if r.kv("allocations/w/r") == nil {
			t.Error("not placed when the second hold's time was over")
		}
		stop()
	})
}
