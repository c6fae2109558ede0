package rules

import (
	"errors"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// What groups take of the store counts from when they are taken, not from the next look
// at the store.
func TestGroup_CountsBeforeTheNextLook(t *testing.T) {
	bubble(t, func(r *rig) {
		r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if st, ok := resp.(*pb.StatusResponse); ok {
				st.DbSizeQuota, st.DbSize, st.DbSizeInUse = 10<<20, 1<<20, 1<<20
			}
			return resp, err
		})
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		<-time.After(time.Second) // it has looked, and does so every two
		taken := 0
		for i := range 10 {
			g := r.large() // 1.2 MB
			g.ID, g.Group.ID = berth.RequestID(fmt.Sprintf("g%d", i)), berth.GroupID(fmt.Sprintf("g%d", i))
			res, err := d.Submit(r.t.Context(), []berth.Request{g})
			r.ok(err)
			if res[0].Err == nil {
				taken++
			} else if !errors.Is(res[0].Err, daemon.ErrNoSpace) {
				t.Fatal(res[0].Err)
			}
		}
		if taken != 7 { // the last goes beyond
			t.Errorf("%d groups of 1.2 MB were taken in the 7.3 MB that were left for them, want 7", taken)
		}
		stop()
	})
}
