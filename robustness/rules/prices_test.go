package rules

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// pricing is a pool with devices whose prices are told, and hold for a while.
type pricing struct {
	*rig
	d     *daemon.Daemon
	inUse atomic.Int64 // of the store, in hundredths of its quota; 0: as it is
}

func (r *rig) pricing() (p *pricing, stop func()) {
	p = &pricing{rig: r}
	r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		resp, err := apply()
		if st, ok := resp.(*pb.StatusResponse); ok && p.inUse.Load() > 0 {
			st.DbSizeQuota, st.DbSize, st.DbSizeInUse = 100<<20, p.inUse.Load()<<20, p.inUse.Load()<<20
		}
		return resp, err
	})
	ends := r.livesWithDevices("w", "h100", "h100", "h100", "h100", "h100", "h100")
	d, end := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
	p.d = d
	r.passes(time.Second)
	for i := range 24 {
		p.run(d, fmt.Sprint("before-", i), part)
	}
	if p.told("named") {
		r.t.Fatal("the test's prices are new each time")
	}
	p.goesOn(300)
	return p, func() { end(); ends() }
}

// goesOn is so many revisions in which nothing is placed.
func (r *rig) goesOn(revisions int) {
	r.t.Helper()
	for range revisions {
		r.touch("ledgers/w")
	}
	synctest.Wait()
}

// part asks for a tenth of a device.
func part(q *berth.Request) {
	sized(10, 0)(q)
	q.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 100}}
}

// told places a request, which must be decided again the same, and says whether the prices
// stand in its plan whole.
func (p *pricing) told(id string) bool {
	p.t.Helper()
	p.run(p.d, id, part)
	return p.again(id).Prices != nil
}

// again decides a placement again, and gives the prices that it was by.
func (p *pricing) again(id string) *berth.PlannedPrices {
	p.t.Helper()
	got, err := p.d.Replay(p.t.Context(), berth.RequestID(id), 0)
	p.ok(err)
	if got.Outcome != daemon.ReplaySame {
		p.t.Fatalf("%s, replayed: %s, %s", id, got.Outcome, got.Why)
	}
	by := got.Basis.PricesAt("default", 1<<30)
	if by == nil {
		p.t.Fatalf("%s was placed by no prices", id)
	}
	return by
}

// What places a request by prices that stand in an older plan tells them again when that plan is
// forgotten: by another hand's compaction, or by the daemon's own, where space presses or the
// store is nearly full.
func TestPrices_ToldAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		inUse int64 // hundredths of the quota, from then on
	}{
		{"by another hand", 0},
		{"where space presses", 61},
		{"in a store that is nearly full", 85},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				p, stop := r.pricing()
				defer stop()
				if p.inUse.Store(tt.inUse); tt.inUse == 0 {
					_, err := r.client.Compact(r.t.Context(), r.revision(), clientv3.WithCompactPhysical())
					r.ok(err)
				}
				r.passes(time.Minute)
				p.inUse.Store(min(tt.inUse, 61)) // else nothing more is taken
				r.passes(3 * time.Second)
				if !p.told("behind") {
					t.Error("the prices are not told again")
				}
				r.run(p.d, "of-cores-alone", sized(10, 0))
				p.again("of-cores-alone")
			})
		})
	}
}

// Where little history stays, prices are told again so often that what was placed lately outlives
// no plan that it names.
func TestPrices_ToldMoreOften(t *testing.T) {
	bubble(t, func(r *rig) {
		p, stop := r.pricing()
		defer stop()
		p.inUse.Store(61)
		r.passes(3 * time.Second)
		p.told("first")
		r.goesOn(keptFull * 6 / 10)
		p.told("second")
		r.goesOn(keptFull * 6 / 10)
		r.passes(3 * time.Second)
		p.again("second")
	})
}

// keptFull is how many revisions of history stay above 60 % of the quota.
const keptFull = 100
