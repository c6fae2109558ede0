package rules

import (
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// copies keeps the first transaction that names a key: its sender gets no answer,
// and sends it again; send lets the first one through.
func (r *rig) copies(key string) (send func() (proto.Message, error)) {
	var mu sync.Mutex
	var late func() (proto.Message, error)
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		mu.Lock()
		defer mu.Unlock()
		if txn, ok := req.(*pb.TxnRequest); ok && writes(req) && late == nil && strings.Contains(txn.String(), key) {
			late = apply
			return nil, errLost
		}
		return apply()
	})
	return func() (proto.Message, error) {
		r.conn.between(nil)
		if late == nil {
			r.t.Fatalf("nothing was sent about %s", key)
		}
		return late()
	}
}

// A copy of a cancel that comes after the id was purged and given to another request
// does not end that one.
func TestCancel_LateCopy(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{Retention: daemon.Retention{MaxAge: time.Minute}})
		r.run(d, "r", nil) // no worker: it waits
		send := r.copies("archive/r")
		_, err := d.Cancel(r.t.Context(), "r", "not wanted")
		r.ok(err)
		wait(r, 120)
		if r.kv("archive/r") != nil {
			r.t.Fatal("not purged")
		}
		r.run(d, "r", func(s *berth.Request) { s.Command = []string{"another"} })
		_, err = send()
		r.ok(err)
		wait(r, 1)
		if r.kv("requests/r") == nil {
			r.t.Errorf("an accepted request is gone; its archive: %v", r.kv("archive/r"))
		}
		stop()
	})
}

// The same of a placement: it was planned for what the former request needed.
func TestPlace_LateCopy(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.submit("r")
		p := r.placement("w", "r")
		r.commit(&berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: "r", RequestWas: r.mod("requests/r"), Archive: r.archive("r")}}})
		r.remove("archive/r")
		r.submit("r")
		r.conflicts(p)
		if a, _ := r.allocation("w", "r"); a != nil {
			r.t.Errorf("placed by a plan for another request: %+v", a)
		}
	})
}
