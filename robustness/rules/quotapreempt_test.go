package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
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

// from is a request of a tenant.
func from(t berth.TenantID, edit func(*berth.Request)) func(*berth.Request) {
	return func(r *berth.Request) {
		edit(r)
		r.Tenant = t
	}
}

// blockOf is what a daemon has counted of a tenant's cores, and the revision of that.
func (r *rig) blockOf(t, d string) (int64, berth.Revision) {
	r.t.Helper()
	facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindQuotaBlock, Owner: t, ID: d})
	r.ok(err)
	b, _ := facts[0].Record.(*berth.QuotaBlock)
	if b == nil {
		return 0, 0
	}
	return b.Pools["default"].Used[berth.DimensionCPU], facts[0].Mod
}

// What a claim wants is counted by the transaction that claims it; who places the request takes
// that over, and rewrites no block.
func TestClaimQuota_Transactions(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.limit(d, "a", 1000)
		r.full(d)
		r.run(d, "now", from("a", urgent(1000, 50)))
		used, at := r.blockOf("a", "d")
		if l, mod := r.ledger("w"); used != 1000 || mod != at || l.Claims[0].Counted == nil {
			t.Fatalf("counts %d at %d; the claim is %+v at %d", used, at, l.Claims, mod)
		}
		r.exits("w", "a")
		r.exits("w", "b")
		a, _ := r.allocation("w", "now")
		if _, mod := r.blockOf("a", "d"); a == nil || a.QuotaBlock != "d" || mod != at {
			t.Errorf("placed as %+v, and the block rewritten at %d, of %d", a, mod, at)
		}
		r.runs("w", "now")
		r.exits("w", "now")
		r.passes(30 * time.Second)
		if used, _ = r.blockOf("a", "d"); used != 0 {
			t.Errorf("%d are left when it has ended", used)
		}
		stop()
	})
}

// writers notes which programs put keys, by key; the test names them by their base.
func (r *rig) writers() map[string][]string {
	by := map[string][]string{} // while all is quiet it is the test's
	var mu sync.Mutex
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		resp, err := apply()
		mu.Lock()
		defer mu.Unlock()
		txn, _ := req.(*pb.TxnRequest)
		if answer, ok := resp.(*pb.TxnResponse); err == nil && ok && answer.Succeeded {
			for _, op := range txn.GetSuccess() {
				var header struct{ Txn string }
				if put := op.GetRequestPut(); put != nil && json.Unmarshal(put.Value, &header) == nil {
					key, base := strings.TrimPrefix(string(put.Key), "/berth/"), strings.Split(header.Txn, "-")[0]
					by[key] = append(by[key], base)
				}
			}
		}
		return resp, err
	})
	return by
}

// Who has not started, and is counted in another daemon's block, is told to stop, and ended by
// that daemon: nobody else rewrites the block.
func TestClaimQuota_VictimOfAnother(t *testing.T) {
	bubble(t, func(r *rig) {
		checked := r.checked()
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d1", "d2"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: string(id)}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		_, kill := r.lives("w")
		kills := []func(){kill}
		for i := range 6 { // so that both plan
			w := berth.WorkerID(fmt.Sprint("v", i))
			_, kill := r.lives(w)
			kills = append(kills, kill)
			_, err := ds[0].SetIntent(r.t.Context(), w, daemon.Wish{Cordon: true})
			r.ok(err)
		}
		r.limit(ds[0], "b", 4000)
		by := r.writers()
		told := 0
		for i := range 12 {
			before, victim, now := fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("now", i)
			r.run(ds[0], before, sized(1000, 0)) // the victim waits, and is placed by its own daemon
			r.run(ds[0], victim, from("b", sized(1000, 0)))
			_, err := ds[0].Cancel(r.t.Context(), berth.RequestID(before), "")
			r.ok(err)
			r.passes(time.Second)
			a, _ := r.allocation("w", victim)
			r.run(ds[0], now, urgent(1000, 50))
			r.passes(time.Second)
			if a == nil || r.kv("allocations/w/"+now) == nil || r.kv("allocations/w/"+victim) != nil {
				t.Fatalf("%s does not have the place of %s", now, victim)
			}
			if stopped := len(by["allocations/w/"+victim]) > 1; stopped != (by["states/"+now][0] != string(a.QuotaBlock)) {
				t.Errorf("%s, counted by %s, is told to stop: %t, by %s; written by %v, %s by %v", victim, a.QuotaBlock, stopped, by["states/"+now][0], by["allocations/w/"+victim], now, by["states/"+now])
			} else if stopped {
				told++
			}
			for _, id := range []string{now, victim} {
				_, err := ds[0].Cancel(r.t.Context(), berth.RequestID(id), "")
				r.ok(err)
				r.passes(time.Second)
			}
		}
		if told == 0 {
			t.Error("no victim was counted by another daemon")
		}
		for _, end := range append(kills, stops...) {
			end()
		}
		checked()
	})
}

// A daemon dies whose block counts a claim: another goes on, and when all has ended, nothing is left.
func TestClaimQuota_OfADeadDaemon(t *testing.T) {
	for name, then := range map[string]func(*rig, *daemon.Daemon){
		"met": func(r *rig, _ *daemon.Daemon) {
			r.exits("w", "a")
			r.exits("w", "b")
			if a, _ := r.allocation("w", "now"); a == nil || a.QuotaBlock != "d" {
				r.t.Errorf("placed as %+v", a)
				return
			}
			r.runs("w", "now")
			r.exits("w", "now")
		},
		"cancelled": func(r *rig, e *daemon.Daemon) {
			_, err := e.Cancel(r.t.Context(), "now", "")
			r.ok(err)
		},
	} {
		bubbleSub(t, name, func(r *rig) {
			checked := r.checked()
			d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: "one"}), daemon.Options{ID: "d"})
			r.limit(d, "a", 1000)
			r.full(d)
			r.run(d, "now", from("a", urgent(1000, 50)))
			stop()
			e, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: "two"}), daemon.Options{ID: "e"})
			r.passes(time.Second)
			if used, _ := r.blockOf("a", "d"); used != 1000 {
				r.t.Fatalf("the block of the dead counts %d", used)
			}
			then(r, e)
			r.passes(time.Minute)
			if kv := r.kv("tenants/a/d"); kv != nil {
				r.t.Errorf("a block is left: %s", kv.Value)
			}
			if q := r.quota(e, "a"); len(q.Taken) > 0 || len(q.Used) > 0 {
				r.t.Errorf("something is left of the quota: %+v", q)
			}
			stop()
			checked()
		})
	}
}

// The answer to a claim, and to its placement, is lost: each is counted once.
func TestClaimQuota_UnknownOutcome(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.limit(d, "a", 1000)
		r.full(d)
		var mu sync.Mutex // guards lost
		lost := map[string]int{}
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			mu.Lock()
			defer mu.Unlock()
			for _, key := range []string{"states/now", "allocations/w/now"} {
				if puts(req, key) && lost[key] == 0 {
					lost[key]++
					return nil, errLost
				}
			}
			return resp, err
		})
		r.run(d, "now", from("a", urgent(1000, 50)))
		r.passes(5 * time.Second)
		r.exits("w", "a")
		r.exits("w", "b")
		r.passes(5 * time.Second)
		used, _ := r.blockOf("a", "d")
		if a, _ := r.allocation("w", "now"); len(lost) != 2 || a == nil || used != 1000 {
			t.Errorf("lost %v; placed as %+v, counted %d", lost, a, used)
		}
		r.noClaims("w")
		stop()
	})
}

// A plan puts each key once, also where a claim is given up at the moment when there is room elsewhere.
func TestClaim_GivenUpAndPlaced(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		r.joins("v")
		r.passes(time.Second)
		r.runs("v", "now")
		r.run(d, "again", urgent(1000, 60)) // what leaves w is enough
		if n := r.waitsFor(d, "again"); n != 2 {
			t.Fatalf("waits for %d", n)
		}
		var twice atomic.Value // a key
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			seen := map[string]bool{}
			txn, _ := req.(*pb.TxnRequest)
			for _, op := range txn.GetSuccess() {
				if key := string(op.GetRequestPut().GetKey()); key != "" && seen[key] {
					twice.Store(key)
				} else {
					seen[key] = true
				}
			}
			return apply()
		})
		r.together("intents/w", `{"version":1,"txn":"x-1","cordon":true,"at":"2026-01-01T00:00:00Z"}`, "v", "now")
		r.passes(time.Second)
		if key := twice.Load(); key != nil {
			t.Errorf("a plan puts %s twice", key)
		}
		if r.kv("allocations/v/again") == nil {
			t.Error("not placed where there is room")
		}
		r.noClaims("w")
		stop()
	})
}

// together puts a key, and reports the end of a container, by one transaction.
func (r *rig) together(key, value, w, id string) {
	r.t.Helper()
	text := string(r.kv("allocations/" + w + "/" + id).Value)
	text = strings.Replace(text, `"state":"RUNNING"`, `"state":"EXITED"`, 1)
	text = strings.Replace(text, `,"planned":`, `,"exit":{"kind":"exited","code":0,"at":"2026-01-01T00:00:00Z"},"planned":`, 1)
	_, err := r.client.Txn(r.t.Context()).Then(clientv3.OpPut("/berth/"+key, value), clientv3.OpPut("/berth/allocations/"+w+"/"+id, text)).Commit()
	r.ok(err)
	synctest.Wait()
}
