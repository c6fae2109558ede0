package rules

import (
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// A purge deletes what was seen: the record of a later request of the same id stays.
func TestPurge_AsItWasSeen(t *testing.T) {
	bubble(t, func(r *rig) {
		var items []etcdstore.PurgeItem
		for _, id := range []string{"a", "b", "c"} {
			r.ended(id)
			items = append(items, etcdstore.PurgeItem{ID: berth.RequestID(id), Mod: r.mod("archive/" + id)})
		}
		r.remove("archive/b") // by another daemon, and then submitted and ended again
		r.ended("b")
		n, err := r.PurgeArchive(r.t.Context(), items)
		r.ok(err)
		if n != 2 {
			r.t.Errorf("%d purged, want 2", n)
		}
		for id, want := range map[string]bool{"a": false, "b": true, "c": false} {
			if there := r.kv("archive/"+id) != nil; there != want {
				r.t.Errorf("archive/%s is there: %v, want %v", id, there, want)
			}
		}
	})
}

// What was purged while the watch had a gap is not known any more: submitted again,
// it is accepted anew, and in the store.
func TestDaemon_PurgedInTheGap(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ended("r")
		d, stop := r.daemon()
		r.conn.hear(func(w *pb.WatchResponse) { // the gap: these events are gone
			if len(w.Events) > 0 {
				w.Events, w.Canceled, w.CompactRevision = nil, true, r.newest()
			}
		})
		r.remove("archive/r")
		synctest.Wait()
		r.conn.hear(nil)
		wait(r, 5)
		r.run(d, "r", nil)
		if r.kv("requests/r") == nil {
			r.t.Error("accepted, and nothing of it is in the store")
		}
		stop()
	})
}
