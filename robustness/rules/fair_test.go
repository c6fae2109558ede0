package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// slots is a request that takes so many tenths of a worker's cores.
func slots(t berth.TenantID, n int64) func(*berth.Request) {
	return func(s *berth.Request) {
		of(t)(s)
		s.Resources.CPUMilli, s.Resources.MemoryBytes = n*capacity.CPUMilli/10, 1
	}
}

// weigh sets the weight of a tenant.
func (r *rig) weigh(d *daemon.Daemon, t berth.TenantID, weight int64) {
	r.t.Helper()
	_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: t, Pool: "default", Weight: weight})
	r.ok(err)
	synctest.Wait()
}

// crowd submits n requests of a tenant, one after the other.
func (r *rig) crowd(d *daemon.Daemon, t berth.TenantID, n int) {
	r.t.Helper()
	for i := range n {
		r.run(d, fmt.Sprintf("%s-%02d", t, i), slots(t, 1))
	}
}

// held are the requests that are placed, by worker and name.
func (r *rig) held() (keys []string) {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/berth/allocations/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	r.ok(err)
	for _, kv := range resp.Kvs {
		keys = append(keys, strings.TrimPrefix(string(kv.Key), "/berth/allocations/"))
	}
	return keys
}

// heldOf counts them by tenant, which their names begin with.
func (r *rig) heldOf() map[string]int {
	r.t.Helper()
	out := make(map[string]int)
	for _, k := range r.held() {
		_, id, _ := strings.Cut(k, "/")
		out[id[:1]]++
	}
	return out
}

// end has the first request of a tenant that is placed run to its end.
func (r *rig) end(tenant string) {
	r.t.Helper()
	for _, k := range r.held() {
		if w, id, _ := strings.Cut(k, "/"); strings.HasPrefix(id, tenant) {
			r.runs(w, id)
			r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
			return
		}
	}
	r.t.Fatalf("nothing of %s is placed: %v", tenant, r.held())
}

func (r *rig) wantHeld(what string, want map[string]int) {
	r.t.Helper()
	if got := r.heldOf(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: held %v, want %v", what, got, want)
	}
}

// Who came first has all of it while nobody else wants any; then what ends goes to who
// holds the least, by the weights as they are then.
func TestFair_Turns(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemon()
		r.crowd(d, "a", 25)
		r.wantHeld("one alone", map[string]int{"a": 10})
		r.crowd(d, "b", 25)
		r.wantHeld("nothing is taken from anybody", map[string]int{"a": 10})
		for n := range 5 {
			r.end("a")
			r.wantHeld("an end", map[string]int{"a": 9 - n, "b": n + 1})
		}
		for range 3 {
			r.end("a")
			r.end("b")
		}
		r.wantHeld("it stays so", map[string]int{"a": 5, "b": 5})
		r.weigh(d, "b", 4)
		for range 3 {
			r.end("a")
		}
		r.wantHeld("four times the weight", map[string]int{"a": 2, "b": 8})
		r.end("a")
		r.wantHeld("it stays so", map[string]int{"a": 2, "b": 8})
		r.weigh(d, "b", 1)
		if r.kv("tenants/b") != nil {
			t.Error("a record is left that says nothing")
		}
		for range 3 {
			r.end("b")
		}
		r.wantHeld("the same weight", map[string]int{"a": 5, "b": 5})
		stop()
		checked()
	})
}

// Where nobody holds anything when something is free, tenants are served one after the
// other, whoever has asked for more.
func TestFair_OneSlot(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		for i := range 6 {
			r.run(d, fmt.Sprintf("a-%02d", i), slots("a", 10))
		}
		for _, t := range []berth.TenantID{"b", "c"} {
			for i := range 2 {
				r.run(d, fmt.Sprintf("%s-%02d", t, i), slots(t, 10))
			}
		}
		var got string
		for range 10 {
			k := r.held()
			if len(k) != 1 {
				t.Fatalf("placed %v", k)
			}
			got += k[0][2:3]
			r.end(k[0][2:3])
		}
		if got != "abcabcaaaa" {
			t.Errorf("served %s", got)
		}
		stop()
	})
}

// What a daemon knows of shares it has from the records: another one goes on with them.
func TestFair_AfterARestart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.weigh(d, "b", 2)
		r.crowd(d, "a", 20)
		r.crowd(d, "b", 20)
		stop()
		d, stop = r.daemon()
		for range 9 {
			r.end("a")
		}
		r.wantHeld("after nine ends", map[string]int{"a": 3, "b": 7})
		if q := r.quota(d, "b"); q.Turn.Weight != 2 || q.Turn.Share != 0.7 || q.Turn.Of != berth.ReasonCPU || q.Waiting != 13 || q.Turn.Ahead != 0 {
			t.Errorf("%+v", q)
		}
		stop()
	})
}

// The members of a group count as what they hold, and priority is a tenant's own matter.
func TestFair_GroupAndPriority(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		g := r.group("a-group", 5, 5)
		slots("a", 1)(&g)
		r.submitGroup(d, g)
		r.crowd(d, "c", 5)
		r.wantHeld("a group and five", map[string]int{"a": 5, "c": 5})
		for i := range 5 {
			r.run(d, fmt.Sprintf("a-%02d", i), func(s *berth.Request) {
				slots("a", 1)(s)
				s.Priority = 1000
			})
			r.run(d, fmt.Sprintf("b-%02d", i), func(s *berth.Request) {
				slots("b", 1)(s)
				s.Priority = int32(10 * i)
			})
		}
		for n := range 5 {
			r.end("c")
			if id := fmt.Sprintf("w/b-%02d", 4-n); !slices.Contains(r.held(), id) {
				t.Errorf("%s is not placed by the end %d: %v", id, n, r.held())
			}
		}
		r.wantHeld("b has caught up", map[string]int{"a": 5, "b": 5})
		stop()
	})
}

// Whose quota has no room does not keep anybody else waiting, however little it holds.
func TestFair_BesideAQuota(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemon()
		r.limit(d, "b", 2*capacity.CPUMilli/10)
		r.crowd(d, "a", 20)
		r.crowd(d, "b", 5)
		for range 5 {
			r.end("a")
		}
		r.passes(time.Second)
		r.wantHeld("two are allowed", map[string]int{"a": 8, "b": 2})
		stop()
		checked()
	})
}

// With several daemons, each of which plans what is its own, tenants come to hold their
// parts all the same.
func TestFair_Daemons(t *testing.T) {
	bubble(t, func(r *rig) {
		ws := []berth.WorkerID{"u", "v", "w"}
		for _, w := range ws {
			r.worker(w)
		}
		checked := r.checked()
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d1", "d2", "d3"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		r.passes(time.Second)
		r.crowd(ds[0], "a", 90)
		r.crowd(ds[1], "b", 90)
		r.wantHeld("the first", map[string]int{"a": 30})
		for range 30 {
			r.end("a")
			r.passes(100 * time.Millisecond)
		}
		for n := range 20 {
			r.end([]string{"a", "b"}[n%2])
			r.passes(100 * time.Millisecond)
		}
		if got := r.heldOf(); got["a"]+got["b"] != 30 || got["a"] < 12 || got["a"] > 18 {
			t.Errorf("held %v, want 15 of 30 each, and at most 3 beside that", got)
		}
		for _, stop := range stops {
			stop()
		}
		checked()
	})
}

// What waits is told who goes first.
func TestFair_Explained(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.crowd(d, "a", 12)
		r.crowd(d, "b", 3)
		e, err := d.Explain(r.t.Context(), "a-11")
		r.ok(err)
		if e.Turn == nil || e.Turn.Ahead != 3 || e.Turn.Tenants != 1 || e.Turn.Share != 1 {
			t.Errorf("of a: %+v", e.Turn)
		}
		if e, err = d.Explain(r.t.Context(), "b-00"); err != nil || e.Turn.Ahead != 0 {
			t.Errorf("of b: %+v, %v", e.Turn, err)
		}
		stop()
	})
}

// Who never fits goes before nobody: not one of its own tenant with a higher priority, nor another tenant's, on no
// worker or beyond its quota; nor does a group that never fits.
func TestFair_NeverFitsGoesBeforeNobody(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "c", 4*capacity.CPUMilli/10)
		r.run(d, "full", slots("a", 10))
		giant := func(tenant berth.TenantID, n int64) func(*berth.Request) {
			return func(q *berth.Request) { slots(tenant, n)(q); q.Priority = 500 }
		}
		r.run(d, "giant", giant("a", 11))
		r.run(d, "giant-b", giant("b", 12))
		r.run(d, "giant-c", giant("c", 5))
		g := r.whole("g", 2)
		g.Tenant, g.Priority = "a", 600
		r.submitGroup(d, g)
		r.run(d, "small", slots("a", 1))
		for _, id := range []berth.RequestID{"giant", "giant-b", "giant-c", "g.0"} {
			e, err := d.Explain(r.t.Context(), id)
			r.ok(err)
			if e.Verdict == nil || !e.Verdict.NeverFits {
				r.t.Errorf("%s: %+v", id, e.Verdict)
			}
		}
		e, err := d.Explain(r.t.Context(), "small")
		r.ok(err)
		if e.Turn.Own != 0 || e.Turn.OwnFirst != "" || e.Turn.Ahead != 0 || e.Turn.Tenants != 0 {
			r.t.Errorf("goes first: %+v", e.Turn)
		}
		r.run(d, "waits", giant("a", 2))
		if e, err = d.Explain(r.t.Context(), "small"); err != nil || e.Turn.Own != 1 || e.Turn.OwnFirst != "waits" {
			r.t.Errorf("goes first: %+v, %v", e.Turn, err)
		}
		stop()
	})
}

// A weight stands in the record of which daemons change the rest, and whoever changes one
// leaves the other as it is.
func TestFair_WeightBesideAQuota(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemon()
		r.weigh(d, "b", 3)
		schema := r.mod("schema")
		r.weigh(d, "b", 2)
		if r.mod("schema") != schema {
			t.Error("a weight makes every plan conflict")
		}
		r.limit(d, "b", 8*capacity.CPUMilli/10)
		r.crowd(d, "b", 10)
		r.wantHeld("within its quota", map[string]int{"b": 8})
		if q := r.quota(d, "b"); q.Turn.Weight != 2 || q.Limits["cpu_milli"] != 8*capacity.CPUMilli/10 {
			t.Errorf("%+v", q)
		}
		r.limit(d, "b", -1)
		r.passes(30 * time.Second)
		if q := r.quota(d, "b"); q.Turn.Weight != 2 || len(q.Limits) > 0 {
			t.Errorf("without a quota: %+v", q)
		}
		if _, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "b", Pool: "default", Weight: 1001}); err == nil {
			t.Error("a weight beyond its bound is taken")
		}
		stop()
		checked()
	})
}
