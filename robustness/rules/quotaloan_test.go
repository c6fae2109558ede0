package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// guarantee sets a tenant's limit in cores, and how much of that is guaranteed to it.
func (r *rig) guarantee(d *daemon.Daemon, t berth.TenantID, most, guaranteed int64) {
	r.t.Helper()
	_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{
		Tenant: t, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: most}, Guarantee: berth.Amounts{berth.DimensionCPU: guaranteed},
	})
	r.ok(err)
	synctest.Wait()
}

// ends lets a request that is placed on a worker run, and end by itself.
func (r *rig) ends(w, id string) {
	r.t.Helper()
	r.runs(w, id)
	r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
}

func ids(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// What is guaranteed to one tenant and idle, another borrows; when the first one wants it, it gets
// it back as what uses it ends, and the borrower gets nothing more before.
func TestLoan_BorrowedAndGivenBack(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.guarantee(d, "a", 300, 300)
		r.guarantee(d, "b", 1000, 300)
		b := ids("b", 7)
		for _, id := range b {
			r.run(d, id, of("b"))
		}
		r.passes(time.Second)
		if n := r.located(b...); n != 6 {
			t.Errorf("%d are placed, of 3 that are guaranteed and 3 of another's that are idle", n)
		}
		if q := r.quota(d, "b"); q.Loans.Borrowed["a"][berth.DimensionCPU] != 300 || q.Allowed[berth.DimensionCPU] != 600 {
			t.Errorf("the borrower's quota is %+v", q)
		}
		r.run(d, "a0", of("a"))
		r.run(d, "a1", of("a"))
		r.passes(time.Second)
		if r.located("a0", "a1") != 0 {
			t.Error("placed though what is guaranteed is lent and in use")
		}
		s := r.state(d, "a0")
		if s.Verdict == nil || s.Verdict.NeverFits || !slices.Equal(s.Verdict.Reasons[0].Tenants, []berth.TenantID{"b"}) {
			t.Errorf("the lender's request waits for %+v, want that b has borrowed it", s.Verdict)
		}
		for i, want := range []int{1, 2} {
			r.ends("w", b[i])
			r.passes(time.Second)
			if n, more := r.located("a0", "a1"), r.located(b[6]); n != want || more != 0 {
				t.Errorf("after %d ends of the borrower's %d of the lender's are placed, and %d more of the borrower's", i+1, n, more)
			}
		}
		r.ends("w", b[2]) // nobody wants that back
		r.passes(time.Second)
		if r.located(b[6]) != 1 {
			t.Error("the borrower's next waits, though there is room for it")
		}
		for _, id := range append(b[3:], "a0", "a1") {
			r.ends("w", id)
		}
		r.passes(30 * time.Second)
		for _, t := range []berth.TenantID{"a", "b"} {
			if q := r.quota(d, t); len(q.Taken)+len(q.Loans.Lent)+len(q.Loans.Borrowed)+len(q.Loans.Recalled) != 0 {
				r.t.Errorf("of tenant %s is left %+v", t, q)
			}
		}
		stop()
	})
}

// Nobody borrows beyond its limit, nor what is not guaranteed, nor without anything guaranteed.
func TestLoan_Bounds(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(r *rig, d *daemon.Daemon)
		want int
	}{
		{"up to its limit", func(r *rig, d *daemon.Daemon) { r.guarantee(d, "b", 400, 300) }, 4},
		{"nothing is guaranteed to it", func(r *rig, d *daemon.Daemon) { r.limit(d, "b", 300) }, 3},
		{"with nothing of its own", func(r *rig, d *daemon.Daemon) { r.guarantee(d, "b", 1000, 0) }, 5},
		{"the lender is limited alone", func(r *rig, d *daemon.Daemon) { r.guarantee(d, "b", 1000, 100); r.limit(d, "a", 500) }, 1},
		{"the lender waits for what can never be", func(r *rig, d *daemon.Daemon) {
			r.run(d, "large", func(s *berth.Request) { s.Tenant, s.Resources.CPUMilli = "a", 600 })
			r.guarantee(d, "b", 1000, 100)
		}, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.worker("w")
				d, stop := r.daemon()
				r.guarantee(d, "a", 500, 500)
				tt.set(r, d)
				all := ids("b", 8)
				for _, id := range all {
					r.run(d, id, of("b"))
				}
				r.passes(time.Second)
				if n := r.located(all...); n != tt.want {
					t.Errorf("%d are placed, want %d", n, tt.want)
				}
				stop()
			})
		})
	}
}

// What is not guaranteed any more comes back by itself; and a tenant without limits keeps its record while
// it has lent something.
func TestLoan_WoundUp(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.guarantee(d, "a", 500, 500)
		r.guarantee(d, "b", 500, 0)
		for _, id := range ids("b", 3) {
			r.run(d, id, of("b"))
		}
		r.passes(time.Second)
		r.limit(d, "a", -1)
		r.passes(time.Second)
		if kv := r.kv("tenants/a"); kv == nil || !strings.Contains(string(kv.Value), `"recalled":{"b"`) {
			t.Errorf("the record of who has lent is %v", kv)
		}
		for _, id := range ids("b", 3) {
			r.ends("w", id)
		}
		r.passes(time.Second)
		if kv := r.kv("tenants/a"); kv != nil {
			t.Errorf("a record is left: %s", kv.Value)
		}
		if q := r.quota(d, "b"); len(q.Loans.Borrowed) != 0 {
			t.Errorf("%v are borrowed of nobody", q.Loans.Borrowed)
		}
		stop()
	})
}

// What waited for what is lent is cancelled: nothing is wanted back any more, and the borrower goes on.
func TestLoan_NotWantedAnyMore(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.guarantee(d, "a", 300, 300)
		r.guarantee(d, "b", 300, 0)
		for _, id := range ids("b", 4) {
			r.run(d, id, of("b"))
		}
		r.run(d, "a0", of("a"))
		r.passes(time.Second)
		if q := r.quota(d, "a"); q.Loans.Recalled.Of(berth.DimensionCPU) != 100 {
			t.Errorf("%v are wanted back, want 100", q.Loans.Recalled)
		}
		_, err := d.Cancel(r.t.Context(), "a0", "")
		r.ok(err)
		r.passes(time.Second)
		if q := r.quota(d, "a"); q.Loans.Recalled != nil {
			t.Errorf("%v are wanted back, though nothing waits", q.Loans.Recalled)
		}
		r.ends("w", "b0")
		r.passes(time.Second)
		if r.located("b3") != 1 {
			t.Error("the borrower's next waits, though nobody wants anything back")
		}
		stop()
	})
}

// A daemon waits for nothing more when another has cancelled what waited there: what is idle is lent then,
// and nobody else gives it back in vain.
func TestQuota_ShortOfWhatAnotherCancels(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d", "e"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: string(id)}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		r.passes(time.Second)
		r.limit(ds[0], "a", 300)
		all := ids("a", 12)
		for i, id := range all {
			r.run(ds[i%2], id, of("a"))
		}
		r.passes(time.Second)
		if kv := r.kv("tenants/a"); !strings.Contains(string(kv.Value), "short") {
			t.Errorf("nobody is short: %s", kv.Value)
		}
		for i, id := range all {
			if r.located(id) == 0 {
				_, err := ds[i/6].Cancel(r.t.Context(), berth.RequestID(id), "")
				r.ok(err)
			}
		}
		r.passes(time.Second)
		if kv := r.kv("tenants/a"); strings.Contains(string(kv.Value), "short") {
			t.Errorf("nothing waits, and somebody is short: %s", kv.Value)
		}
		for _, stop := range stops {
			stop()
		}
	})
}
