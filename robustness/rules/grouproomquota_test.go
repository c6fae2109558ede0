package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// What members get that name no types of devices is known only when room is found: nobody is told to
// stop for what the group's quota has no room for.
func TestGroupRoom_QuotaOfAnyDevice(t *testing.T) {
	for limit, want := range map[int64]int{berth.WholeDevice: 0, 2 * berth.WholeDevice: 2} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")()
				d, stop := r.daemon()
				one := []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice}}
				for _, id := range []string{"low0", "low1"} {
					r.run(d, id, func(q *berth.Request) { sized(100, 0)(q); q.Resources.Devices = one })
					r.runs("w", id)
				}
				_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "limited", Pool: "default", All: true, Set: berth.Amounts{berth.DeviceDimension("h100"): limit}})
				r.ok(err)
				r.passes(time.Second)
				g := r.pressing("g", 2, 2, 50)
				g.Tenant, g.Resources.CPUMilli, g.Resources.Devices = "limited", 100, one
				r.submitGroup(d, g)
				r.passes(3 * time.Second)
				if told, _ := r.told(); len(told) != want {
					t.Errorf("told to stop: %v, want %d", told, want)
				}
				stop()
			})
		})
	}
}

// Quota that a group has room in when others are told to make room for it is not used up, while they have their grace, by
// requests of its tenant that come after it: they would have stopped for nothing.
func TestGroupRoom_QuotaStaysFor(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		r.limit(d, "a", 2000)
		r.lives("w2")
		g := r.pressing("g", 2, 2, 50)
		g.Tenant = "a"
		r.run(d, "x", func(q *berth.Request) { sized(700, 90)(q) }) // w2 has no room for a member
		r.submitGroup(d, g)
		r.passes(2 * time.Second)
		told, _ := r.told()
		small := r.submission("small").Spec
		sizedOf("a", 200, 0)(&small)
		if on := r.foretoldOn(&snapshot.Change{Requests: []berth.Request{small}}); on["small"] != "" || on["g.0"] == "" {
			t.Errorf("a plan tells %v", on)
		}
		r.run(d, "small", sizedOf("a", 200, 0))
		r.passes(2 * time.Second)
		r.exitsAll()
		if r.are("g.0", "g.1") != 2 {
			t.Errorf("told %v; the group is not placed: %v", told, r.held())
		}
		stop()
	})
}

// Nor is what it is to have while some of them have ended, and leave room for others beside it; as a plan tells.
func TestGroupRoom_QuotaStaysWhileSomeEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		for i := range 2 {
			r.lives(berth.WorkerID(fmt.Sprint("w", i)))
			r.run(d, fmt.Sprint("low", i), sized(1000, 0))
		}
		on := r.held()[0]
		w, id, _ := strings.Cut(on, "/")
		r.runs(w, id) // the other has not started, and ends at once
		r.limit(d, "a", 1500)
		r.run(d, "small", sizedOf("a", 300, 0))
		g := r.pressing("g", 2, 2, 50)
		g.Tenant, g.Resources.CPUMilli = "a", 700
		r.passes(time.Second)
		told := r.foretoldOn(&snapshot.Change{Requests: []berth.Request{g}})
		r.submitGroup(d, g)
		r.passes(3 * time.Second)
		if r.located("low0", "low1") != 1 || r.located("small") != 0 {
			t.Errorf("held %v", r.held())
		}
		r.exits(w, id)
		r.passes(5 * time.Second)
		if told["g.0"] == "" || told["g.1"] == "" || told["small"] != "" || r.are("g.0", "g.1") != 2 || r.located("small") != 0 {
			t.Errorf("a plan tells %v, held %v", told, r.held())
		}
		stop()
	})
}

// While those who make room for a group end, what goes before it uses some of what its quota had for all of its members. Others have
// room made for as many as must begin together, for which there is enough.
func TestGroupRoom_QuotaForFewer(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.lives("w0")
		r.run(d, "w0-0", func(q *berth.Request) { sized(300, 0)(q); q.Tenant, q.StopTimeoutMS = "a", 500 })
		r.run(d, "stays", sized(300, 90))
		r.runs("w0", "w0-0")
		r.livesOf("w1", 1000, 2<<30)
		r.run(d, "fills", sized(600, 90))
		r.limit(d, "a", 2200)
		g := r.pressing("g", 4, 1, 50)
		g.Tenant, g.Resources.CPUMilli = "a", 500
		r.submitGroup(d, g)
		r.passes(20 * time.Second) // nothing is kept any more
		if told, _ := r.told(); len(told) != 1 {
			t.Fatalf("told %v", told)
		}
		before := r.submission("before").Spec
		sizedOf("a", 300, 60)(&before)
		before.Resources.MemoryBytes = 3 << 29 // w1 alone has so much
		go func() { _, _ = d.Submit(r.t.Context(), []berth.Request{before}) }()
		r.exits("w0", "w0-0")
		r.passes(5 * time.Second)
		r.exitsAll()
		if r.are("g.0") != 1 {
			t.Errorf("the group is not placed: %v; %+v", r.held(), r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// A group for which others make room, and whose quota has no room for it any more, waits for that, as all who ask are told: the end
// of the others would not do.
func TestGroupRoom_QuotaIsToldFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		r.limit(d, "a", 3000)
		r.lives("w2")
		r.run(d, "own", func(q *berth.Request) { sized(700, 90)(q); q.Tenant = "a" })
		g := r.pressing("g", 2, 2, 50)
		g.Tenant = "a"
		r.submitGroup(d, g)
		r.passes(time.Second)
		first := func(want berth.ReasonCode) {
			r.t.Helper()
			all := r.toldOf(d, "g", "g.0")
			all["a list"] = r.state(d, "g.0").Verdict
			for who, v := range all {
				if v == nil || v.Reasons[0].Code != want {
					t.Errorf("%s is told %+v, want %s first", who, v, want)
				}
			}
		}
		first(berth.ReasonClaim)
		r.limit(d, "a", 2500)
		for range 3 {
			r.passes(time.Second)
			first(berth.ReasonQuota)
		}
		r.limit(d, "a", 3000)
		r.passes(time.Second)
		first(berth.ReasonClaim)
		stop()
	})
}
