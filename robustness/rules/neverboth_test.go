package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// groupOf is what a verdict tells of the workers of a group that waits for its quota, or nil.
func groupOf(v *berth.Verdict) *berth.Reason {
	if v == nil || len(v.Reasons) == 0 || v.Reasons[0].Code != berth.ReasonQuota {
		return nil
	}
	i := slices.IndexFunc(v.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonGroup })
	if i < 0 {
		return nil
	}
	return &v.Reasons[i]
}

// toldOfGroup is why a group waits, by all who tell that.
func (r *rig) toldOfGroup(d *daemon.Daemon) map[string]*berth.Verdict {
	r.t.Helper()
	now, err := d.Explain(r.t.Context(), "g.0")
	r.ok(err)
	then, err := d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: berth.Revision(r.revision())})
	r.ok(err)
	whole, err := d.Group(r.t.Context(), "g")
	r.ok(err)
	return map[string]*berth.Verdict{"explain": now.Verdict, "explain of the past": then.Verdict, "the group": whole.Verdict}
}

// Of what asks for more than its tenant's whole quota, and than any worker could ever take, both are told: a larger quota alone
// would not help.
func TestNeverFits_QuotaAndWorkers(t *testing.T) {
	for name, tt := range fitsNever {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				w, v := r.twos("w", "x"), r.twos("v", "y")
				d, stop := r.daemon()
				r.limit(d, "a", 50)
				r.submitGroup(d, r.hundreds("a", tt.members, tt.edit))
				r.run(d, "alone", some("a", 500))
				r.passes(time.Second)
				told, out := r.toldOfGroup(d), r.foretold(&snapshot.Change{})
				of := func(id berth.RequestID) *snapshot.Outcome {
					return &out[slices.IndexFunc(out, func(o snapshot.Outcome) bool { return o.Request == id })]
				}
				told["the forecast"] = of("g.0").Verdict
				for who, v := range told {
					if g := groupOf(v); g == nil || !v.NeverFits || g.Want != tt.members || g.Ever >= g.Want {
						r.t.Errorf("%s tells of the group %+v", who, v)
					}
				}
				e, err := d.Explain(r.t.Context(), "alone")
				r.ok(err)
				for who, v := range map[string]*berth.Verdict{"explain": e.Verdict, "the forecast": of("alone").Verdict} {
					if !v.NeverFits || v.Reasons[0].Code != berth.ReasonQuota || v.Reasons[len(v.Reasons)-1].Code != berth.ReasonCPU {
						r.t.Errorf("%s tells of the request %+v", who, v)
					}
				}
				if e.Nearest == nil || of("alone").Nearest == nil {
					r.t.Errorf("nearest comes %+v, in the forecast %+v", e.Nearest, of("alone").Nearest)
				}
				stop()
				w()
				v()
			})
		})
	}
}

// Workers that could take a group, were they empty, are told of only while they have no room for it, and not as those that never could.
func TestNeverFits_QuotaAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		w, v := r.twos("w", "x"), r.twos("v", "y")
		d, stop := r.daemon()
		r.limit(d, "a", 50)
		r.submitGroup(d, r.hundreds("a", 4, nil))
		r.passes(time.Second)
		tells := func(busy bool) {
			r.t.Helper()
			for who, v := range r.toldOfGroup(d) {
				g := groupOf(v)
				if v == nil || !v.NeverFits || v.Reasons[0].Code != berth.ReasonQuota || (g != nil) != busy || busy && g.Ever < g.Want {
					r.t.Errorf("%s tells, with busy workers %v, %+v", who, busy, v)
				}
			}
		}
		tells(false)
		r.run(d, "busy", some("b", 200))
		r.passes(time.Second)
		tells(true)
		stop()
		w()
		v()
	})
}
