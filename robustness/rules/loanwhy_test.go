package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// toldAll are the first reasons why something waits: in a list, when it is explained, and by a plan.
func (r *rig) toldAll(d *daemon.Daemon, id berth.RequestID) (codes [3]berth.ReasonCode) {
	r.t.Helper()
	first := func(i int, v *berth.Verdict) {
		if v != nil && len(v.Reasons) > 0 {
			codes[i] = v.Reasons[0].Code
		}
	}
	first(0, r.state(d, string(id)).Verdict)
	e, err := d.Explain(r.t.Context(), id)
	r.ok(err)
	first(1, e.Verdict)
	for _, o := range r.foretold(&snapshot.Change{}) {
		if o.Request == id {
			first(2, o.Verdict)
		}
	}
	return codes
}

// Who would borrow beside its own, and lacks a worker, is told what the workers lack, and not its quota, also when a loan that was
// idle has gone back: that would be had at once. When nobody would lend it is its quota. And when the worker is there it has both.
func TestLoan_WhyWithoutAWorker(t *testing.T) {
	group := func(r *rig, d *daemon.Daemon, edit func(*berth.Request)) berth.RequestID {
		g := r.group("g", 2, 2)
		g.Tenant, g.StartTimeoutMS, g.Resources.CPUMilli = "a", 3_600_000, 300
		edit(&g)
		r.submitGroup(d, g)
		return "g.0"
	}
	single := func(r *rig, d *daemon.Daemon, edit func(*berth.Request)) berth.RequestID {
		r.run(d, "g", func(q *berth.Request) { some("a", 600)(q); edit(q) })
		return "g"
	}
	for name, c := range map[string]struct {
		submit func(*rig, *daemon.Daemon, func(*berth.Request)) berth.RequestID
		want   berth.ReasonCode
		ids    []string
	}{
		"a request": {single, berth.ReasonDevices, []string{"g"}},
		"a group":   {group, berth.ReasonGroup, []string{"g.0", "g.1"}},
	} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, ", daemons: ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					r.awaiting(n, func(d *daemon.Daemon) {
						r.guarantee(d, "a", 1600, 400)
						r.guarantee(d, "b", 1600, 400)
						id := c.submit(r, d, onGPUs)
						for range 8 {
							r.passes(5 * time.Second)
							if got := r.toldAll(d, id); got != [3]berth.ReasonCode{c.want, c.want, c.want} {
								t.Fatalf("a list, an explanation and a plan tell %v, want %s: a %s", got, c.want, r.record("a"))
							}
						}
						r.run(d, "uses", some("b", 350))
						r.passes(15 * time.Second)
						if got := r.toldAll(d, id); got != [3]berth.ReasonCode{berth.ReasonQuota, berth.ReasonQuota, berth.ReasonQuota} {
							t.Errorf("when nobody lends they tell %v: a %s", got, r.record("a"))
						}
						r.leave("uses")
						r.passes(15 * time.Second)
						r.leave("holds0", "holds1")
						if r.are(c.ids...) != len(c.ids) {
							t.Errorf("it waits beside idle workers: %v, a %s", r.held(), r.record("a"))
						}
					})
				})
			})
		}
	}
}

// A group that the workers could never take is told so in a list, too, where its quota has no room for it besides.
func TestLoan_NeverIsListed(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		r.lives("w")
		r.lives("v")
		r.guarantee(d, "a", 800, 600)
		r.guarantee(d, "b", 800, 0)
		r.run(d, "uses", some("b", 200))
		r.passes(15 * time.Second)
		g := r.group("g", 3, 3)
		g.Tenant, g.Resources.CPUMilli, g.Labels, g.AntiAffinity = "a", 200, map[string]string{"app": "k"}, near("k")
		r.submitGroup(d, g)
		for range 3 {
			r.passes(5 * time.Second)
			if got := r.toldAll(d, "g.0"); got != [3]berth.ReasonCode{berth.ReasonGroup, berth.ReasonGroup, berth.ReasonGroup} || !r.state(d, "g.0").Verdict.NeverFits {
				t.Fatalf("a list, an explanation and a plan tell %v: %+v", got, r.state(d, "g.0").Verdict)
			}
		}
	})
}
