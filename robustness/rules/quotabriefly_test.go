package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What is told in brief of a member of a group that waits for its quota is of one moment: as much is left as what is used leaves,
// though the group is judged again only when something ends. Explain says the same, with whichever daemon it waits.
func TestQuota_GroupToldInBrief(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		ds, stop := r.several(2)
		r.limit(ds[0], "a", 800)
		r.run(ds[0], "first", of("a"))
		g := r.whole("g", 8)
		g.Tenant, g.Resources.CPUMilli = "a", 100
		r.submitGroup(ds[0], g)
		r.passes(time.Second)
		told := func(when string, want int64) {
			t.Helper()
			for i, d := range ds {
				s := r.state(d, "g.0")
				if s.Verdict == nil || len(s.Verdict.Reasons) == 0 || s.Verdict.Reasons[0].Code != berth.ReasonQuota {
					t.Fatalf("%s, %d: %+v", when, i, s.Verdict)
				}
				is := s.Verdict.Reasons[0]
				if is.Want != 800 || is.Best != want || is.Stands == nil || is.Stands.Used != 800-want {
					t.Errorf("%s, daemon %d: it wants %d, %d is left, %+v; want %d left of 800", when, i, is.Want, is.Best, is.Stands, want)
				}
				e, err := d.Explain(r.t.Context(), "g.0")
				r.ok(err)
				if in := e.Verdict.Reasons[0]; in.Want != is.Want || in.Best != is.Best || in.Stands.Used != is.Stands.Used {
					t.Errorf("%s, daemon %d: explained %+v, in brief %+v", when, i, in, is)
				}
			}
		}
		told("first", 700)
		for _, id := range []string{"second", "third"} {
			r.run(ds[0], id, of("a"))
			r.passes(time.Second)
		}
		told("after others of its tenant", 500)
		r.limit(ds[0], "a", -1)
		r.passes(time.Second)
		if s := r.state(ds[1], "g.0"); s.Verdict != nil && s.Verdict.Reasons[0].Code == berth.ReasonQuota {
			t.Errorf("without a limit: %+v", s.Verdict)
		}
		stop()
		checked()
	})
}
