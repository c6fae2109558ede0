package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// toldOf is what a group, and a member of it, is told of why it waits, now and of now.
func (r *rig) toldOf(d *daemon.Daemon, id berth.GroupID, member berth.RequestID) map[string]*berth.Verdict {
	r.t.Helper()
	s, err := d.Group(r.t.Context(), id)
	r.ok(err)
	now, err := d.Explain(r.t.Context(), member)
	r.ok(err)
	past, err := d.ExplainAt(r.t.Context(), member, daemon.Moment{Revision: now.Verdict.At})
	r.ok(err)
	if diff := cmp.Diff(now.Verdict, past.Verdict); diff != "" {
		r.t.Errorf("the verdict (-then +past):\n%s", diff)
	}
	return map[string]*berth.Verdict{"the group": s.Verdict, "a member": now.Verdict, "a member then": past.Verdict}
}

// Of the devices that are free now, a group's quota lets it have too few, and of others enough, which are in use: it is told what more
// would do now, and with that it is placed. What is kept for it stays kept.
func TestQuotaTypes_ThoseThatAreFree(t *testing.T) {
	for _, of := range []berth.TenantID{"a", "other"} {
		t.Run("the rest is held by "+string(of), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")()
				defer r.livesWithOnly("v", "a100", "a100")()
				d, stop := r.alone()
				defer stop()
				r.twoTypes(d, of)
				for name, v := range r.toldOf(d, "g", "g.0") {
					if got := lackOfTypes(v); got != "" {
						t.Errorf("nothing is free: %s is told %s; %+v", name, got, v)
					}
				}
				r.exits("w", "h0")
				r.exits("w", "h1")
				r.passes(3 * time.Second)
				told := r.toldOf(d, "g", "g.0")
				for name, v := range told {
					if got := lackOfTypes(v); got != "h100 2 for 2" {
						t.Errorf("%s is told %q; %+v", name, got, v)
					}
				}
				if n := r.keptDevices("w"); n != 1 {
					t.Errorf("%d devices are kept for a group that may have one", n)
				}
				if v := r.state(d, "g.0").Verdict; slices.ContainsFunc(v.Reasons, func(q berth.Reason) bool { return q.Code == berth.ReasonQuota }) {
					t.Errorf("it waits for its quota alone: %+v", v)
				}
				if t.Failed() {
					return
				}
				r.unblocks(d, told["the group"], map[string]int64{"h100": 1})
			})
		})
	}
}

// Who make room for the group, or cannot, is told as ever: where some do, it has too little of nothing.
func TestQuotaTypes_ThoseThatAreFree_AndWhoMakesRoom(t *testing.T) {
	for _, tt := range []struct {
		name     string
		priority int32
		first    berth.ReasonCode
		want     string
		vain     bool
	}{
		{"they do", 50, berth.ReasonClaim, "", false},
		{"they matter as much", 0, berth.ReasonGroup, "h100 2 for 2", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")()
				defer r.livesWithOnly("v", "a100", "a100")()
				d, stop := r.alone()
				defer stop()
				r.limitTypes(d, "a", map[string]int64{"h100": 1})
				for _, id := range []string{"a0", "a1"} {
					r.run(d, id, wants("other", "a100"))
					r.runs("v", id)
				}
				g := r.pressing("g", 2, 2, 0)
				wants("a", "h100", "a100")(&g)
				g.Priority = tt.priority
				r.submitGroup(d, g)
				r.passes(3 * time.Second)
				s, err := d.Group(r.t.Context(), "g")
				r.ok(err)
				vain := slices.ContainsFunc(s.Verdict.Reasons, func(q berth.Reason) bool { return q.Code == berth.ReasonPreemption })
				if s.Verdict.Reasons[0].Code != tt.first || lackOfTypes(s.Verdict) != tt.want || vain != tt.vain {
					t.Errorf("it is told %+v", s.Verdict)
				}
				past, err := d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: s.Verdict.At})
				r.ok(err)
				if past.Verdict.Reasons[0].Code != tt.first || lackOfTypes(past.Verdict) != tt.want {
					t.Errorf("it was told %+v", past.Verdict)
				}
			})
		})
	}
}
