package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// foretold is what a forecast tells of the store as it is now.
func (r *rig) foretold(change *snapshot.Change) []snapshot.Outcome {
	r.t.Helper()
	s := snapshot.New(snapshot.Header{Revision: berth.Revision(r.revision())})
	_, err := r.ScanAt(r.t.Context(), s.Revision, snapshot.Kinds, func(f berth.Fact) error { s.Put(f); return nil })
	r.ok(err)
	out, err := s.Forecast(change)
	r.ok(err)
	return out
}

// large has a group want more in all than the 490 that are left of its quota.
func large(q *berth.Request, members int64, edit func(*berth.Request)) {
	if edit != nil {
		edit(q)
	}
	q.Resources.CPUMilli = max(q.Resources.CPUMilli, 510/members)
}

// A forecast says of a group, or a request, that fits nowhere, were all workers empty, that it never does, also where its quota
// has no room: as a daemon does.
func TestForecast_FitsNeverBeforeItsQuota(t *testing.T) {
	for name, tt := range fitsNever {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				w, v := r.twos("w", "x"), r.twos("v", "y")
				d, stop := r.daemon()
				r.limit(d, "a", 550)
				r.run(d, "small", some("a", 60))
				r.submitGroup(d, r.hundreds("a", tt.members, func(q *berth.Request) { large(q, tt.members, tt.edit) }))
				alone := r.submission("alone").Spec
				some("a", 500)(&alone)
				r.run(d, "alone", func(q *berth.Request) { *q = alone })
				r.passes(time.Second)
				out := r.foretold(&snapshot.Change{})
				for _, id := range []berth.RequestID{"g.0", "alone"} {
					e, err := d.Explain(r.t.Context(), id)
					r.ok(err)
					i := slices.IndexFunc(out, func(o snapshot.Outcome) bool { return o.Request == id })
					want, got := e.Verdict, out[i].Verdict
					if want == nil || got == nil || !got.NeverFits || !want.NeverFits || got.Reasons[0].Code != want.Reasons[0].Code {
						r.t.Errorf("of %s a daemon tells %+v, the forecast %+v", id, want, got)
					}
				}
				stop()
				w()
				v()
			})
		})
	}
}

// What fits nowhere keeps no forecast from lending what its tenant leaves idle, as it keeps no daemon.
func TestForecast_BorrowsBesideWhatFitsNever(t *testing.T) {
	for name, tt := range fitsNever {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				w, v := r.twos("w", "x"), r.twos("v", "y")
				d, stop := r.daemon()
				r.guarantee(d, "a", 550, 450)
				r.guarantee(d, "b", 500, 50)
				r.run(d, "small", some("a", 60))
				r.submitGroup(d, r.hundreds("a", tt.members, func(q *berth.Request) { large(q, tt.members, tt.edit) }))
				r.passes(time.Second)
				borrows := r.submission("borrows").Spec
				some("b", 150)(&borrows)
				out := r.foretold(&snapshot.Change{Requests: []berth.Request{borrows}})
				r.run(d, "borrows", func(q *berth.Request) { *q = borrows })
				r.passes(time.Second)
				i := slices.IndexFunc(out, func(o snapshot.Outcome) bool { return o.Request == "borrows" })
				if now := r.state(d, "borrows"); now.Worker == "" || out[i].Worker == "" {
					r.t.Errorf("it is on %q: %+v; the forecast says on %q: %+v", now.Worker, now.Verdict, out[i].Worker, out[i].Verdict)
				}
				stop()
				w()
				v()
			})
		})
	}
}

// TestForecast_ClaimBeyondTheQuota: nor does a plan place by its claim what its tenant's whole quota has no room for any more.
func TestForecast_ClaimBeyondTheQuota(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		d, stop := r.alone()
		defer stop()
		r.run(d, "v", sized(1000, 0))
		r.runs("w", "v")
		r.run(d, "now", func(q *berth.Request) { urgent(800, 5)(q); q.Tenant = "a" })
		r.passes(time.Second)
		r.limit(d, "a", 700)
		for _, o := range r.foretold(&snapshot.Change{}) {
			if o.Request == "now" && (o.Worker != "" || o.Verdict == nil || !o.Verdict.NeverFits || o.Verdict.Reasons[0].Code != berth.ReasonQuota) {
				t.Errorf("a plan says %+v", o)
			}
		}
		r.exits("w", "v")
		r.passes(2 * time.Second)
		if r.are("now") > 0 || r.are("v") != 1 {
			t.Errorf("held: %v", r.held())
		}
	})
}
