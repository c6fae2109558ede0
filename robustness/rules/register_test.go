package rules

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// A registration compares what the operator wants of the worker, each time that it is
// sent: one that is being removed does not come back.
func TestRegister_RemovedMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		wish := func(in berth.Intent) {
			in.At = time.Now().UTC()
			_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent { return &in })
			r.ok(err)
		}
		wish(berth.Intent{Cordon: true}) // seen by the first sending
		sent := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "workers/w") {
				if sent++; sent == 2 {
					r.conn.between(nil)
					wish(berth.Intent{Cordon: true, Drain: true, Remove: true})
				}
			}
			return apply()
		})
		if _, err := r.RegisterWorker(r.t.Context(), "w", r.registration(lease)); !errors.Is(err, etcdstore.ErrWorkerRemoved) {
			r.t.Errorf("register: %v, want it refused", err)
		}
		if r.kv("workers/w") != nil {
			r.t.Error("a worker that is being removed has come back")
		}
	})
}
