package rules

import (
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

// A daemon that lives keeps its block, also where another took it for gone.
func TestQuota_TakesBackFromTheGoneAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.limit(d, "a", 900)
		for i := range 2 {
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		was := r.kv("tenants/a/d")
		stop()
		var back atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "tenants/a/d") && !back.Swap(true) {
				_, err := r.conn.Direct.Call(r.t.Context(), &pb.PutRequest{
					Key: []byte("/berth/daemons/d"), Value: []byte(`{"version":1,"txn":"x-1","program":"x","max_schema":1,"started_at":"2026-01-01T00:00:00Z"}`),
				})
				r.ok(err)
			}
			return apply()
		})
		_, stop = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "e"})
		r.passes(30 * time.Second)
		if now := r.kv("tenants/a/d"); !back.Load() || now.ModRevision != was.ModRevision {
			t.Errorf("tried: %t; its block was %s, and is %s", back.Load(), was.Value, now.Value)
		}
		stop()
	})
}

// Several daemons share a quota, and none keeps what the others wait for.
func TestQuota_Shared(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.worker("v")
		checked := r.checked()
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d1", "d2", "d3"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		r.limit(ds[0], "a", 600)
		var ids []string
		for i := range 12 {
			ids = append(ids, fmt.Sprint("r", i))
			r.run(ds[i%3], ids[i], of("a"))
		}
		r.passes(2 * time.Second)
		if n := r.located(ids...); n != 6 {
			t.Errorf("%d are placed, of 6 that the quota has room for", n)
		}
		for range 6 { // each end lets another in
			for _, id := range ids {
				w := "w"
				if r.kv("allocations/v/"+id) != nil {
					w = "v"
				}
				if a, _ := r.allocation(w, id); a != nil && a.State == berth.StatePlaced {
					r.runs(w, id)
					r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
					break
				}
			}
			r.passes(3 * time.Second)
		}
		if n := r.located(ids...); n != 6 {
			t.Errorf("%d are placed after six ends", n)
		}
		for _, stop := range stops {
			stop()
		}
		checked()
	})
}

// What a daemon has taken ahead, and another's request needs, is given back at once.
func TestQuota_GivenBack(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.worker("v")
		checked := r.checked()
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d1", "d2", "d3"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		r.limit(ds[0], "a", 900)
		for i := range 12 { // each daemon gets some, one soon after the other
			r.run(ds[0], fmt.Sprint("r", i), func(s *berth.Request) {
				of("a")(s)
				s.Resources.CPUMilli = 5
			})
		}
		free := 900 - r.quota(ds[0], "a").Taken["cpu_milli"]
		if free >= 830 {
			t.Fatalf("nothing is taken ahead: %d is free", free)
		}
		r.run(ds[0], "large", func(s *berth.Request) {
			of("a")(s)
			s.Resources.CPUMilli = 830
		})
		r.passes(4 * time.Second)
		if r.located("large") != 1 {
			t.Errorf("it waits for what nobody uses: %+v", r.quota(ds[0], "a"))
		}
		for _, stop := range stops {
			stop()
		}
		checked()
	})
}

// What a daemon had taken that died is taken back when it is no member any more.
func TestQuota_OfADeadDaemon(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.limit(d, "a", 300)
		for i := range 3 {
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		stop()
		e, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "e"})
		r.runs("w", "r0")
		r.reported("w", "r0", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		r.run(e, "r3", of("a"))
		r.passes(30 * time.Second)
		if r.located("r3") != 1 {
			t.Errorf("not placed: the dead daemon keeps %s", r.kv("tenants/a/d").Value)
		}
		for i := 1; i < 4; i++ {
			id := fmt.Sprint("r", i)
			r.runs("w", id)
			r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		}
		r.passes(time.Minute)
		if r.kv("tenants/a/d") != nil || r.kv("tenants/a/e") != nil {
			t.Error("a block is left")
		}
		stop()
		checked()
	})
}
