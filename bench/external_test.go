package bench

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// An etcd that others use: of what is measured there, nothing is left, and nothing
// of theirs is touched.
func TestPlace_External(t *testing.T) {
	server, err := embed.Start(t.Context(), embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := server.Client().Put(t.Context(), "/berth/theirs", "x"); err != nil {
		t.Fatal(err)
	}
	o := tiny(t)
	o.Dial = func() (*clientv3.Client, error) {
		return etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{server.Endpoint()}})
	}
	o.Strategy, o.Rounds = "binpack", 1
	r, err := Place(t.Context(), PlaceOptions{Options: o, Callers: 4, PerCall: 5, Daemons: 2, Via: ViaSocket, Warmup: 10})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rounds != 1 || r.Ratio == nil || r.Fsyncs == nil || len(r.Violations) > 0 {
		t.Errorf("%+v", r)
	}
	left, err := server.Client().Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || len(left.Kvs) != 1 {
		t.Errorf("left behind: %v %v", left.Kvs, err)
	}
	leases, err := server.Client().Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	daemons := 2 * 2 // memberships of daemons that have ended are given back by themselves
	if len(leases.Leases) > daemons {
		t.Errorf("%d leases are left", len(leases.Leases))
	}
}

// At a rate, with allocations that are there already: the floor's store has them too.
func TestPlace_RateAndAllocations(t *testing.T) {
	o := tiny(t)
	o.Rounds = 1
	r, err := Place(t.Context(), PlaceOptions{Options: o, Rate: 2000, Allocations: 1000, PerCall: 7, Fill: 90, Warmup: -1})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	sane(t, r, 1)
	if *r.PlacementsPerS > 3000 {
		t.Errorf("%v/s, asked for 2000", *r.PlacementsPerS)
	}
}

// What is cut before anything is measured leaves an empty report, and no store.
func TestLife_CutAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Life(ctx, LifeOptions{Options: tiny(t)})
	if err != nil || !r.Interrupted || r.PlacementsPerS != nil {
		t.Errorf("%v: %+v", err, r)
	}
}
