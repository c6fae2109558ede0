package rules

import (
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
)

// What an answer has told before the watch had a gap is known after the reload: the
// reload tells of it, too, and what it does not tell of is gone.
func TestDaemon_AnsweredBeforeTheGap(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		wait(r, 1)
		r.conn.hear(func(w *pb.WatchResponse) { // the gap: these events are gone
			if len(w.Events) > 0 {
				w.Events, w.Canceled, w.CompactRevision = nil, true, r.newest()
			}
		})
		r.run(d, "r", nil)
		_, err := r.client.Put(r.t.Context(), "/none-of-ours", "x") // the reload is of a later revision
		r.ok(err)
		synctest.Wait()
		r.conn.hear(nil)
		wait(r, 5)
		if info, err := d.Info(r.t.Context()); err != nil || info.Requests != 1 {
			r.t.Errorf("after the gap: %d requests, %v, want 1", info.Requests, err)
		}
		r.runs("w", "r")
		r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		wait(r, 5)
		if r.kv("archive/r") == nil {
			r.t.Error("its end was not written: it is not known any more")
		}
		kill()
		stop()
	})
}
