package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of a request with several demands for devices each could have the type of which its quota has enough for one of them alone, and
// no device of the other is free: it waits for that, and is not tried again and again.
func TestQuotaTypes_SeveralDemands(t *testing.T) {
	for name, limits := range map[string]map[string]int64{"of each": {"h100": 1, "t4": 1}, "of one": {"h100": 1}, "none of a third": {"h100": 1, "t4": 1, "a100": 0}} {
		for what, types := range map[string][]string{"any": nil, "named": {"t4", "h100"}} {
			t.Run(name+", "+what, func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "t4", "t4")()
					d, stop := r.daemon()
					r.limitTypes(d, "limited", limits)
					for _, id := range []string{"x", "y"} {
						r.run(d, id, wants("free", "t4"))
					}
					r.passes(time.Second)
					r.run(d, "both", func(q *berth.Request) {
						wants("limited", types...)(q)
						q.Resources.Devices = append(q.Resources.Devices, q.Resources.Devices[0])
					})
					r.passes(10 * time.Second)
					if r.located("both") > 0 {
						t.Errorf("it has more than its quota: %s", r.record("limited"))
					}
					r.ends("w", "x")
					r.passes(30 * time.Second)
					if r.located("both") == 0 {
						t.Errorf("it waits though one of each is free: %s", r.record("limited"))
					}
					r.quiet()
					stop()
				})
			})
		}
	}
}

// Of a request with several demands for devices what its quota has of each type is used up, and would be enough when that ends: it
// is not told that it never fits.
func TestQuotaTypes_SeveralDemandsUsedUp(t *testing.T) {
	for name, second := range map[string][]string{"the same": {"h100", "t4"}, "one of them": {"h100"}, "any": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", "t4", "t4", "h100", "h100")()
				d, stop := r.daemon()
				r.limitTypes(d, "limited", map[string]int64{"h100": 1, "t4": 1})
				r.run(d, "x", wants("limited", "h100"))
				r.run(d, "y", wants("limited", "t4"))
				r.passes(time.Second)
				r.run(d, "both", func(q *berth.Request) {
					wants("limited", "h100", "t4")(q)
					q.Resources.Devices = append(q.Resources.Devices, berth.DeviceDemand{Types: second, Count: 1, Milli: 1000})
				})
				r.passes(10 * time.Second)
				e, err := d.Explain(r.t.Context(), "both")
				if err != nil || e.Verdict == nil {
					t.Fatalf("%+v, %v", e, err)
				}
				if e.Verdict.NeverFits || e.Verdict.Reasons[0].Code != berth.ReasonQuota {
					t.Errorf("the verdict is %+v", e.Verdict)
				}
				r.ends("w", "x")
				r.passes(2 * time.Second)
				r.ends("w", "y")
				r.passes(10 * time.Second)
				if r.located("both") == 0 {
					t.Errorf("it waits though one of each is free: %s", r.record("limited"))
				}
				r.quiet()
				stop()
			})
		})
	}
}

// Each member of a group asks for half a device and for a whole one, and of no one type its quota has enough for either of all
// members. They get some of each, and no more of it than there is, as soon as that is enough for those that must begin; and it can
// be told again why.
func TestQuotaTypes_DemandsOfMembers(t *testing.T) {
	for name, types := range map[string][]string{"named": {"h100", "t4"}, "any": nil} {
		for daemons := 1; daemons <= 2; daemons++ {
			t.Run(fmt.Sprint(name, " ", daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("v", "t4", "t4")()
					defer r.livesWithDevices("w", "t4", "t4")()
					ds, stop := r.several(daemons)
					r.limitTypes(ds[0], "limited", map[string]int64{"h100": 3, "t4": 2})
					g := r.group("g", 4, 4)
					wants("limited", types...)(&g)
					half := g.Resources.Devices[0]
					half.Milli = berth.WholeDevice / 2
					g.Resources.Devices = append([]berth.DeviceDemand{half}, g.Resources.Devices...)
					r.submitGroup(ds[0], g)
					r.passes(20 * time.Second)
					members := []string{"g.0", "g.1", "g.2", "g.3"}
					if v := r.state(ds[0], "g.0").Verdict; r.are(members...) != 0 || v == nil || !v.NeverFits {
						t.Errorf("it is placed, or could be by less than it needs: %+v", v)
					}
					r.limitTypes(ds[0], "limited", map[string]int64{"h100": 3, "t4": 3})
					r.passes(20 * time.Second)
					if n := r.are(members...); n != 4 {
						t.Errorf("%d are placed: %+v", n, r.state(ds[0], "g.0").Verdict)
					}
					for _, id := range members {
						got, err := ds[0].Replay(r.t.Context(), berth.RequestID(id), 0)
						r.ok(err)
						if got.Outcome != daemon.ReplaySame {
							t.Errorf("%s, replayed: %s %s: on %s, and would be on %+v, by %+v", id, got.Outcome, got.Why, got.Worker, got.Again, got.Basis)
						}
					}
					r.quiet()
					stop()
				})
			})
		}
	}
}
