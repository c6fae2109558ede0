package rules

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth/etcdstore"
)

// A lease counts from the sending of what granted it, or took it up again, however
// late the answer.
func TestLease_CountsFromItsFirstRequest(t *testing.T) {
	const ttl, late = 9 * time.Second, 3 * time.Second
	for name, begin := range map[string]func(*rig, *etcdstore.Lease) (*etcdstore.Lease, error){
		"granted": func(r *rig, _ *etcdstore.Lease) (*etcdstore.Lease, error) { return r.KeepLease(r.t.Context(), ttl) },
		"taken up": func(r *rig, former *etcdstore.Lease) (*etcdstore.Lease, error) {
			return r.ResumeLease(r.t.Context(), former.ID, former.Cluster)
		},
	} {
		bubbleSub(t, name, func(r *rig) {
			former, err := r.KeepLease(r.t.Context(), ttl)
			r.ok(err)
			r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
				resp, err := apply()
				<-time.After(late) // on its way back
				return resp, err
			})
			sent := r.clock()
			lease, err := begin(r, former)
			r.ok(err)
			if got, most := lease.Deadline(), sent+ttl; got > most {
				r.t.Errorf("deadline %s, want at most %s: the lease is over then", got, most)
			}
		})
	}
}

// A lease is gone when the store has ended it: the seconds that are left are told
// whole, and none is left for the last one.
func TestLease_LivesThroughItsLastSecond(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), 5*time.Second)
		r.ok(err)
		<-time.After(4500 * time.Millisecond)
		if left, gone, err := r.LeaseRemaining(r.t.Context(), lease.ID); err != nil || gone {
			r.t.Errorf("half a second before its end: %s left, gone %v, %v", left, gone, err)
		}
		wait(r, 3)
		if _, gone, err := r.LeaseRemaining(r.t.Context(), lease.ID); err != nil || !gone {
			r.t.Errorf("after its end: gone %v, %v", gone, err)
		}
	})
}

// A key that is deleted while its lease is kept alive: what may run is not moved as
// long as that goes on, whatever was left of the lease when it was asked about.
func TestDaemon_GraceWhileTheLeaseIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		lease, kill := r.lives("w")
		r.run(d, "r", nil)
		r.runs("w", "r")
		r.remove("workers/w")
		if after := r.movedAfter("w", "r", 3*ttl); after < 3*ttl {
			r.t.Errorf("moved %s after the key, while its lease was kept alive", after)
		}
		kill()
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		if after := r.movedAfter("w", "r", 2*ttl); after < grace || after >= 2*ttl {
			r.t.Errorf("moved %s after the lease's end, want the grace of %s, and no longer than until it is asked about again", after, grace)
		}
		stop()
	})
}
