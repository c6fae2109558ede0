package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// some asks for so much of a tenant's quota, and may take its time to start.
func some(t berth.TenantID, milli int64) func(*berth.Request) {
	return func(s *berth.Request) { s.Tenant, s.Resources.CPUMilli, s.StartTimeoutMS = t, milli, 30_000_000 }
}

// several are so many daemons of one store.
func (r *rig) several(n int) (ds []*daemon.Daemon, stop func()) {
	r.t.Helper()
	return r.apart(make([]time.Duration, n)...)
}

// apart is several, each with a clock that is wrong by so much.
func (r *rig) apart(skews ...time.Duration) (ds []*daemon.Daemon, stop func()) {
	r.t.Helper()
	var stops []func()
	for i, skew := range skews {
		id := fmt.Sprint("d", i)
		d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: id}), daemon.Options{ID: berth.DaemonID(id), Now: func() time.Time { return time.Now().Add(skew) }})
		ds, stops = append(ds, d), append(stops, stop)
	}
	r.passes(time.Second)
	return ds, func() { endAll(stops) }
}

func endAll(ends []func()) {
	for _, end := range ends {
		end()
	}
}

// quiet says that nothing is written any more.
func (r *rig) quiet() {
	r.t.Helper()
	r.passes(20 * time.Second)
	before := r.revision()
	r.passes(5 * time.Second)
	if after := r.revision(); after != before {
		r.t.Errorf("%d transactions though nothing happens", after-before)
	}
}

// record is a tenant's as it is in the store.
func (r *rig) record(t berth.TenantID) string {
	if kv := r.kv("tenants/" + string(t)); kv != nil {
		return string(kv.Value)
	}
	return ""
}

// Two tenants each wait for more than is guaranteed to them: one after the other borrows of the other,
// with however many daemons, and what is kept is what would help nobody.
func TestLoan_EachWaitsForMore(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.several(n)
				r.guarantee(ds[0], "a", 400, 200)
				r.guarantee(ds[0], "b", 400, 200)
				all := []string{"a1", "b1", "a2", "b2"}
				for i, id := range all {
					r.run(ds[i%n], id, some(berth.TenantID(id[:1]), 300+10*int64(i/2))) // of two sizes: the second goes on waiting when the first is lent something
				}
				turns := ""
				for range all {
					r.quiet()
					if r.located(all...) != 1 {
						t.Fatalf("%d of the large ones are placed, want one: a %s, b %s", r.located(all...), r.record("a"), r.record("b"))
					}
					for _, id := range all {
						if r.located(id) == 1 {
							turns += id[:1]
							r.ends("w", id)
							break // the next may be placed already
						}
					}
				}
				if turns != "abab" && turns != "baba" {
					t.Errorf("tenants had their turns as %s", turns)
				}
				r.passes(30 * time.Second)
				for _, of := range []berth.TenantID{"a", "b"} {
					if rec := r.record(of); strings.Contains(rec, "lent") || strings.Contains(rec, "borrowed") || strings.Contains(rec, "waits") {
						t.Errorf("all has ended, and the record of %s is %s", of, rec)
					}
				}
				stop()
			})
		})
	}
}

// Who waits for what is guaranteed to it gets that, whoever has waited for a loan for longer; and who has waited
// for longest is lent what others wait in vain for.
func TestLoan_OwnComesFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.guarantee(d, "a", 900, 300)
		r.guarantee(d, "b", 900, 300)
		r.guarantee(d, "c", 900, 300)
		for _, id := range ids("c", 4) { // one of the four by a loan
			r.run(d, id, some("c", 100))
		}
		r.passes(time.Second)
		r.run(d, "a1", some("a", 600))
		r.run(d, "b1", some("b", 600))
		r.quiet()
		if r.located("a1", "b1") != 0 {
			t.Errorf("placed beyond what is there: %d", r.located("a1", "b1"))
		}
		r.run(d, "b2", some("b", 300))
		r.quiet()
		lender := "a"
		if strings.Contains(r.record("b"), `"lent"`) {
			lender = "b"
		}
		if n := r.located("b2"); n != map[string]int{"a": 1, "b": 0}[lender] {
			t.Errorf("of what is guaranteed to b and lent by %s %d are placed: %s", lender, n, r.record("b"))
		}
		for _, id := range ids("c", 4) {
			r.ends("w", id)
		}
		r.quiet()
		if r.located("b2") != 1 || r.located("a1") != 1 {
			t.Errorf("placed are b2 %d, a1 %d: a %s, b %s", r.located("b2"), r.located("a1"), r.record("a"), r.record("b"))
		}
		r.ends("w", "a1")
		r.ends("w", "b2")
		r.quiet()
		if r.located("b1") != 1 {
			t.Errorf("the last one waits: %s", r.record("b"))
		}
		stop()
	})
}

// What can be placed by no loan keeps no loan, and wants none back: for it is more than the limit, or than is
// guaranteed to all, or no worker is like that. Others borrow what its tenant does not use.
func TestLoan_WaitsInVain(t *testing.T) {
	for _, tt := range []struct {
		name string
		as   func(*berth.Request)
	}{
		{"more than its limit", some("a", 901)},
		{"more than is guaranteed to all", some("a", 601)},
		{"more than its limit with what it uses", some("a", 850)},
		{"no worker has that label", func(s *berth.Request) {
			some("a", 200)(s)
			s.Constraints = []berth.Constraint{{Label: "no", Operator: berth.OperatorIn, Values: []string{"such"}}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				r.guarantee(d, "a", 900, 300)
				r.guarantee(d, "b", 900, 300)
				for _, id := range ids("a", 4) { // the fourth by a loan
					r.run(d, id, some("a", 100))
				}
				r.run(d, "vain", tt.as)
				r.passes(time.Second)
				for _, id := range ids("a", 3) {
					r.ends("w", id)
				}
				r.quiet()
				if rec := r.record("a"); strings.Contains(rec, "borrowed") || strings.Contains(rec, "waits") {
					t.Errorf("the record of a is %s", rec)
				}
				for _, id := range ids("b", 6) {
					r.run(d, id, some("b", 100))
				}
				r.quiet()
				if n := r.located(ids("b", 6)...); n != 5 {
					t.Errorf("%d of b are placed, want 3 of what is guaranteed to it and 2 of what is to a: %s", n, r.record("a"))
				}
				if rec := r.record("a"); strings.Contains(rec, "recalled") {
					t.Errorf("something is wanted back: %s", rec)
				}
				stop()
			})
		})
	}
}

// What no worker was large enough for waits for what is guaranteed to its tenant when one comes that is.
func TestLoan_WorkerComes(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.guarantee(d, "a", 2000, 2000)
		r.guarantee(d, "b", 2000, 0)
		for _, id := range ids("b", 8) {
			r.run(d, id, some("b", 100))
		}
		r.passes(time.Second)
		r.run(d, "a1", some("a", 1500)) // a worker has 1000
		r.quiet()
		if rec := r.record("a"); strings.Contains(rec, "recalled") {
			t.Errorf("wanted back for what no worker is large enough for: %s", rec)
		}
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		large := r.registration(lease)
		large.Capacity.CPUMilli *= 2
		_, err = r.RegisterWorker(r.t.Context(), "v", large)
		r.ok(err)
		r.passes(time.Second)
		if rec := r.record("a"); !strings.Contains(rec, "recalled") {
			t.Errorf("not wanted back though a worker has come that is large enough: %s", rec)
		}
		for _, id := range ids("b", 3) {
			r.ends("w", id)
		}
		r.passes(time.Second)
		if r.located("a1") != 1 {
			t.Errorf("not placed though enough has come back: %s", r.record("a"))
		}
		stop()
	})
}

// Who waits is told who has borrowed of its part, whose turn comes before, and who lends nothing for it waits
// for its own part.
func TestLoan_Explained(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		ds, stop := r.several(1)
		d := ds[0]
		for _, of := range []berth.TenantID{"a", "b", "c"} {
			r.guarantee(d, of, 900, 300)
		}
		stand := func(id string) *berth.QuotaStand {
			e, err := d.Explain(r.t.Context(), berth.RequestID(id))
			r.ok(err)
			if len(e.Verdict.Reasons) == 0 || e.Verdict.Reasons[0].Stands == nil {
				t.Fatalf("%s waits for %+v", id, e.Verdict)
			}
			return e.Verdict.Reasons[0].Stands
		}
		r.run(d, "a1", some("a", 600))
		r.run(d, "c0", some("c", 200))
		r.passes(time.Second)
		r.run(d, "b1", some("b", 500))
		r.passes(time.Second)
		r.run(d, "c1", some("c", 550))
		r.passes(time.Second)
		if s := stand("b1"); !slices.Equal(s.Borrowers, []berth.TenantID{"a"}) || s.Idle != 100 || s.Ever != 900 || len(s.Ahead) > 0 {
			t.Errorf("b stands as %+v", s)
		}
		if s := stand("c1"); !slices.Equal(s.Ahead, []berth.TenantID{"b"}) || s.Idle != 0 {
			t.Errorf("c stands as %+v", s)
		}
		r.run(d, "b2", some("b", 300))
		r.passes(time.Second)
		if s := stand("c1"); !slices.Equal(s.Keeping, []berth.TenantID{"b"}) {
			t.Errorf("c stands as %+v, while b waits for what it has lent", s)
		}
		stop()
	})
}
