package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// limit sets what tenant t may use of the pool in cores; below 0: it is not limited.
func (r *rig) limit(d *daemon.Daemon, t berth.TenantID, cpuMilli int64) {
	r.t.Helper()
	c := daemon.QuotaChange{Tenant: t, Pool: "default", All: true}
	if cpuMilli >= 0 {
		c.Set = berth.Amounts{berth.DimensionCPU: cpuMilli}
	}
	_, err := d.SetQuota(r.t.Context(), c)
	r.ok(err)
	synctest.Wait()
}

func of(t berth.TenantID) func(*berth.Request) {
	return func(s *berth.Request) { s.Tenant, s.StartTimeoutMS = t, 3_600_000 }
}

// quota is how a tenant stands.
func (r *rig) quota(d *daemon.Daemon, t berth.TenantID) daemon.QuotaStatus {
	r.t.Helper()
	all, err := d.Quotas(r.t.Context())
	r.ok(err)
	for _, q := range all {
		if q.Tenant == t {
			return q
		}
	}
	return daemon.QuotaStatus{}
}

func (r *rig) located(ids ...string) (n int) {
	r.t.Helper()
	for _, k := range r.held() {
		if _, id, _ := strings.Cut(k, "/"); slices.Contains(ids, id) {
			n++
		}
	}
	return n
}

func (r *rig) state(d *daemon.Daemon, id string) daemon.Status {
	r.t.Helper()
	s, err := d.Get(r.t.Context(), berth.RequestID(id))
	r.ok(err)
	return s
}

func (r *rig) passes(t time.Duration) {
	<-time.After(t)
	synctest.Wait()
}

// What is beyond a quota waits with that reason, and is placed when the quota has room.
func TestQuota_WaitsAndIsWoken(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "a", 250)
		for i := range 4 {
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		r.run(d, "other", of("b"))
		if n := r.located("r0", "r1", "r2", "r3"); n != 2 {
			t.Errorf("%d are placed, of 2 that the quota has room for", n)
		}
		if r.located("other") != 1 {
			t.Error("another tenant's request waits")
		}
		s := r.state(d, "r3")
		if s.Verdict == nil || s.Verdict.Reasons[0].Code != berth.ReasonQuota {
			t.Fatalf("r3 waits for %+v", s.Verdict)
		}
		if why := s.Verdict.Reasons[0]; why.Detail != "cpu_milli" || why.Want != 100 || why.Best != 50 || why.Total != 250 || s.Verdict.NeverFits {
			t.Errorf("r3 waits for %+v", why)
		}
		if q := r.quota(d, "a"); q.Used["cpu_milli"] != 200 || q.Waiting != 2 {
			t.Errorf("the quota is %+v", q)
		}
		r.runs("w", "r0")
		r.reported("w", "r0", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		if n := r.located("r1", "r2", "r3"); n != 2 {
			t.Errorf("%d are placed after an end", n)
		}
		r.limit(d, "a", 300)
		if n := r.located("r1", "r2", "r3"); n != 3 {
			t.Errorf("%d are placed under a larger quota", n)
		}
		stop()
	})
}

// When all has ended nothing of a block is left, and what is not limited any more leaves no record.
func TestQuota_ExactInTheEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "a", 500)
		for i := range 8 {
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		for i := range 8 {
			id := fmt.Sprint("r", i)
			r.runs("w", id)
			r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		}
		r.passes(30 * time.Second)
		if kv := r.kv("tenants/a/d"); kv != nil {
			t.Errorf("a block is left: %s", kv.Value)
		}
		if q := r.quota(d, "a"); len(q.Taken) != 0 || len(q.Used) != 0 {
			t.Errorf("something is left of it: %+v", q)
		}
		r.run(d, "last", of("a"))
		r.limit(d, "a", -1)
		if r.kv("tenants/a") == nil || r.kv("tenants/a/d") == nil {
			t.Error("what is counted is forgotten before it has ended")
		}
		r.runs("w", "last")
		r.reported("w", "last", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		r.passes(time.Second)
		if r.kv("tenants/a") != nil || r.kv("tenants/a/d") != nil {
			t.Error("a record is left of a tenant that is not limited any more")
		}
		stop()
	})
}

// A request that asks for more than the whole quota never fits, until that is raised.
func TestQuota_NeverFits(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "a", 50)
		r.run(d, "r", of("a"))
		if s := r.state(d, "r"); s.Verdict == nil || !s.Verdict.NeverFits {
			t.Errorf("it is %+v", s.Verdict)
		}
		r.limit(d, "a", -1)
		if r.located("r") != 1 {
			t.Error("not placed though it is not limited any more")
		}
		stop()
	})
}

// A plan that was made before a quota was set counts nothing against it, and does not apply.
func TestQuota_PlanOfBefore(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		other := r.side()
		var late atomic.Int64 // how often it was sent
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "allocations/w/r") && late.Add(1) == 1 {
				_, err := other.SetQuota(r.t.Context(), "a", "default", func(berth.Amounts) berth.Amounts {
					return berth.Amounts{berth.DimensionCPU: 0}
				})
				r.ok(err)
			}
			return apply()
		})
		r.run(d, "r", of("a"))
		r.passes(time.Second)
		if late.Load() != 1 || r.located("r") != 0 {
			t.Errorf("a plan of before the quota: sent %d times, placed %d", late.Load(), r.located("r"))
		}
		stop()
		checked()
	})
}

// A plan compares the schema that it was made under: also where the program has seen a newer
// one since, by which a quota was set.
func TestQuota_PlanUnderAnOlderSchema(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		p := r.placement("w", "pending")
		p.Schema = r.mod("schema")
		_, err := r.SetQuota(r.t.Context(), "default", "default", func(berth.Amounts) berth.Amounts {
			return berth.Amounts{berth.DimensionCPU: 0}
		})
		r.ok(err)
		r.conflicts(p)
	})
}

// Plans in flight side by side share no block: what else is the tenant's waits for the answer.
// There are more workers than requests, or it would be for their ledgers that plans wait.
func TestQuota_OneInFlight(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 400 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%03d", i)))
		}
		d, stop := r.daemon()
		r.limit(d, "a", 20_000)
		f := r.slowly(time.Millisecond)
		var calls sync.WaitGroup
		for i := range 150 {
			calls.Go(func() {
				s := r.submission(fmt.Sprintf("r%03d", i)).Spec
				s.Tenant = "a"
				res, err := d.Submit(r.t.Context(), []berth.Request{s})
				if err != nil || res[0].Err != nil {
					r.t.Errorf("submit: %v, %+v", err, res)
				}
			})
		}
		calls.Wait()
		r.passes(time.Second)
		r.conn.between(nil)
		f.mu.Lock()
		if len(f.shared) > 0 {
			r.t.Errorf("two transactions in flight on %v", f.shared)
		}
		f.mu.Unlock()
		info, err := d.Info(r.t.Context())
		r.ok(err)
		if info.Conflicts > 0 {
			r.t.Errorf("%d conflicts", info.Conflicts)
		}
		if q := r.quota(d, "a"); q.Used["cpu_milli"] != 15_000 {
			t.Errorf("not all are placed: %+v", q)
		}
		stop()
	})
}

// A daemon that has heard of a quota only by a conflict, and whose watch has not told of it yet,
// places nothing.
func TestQuota_AheadOfTheView(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		held := make(chan struct{})
		r.conn.hear(func(*pb.WatchResponse) { <-held })
		_, err := r.side().SetQuota(r.t.Context(), "a", "default", func(berth.Amounts) berth.Amounts {
			return berth.Amounts{berth.DimensionCPU: 0}
		})
		r.ok(err)
		r.run(d, "r", of("a"))
		r.run(d, "s", of("a"))
		if r.located("r", "s") > 0 {
			t.Error("placed beyond a quota that it could have known of")
		}
		r.conn.hear(nil)
		close(held)
		r.passes(time.Second)
		if r.located("r", "s") > 0 {
			t.Error("placed beyond a quota")
		}
		stop()
		checked()
	})
}

// Devices are counted by type, in thousandths: of the types that a request names, it gets one
// that its quota has room for.
func TestQuota_Devices(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
		r.ok(err)
		reg := r.registration(lease)
		reg.Capacity.Devices = []berth.Device{{Name: "g0", Type: "t4"}, {Name: "g1", Type: "t4"}, {Name: "g2", Type: "h100"}, {Name: "g3", Type: "h100"}}
		_, err = r.RegisterWorker(r.t.Context(), "w", reg)
		r.ok(err)
		d, stop := r.daemon()
		_, err = d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "default", Set: berth.Amounts{"devices.t4": 1500, "devices.h100": 0}})
		r.ok(err)
		synctest.Wait()
		asks := func(milli int64, types ...string) func(*berth.Request) {
			return func(s *berth.Request) {
				of("a")(s)
				s.Resources.Devices = []berth.DeviceDemand{{Types: types, Count: 1, Milli: milli}}
			}
		}
		r.run(d, "first", asks(1000, "h100", "t4"))
		if a, _ := r.allocation("w", "first"); a == nil || a.Share.Devices[0].Name > "g1" {
			t.Errorf("the first got %+v", a)
		}
		r.run(d, "second", asks(1000, "h100", "t4"))
		if s := r.state(d, "second"); s.Verdict == nil || s.Verdict.NeverFits || s.Verdict.Reasons[0].Detail != "devices.t4" || s.Verdict.Reasons[0].Best != 500 {
			t.Errorf("the second waits for %+v", s.Verdict)
		}
		r.run(d, "half", asks(500, "t4"))
		if r.located("half") != 1 {
			t.Error("half a device waits, though there is so much left")
		}
		r.run(d, "never", asks(1000, "h100"))
		if s := r.state(d, "never"); s.Verdict == nil || !s.Verdict.NeverFits {
			t.Errorf("what its quota has none of waits for %+v", s.Verdict)
		}
		r.run(d, "any", asks(1000))
		if s := r.state(d, "any"); s.State != berth.StatePending || s.Verdict == nil || s.Verdict.Reasons[0].Code != berth.ReasonQuota {
			t.Errorf("one of any type is %s: %+v", s.State, s.Verdict)
		}
		r.runs("w", "first")
		r.reported("w", "first", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		if r.located("second", "any") != 1 {
			t.Error("nothing is placed when a device is free again")
		}
		stop()
	})
}

// A group is placed whole within its tenant's quota, or waits.
func TestQuota_OfAGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "a", 250)
		g := r.group("g", 4, 3)
		g.Tenant = "a"
		r.submitGroup(d, g)
		r.passes(time.Second)
		if n := r.located("g.0", "g.1", "g.2", "g.3"); n != 0 {
			t.Errorf("%d members are placed", n)
		}
		s, err := d.Group(r.t.Context(), "g")
		r.ok(err)
		if s.Verdict == nil || s.Verdict.Reasons[0].Code != berth.ReasonQuota {
			t.Errorf("it waits for %+v", s.Verdict)
		}
		r.limit(d, "a", 300)
		r.passes(time.Second)
		if n := r.located("g.0", "g.1", "g.2", "g.3"); n != 3 {
			t.Errorf("%d members are placed, of 3 that the quota has room for", n)
		}
		r.limit(d, "a", 400)
		r.passes(time.Second)
		if n := r.located("g.0", "g.1", "g.2", "g.3"); n != 4 {
			t.Errorf("%d members are placed under a larger quota", n)
		}
		stop()
	})
}

// Setting what is set already, and taking back what there is not, leaves the schema: plans conflict by that.
func TestQuota_SetToWhatItIs(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.limit(d, "a", 250)
		was := r.kv("schema").ModRevision
		r.limit(d, "a", 250)
		if _, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "other", All: true}); !errors.Is(err, daemon.ErrNotFound) {
			t.Errorf("no quota there: %v", err)
		}
		if is := r.kv("schema").ModRevision; is != was {
			t.Errorf("the schema is put at %d again, of %d", is, was)
		}
		r.limit(d, "a", 300)
		if is := r.kv("schema").ModRevision; is == was {
			t.Error("the schema is not put though the limit changed")
		}
		stop()
	})
}

// TestQuota_NeverIsListed: of what no worker could ever take a list says so, too, not that its quota has no room for it.
func TestQuota_NeverIsListed(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		r.lives("w")
		r.limit(d, "a", capacity.CPUMilli)
		r.run(d, "a1", slots("a", 6))
		r.run(d, "never", func(q *berth.Request) {
			slots("a", 6)(q)
			q.Constraints = []berth.Constraint{{Label: "none", Operator: berth.OperatorExists}}
		})
		r.run(d, "later", slots("a", 6))
		r.passes(time.Second)
		if v := r.state(d, "never").Verdict; v == nil || !v.NeverFits || v.Reasons[0].Code != berth.ReasonConstraint || !tellsOf(v, berth.ReasonQuota) {
			t.Errorf("told: %+v", v)
		}
		if v := r.state(d, "later").Verdict; v == nil || v.NeverFits || v.Reasons[0].Code != berth.ReasonQuota {
			t.Errorf("told: %+v", v)
		}
	})
}
