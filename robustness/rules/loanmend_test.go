package rules

import (
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/invariant"
	"github.com/berthd/berth/robustness/memetcd"
)

// fsck is what is wrong with the store now.
func (r *rig) fsck() (out []string) {
	r.t.Helper()
	rep, err := invariant.CheckStore(r.t.Context(), memetcd.NewClient(r.t.Context(), r.conn.Direct), "/berth/", invariant.Options{})
	r.ok(err)
	for _, v := range rep.Violations {
		out = append(out, v.Clause+" "+v.Key)
	}
	return out
}

// Somebody deletes the record of one side of a loan, or takes the loan off it: fsck says so, and the other side gives
// it up, a borrower as what uses it ends. Of blocks without their tenant's record, there is one again.
func TestLoan_RecordDeletedByHand(t *testing.T) {
	without := func(r *rig, t berth.TenantID, words ...string) {
		rec := r.record(t)
		for _, w := range words {
			rec = strings.ReplaceAll(rec, w, "")
		}
		_, err := r.client.Put(r.t.Context(), "/berth/tenants/"+string(t), rec)
		r.ok(err)
	}
	gone := func(r *rig, t berth.TenantID) {
		_, err := r.client.Delete(r.t.Context(), "/berth/tenants/"+string(t), clientv3.WithPrevKV())
		r.ok(err)
	}
	for _, tt := range []struct {
		name string
		do   func(*rig)
		says string // of fsck then
		ends bool   // before it is mended
	}{
		{"the lender's record", func(r *rig) { gone(r, "a") }, "7.10 tenants/b", true},
		{"the borrower's record", func(r *rig) { gone(r, "b") }, "7.10 tenants/a", false},
		{"what was lent", func(r *rig) { without(r, "a", `,"lent":{"b":{"cpu_milli":300}}`) }, "7.10 tenants/b", true},
		{"what was borrowed", func(r *rig) { without(r, "b", `,"borrowed":{"a":{"cpu_milli":300}}`) }, "7.10 tenants/a", false},
		{"what was taken", func(r *rig) { without(r, "b", `"taken":{"cpu_milli":500},`) }, "7.1 tenants/b", false},
	} {
		for n := 1; n <= 3; n += 2 {
			t.Run(tt.name, func(t *testing.T) {
				bubble(t, func(r *rig) {
					_, kill := r.lives("w")
					defer kill()
					ds, stop := r.several(n)
					r.guarantee(ds[0], "a", 300, 300)
					r.guarantee(ds[0], "b", 1000, 200)
					for i, id := range []string{"b0", "b1"} {
						r.run(ds[i%n], id, some("b", []int64{200, 300}[i]))
					}
					r.passes(time.Second)
					stop()
					tt.do(r)
					if got := strings.Join(r.fsck(), ", "); !strings.Contains(got, tt.says) {
						t.Errorf("fsck says %q, want %q", got, tt.says)
					}
					_, stop = r.several(n)
					r.quiet()
					if tt.ends {
						if got := r.fsck(); len(got) == 0 {
							t.Error("mended while what was borrowed is in use")
						}
						r.ends("w", "b1")
						r.passes(30 * time.Second)
					}
					r.quiet()
					if got := r.fsck(); len(got) > 0 {
						t.Errorf("fsck says %v: a %s, b %s", got, r.record("a"), r.record("b"))
					}
					r.ends("w", "b0")
					if !tt.ends {
						r.ends("w", "b1")
					}
					r.quiet()
					if rec := r.record("a") + r.record("b"); strings.Contains(rec, "lent") || strings.Contains(rec, "borrowed") || strings.Contains(rec, "taken") {
						t.Errorf("all has ended: a %s, b %s", r.record("a"), r.record("b"))
					}
					stop()
				})
			})
		}
	}
}

// A daemon that runs sees to it as one that starts does.
func TestLoan_RecordDeletedMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		ds, stop := r.several(1)
		d := ds[0]
		r.guarantee(d, "a", 300, 300)
		r.guarantee(d, "b", 1000, 0)
		r.run(d, "b0", some("b", 300))
		r.passes(time.Second)
		_, err := r.client.Delete(r.t.Context(), "/berth/tenants/a")
		r.ok(err)
		r.ends("w", "b0")
		r.passes(20 * time.Second)
		if got := r.fsck(); len(got) > 0 {
			t.Errorf("fsck says %v: b %s", got, r.record("b"))
		}
		_, err = d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "default", Set: berth.Amounts{berth.DimensionCPU: 300}, Guarantee: berth.Amounts{berth.DimensionCPU: 300}})
		r.ok(err)
		r.run(d, "b1", some("b", 300))
		r.passes(time.Second)
		if r.located("b1") != 1 {
			t.Errorf("what is guaranteed again is not lent: a %s", r.record("a"))
		}
		stop()
	})
}
