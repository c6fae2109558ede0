package rules

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// Revisions that stay of a store's history however old they are, and of one that is 40 % full.
const (
	keptAlways  = 10_000
	keptPressed = 1_000
)

// changes is so many revisions of so many bytes each.
func (r *rig) changes(revisions, bytes int) {
	r.t.Helper()
	value := string(make([]byte, bytes))
	for range revisions {
		_, err := r.client.Put(r.t.Context(), "/berth/noise", value)
		r.ok(err)
	}
	r.passes(time.Millisecond)
}

// placedAt places a request and gives the revision of that.
func (r *rig) placedAt(d *daemon.Daemon, id string) berth.Revision {
	r.t.Helper()
	r.run(d, id, sized(1, 0))
	got, err := d.Replay(r.t.Context(), berth.RequestID(id), 0)
	r.ok(err)
	if got.Outcome != daemon.ReplaySame {
		r.t.Fatalf("%s, replayed: %s, %s", id, got.Outcome, got.Why)
	}
	return got.Revision
}

// wantHistory demands that the store tells of a revision still, or not any more.
func (r *rig) wantHistory(when string, rev berth.Revision, want bool) {
	r.t.Helper()
	got, err := r.Tells(r.t.Context(), rev)
	r.ok(err)
	if got != want {
		oldest, err := r.Oldest(r.t.Context())
		r.t.Errorf("%s: that history tells of revision %d is %t, want %t; it reaches back to %d (%v), and the store is at %d",
			when, rev, got, want, oldest, err, r.revision())
	}
}

// History stays until it is known to be too old, also by the clocks of placements of before a
// daemon started; the latest revisions stay however old they are.
func TestHistory_ByAge(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts=%t", restarts), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")()
				opts := daemon.Options{ID: "d", History: daemon.History{MaxAge: 10 * time.Minute}}
				d, stop := r.daemonOn(r.store(etcdstore.Options{}), opts)
				began := time.Now()
				at := func(min int) { r.passes(time.Until(began.Add(time.Duration(min) * time.Minute))) }
				first := r.placedAt(d, "first") - 1
				at(4)
				later := berth.Revision(r.revision()) + 10
				r.changes(keptAlways+100, 0)
				at(5)
				if restarts {
					stop()
					d, stop = r.daemonOn(r.store(etcdstore.Options{}), opts)
				}
				at(9)
				r.wantHistory("before its age", first, true)
				e, err := d.ExplainAt(r.t.Context(), "first", daemon.Moment{Time: began.Add(time.Second)})
				if err != nil || e.Status.State != berth.StatePlaced {
					t.Errorf("nine minutes ago: %+v, %v", e, err)
				}
				at(12)
				r.wantHistory("after its age", first, false)
				r.wantHistory("of later, before its age", later, true)
				at(17)
				r.wantHistory("of later, after its age", later, false)
				at(60)
				r.wantHistory("of the latest", berth.Revision(r.revision())-keptAlways, true)
				_, err = d.ExplainAt(r.t.Context(), "first", daemon.Moment{Revision: first})
				if past, ok := errors.AsType[*etcdstore.PastError](err); !ok || past.Oldest <= first {
					t.Errorf("an hour later: %v", err)
				}
				stop()
			})
		})
	}
}

// What was there before a daemon started, and no placement tells the age of, goes when the daemon
// itself has been there for so long.
func TestHistory_OfNoPlacement(t *testing.T) {
	bubble(t, func(r *rig) {
		r.changes(keptAlways+100, 0)
		first := berth.Revision(r.revision()) - keptAlways - 50
		_, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d", History: daemon.History{MaxAge: 10 * time.Minute}})
		r.passes(time.Second)
		r.changes(100, 0)
		r.passes(9 * time.Minute)
		r.wantHistory("before its age is over", first, true)
		r.passes(3 * time.Minute)
		r.wantHistory("after its age", first, false)
		stop()
	})
}

// History stays within its bytes, and within what leaves the store calm; the latest revisions stay
// however many bytes they take, unless space presses.
func TestHistory_ByBytes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bytes  int64 // of history
		each   int   // bytes of a revision
		inUse  int64 // hundredths of a quota of 1 GiB
		stays  int64 // of the oldest 20,000 revisions, so many behind the first is forgotten
		within time.Duration
	}{
		{"few bytes", 100 << 20, 100, 10, 0, time.Hour},
		{"too many", 20 << 20, 1900, 10, 1, 2 * time.Minute},
		{"too many at once", 8 << 20, 1900, 10, 1, 3 * time.Second},
		{"more than leaves it calm", 100 << 20, 1900, 39, 1, 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				var inUse atomic.Int64
				inUse.Store(tt.inUse)
				r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
					resp, err := apply()
					if st, ok := resp.(*pb.StatusResponse); ok {
						st.DbSizeQuota, st.DbSize, st.DbSizeInUse = 1<<30, inUse.Load()<<30/100, inUse.Load()<<30/100
					}
					return resp, err
				})
				_, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{
					ID: "d", History: daemon.History{MaxAge: 24 * time.Hour, MaxBytes: tt.bytes},
				})
				r.passes(time.Second)
				first := berth.Revision(r.revision())
				for range 20 {
					r.changes(1000, tt.each)
					r.passes(600 * time.Millisecond)
				}
				r.passes(tt.within)
				r.wantHistory("of the first", first+1, tt.stays == 0)
				r.wantHistory("of the latest", berth.Revision(r.revision())-keptAlways, true)
				inUse.Store(45)
				r.passes(3 * time.Second)
				r.wantHistory("where space presses", berth.Revision(r.revision())-keptPressed-1, false)
				r.wantHistory("where space presses", berth.Revision(r.revision())-keptPressed, true)
				stop()
			})
		})
	}
}

// Who asks for a time of which nothing is known is told the first one that it can be asked about.
func TestHistory_SinceIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.run(d, "r", sized(100, 0))
		r.passes(2 * time.Minute)
		_, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: time.Now().Add(-time.Hour)})
		past, ok := errors.AsType[*etcdstore.PastError](err)
		if !ok || past.Since.IsZero() || time.Since(past.Since) > 3*time.Minute {
			t.Fatalf("%v, want since when something is known", err)
		}
		if _, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: past.Since.Add(-time.Millisecond)}); err == nil {
			t.Errorf("%s is the first that is known, and so is one before it", past.Since)
		}
		_, err = d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: past.Since})
		if _, forgotten := errors.AsType[*etcdstore.PastError](err); forgotten {
			t.Errorf("it is known since %s, and of that: %v", past.Since, err)
		}
		stop()
	})
}

// How far back history goes is known though nothing of it had to go yet.
func TestHistory_OldestIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.passes(2 * time.Minute)
		_, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Revision: 1})
		if past, ok := errors.AsType[*etcdstore.PastError](err); !ok || past.Oldest != 2 {
			t.Errorf("%v, want that history reaches back to revision 2", err)
		}
		stop()
	})
}
