package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// limitTypes sets how many devices of types a tenant may have.
func (r *rig) limitTypes(d *daemon.Daemon, t berth.TenantID, most map[string]int64) {
	r.t.Helper()
	set := make(berth.Amounts)
	for kind, n := range most {
		set[berth.DeviceDimension(kind)] = n * berth.WholeDevice
	}
	_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: t, Pool: "default", All: true, Set: set})
	r.ok(err)
	r.passes(time.Second)
}

// wants is a device of one of these types.
func wants(t berth.TenantID, types ...string) func(*berth.Request) {
	return func(q *berth.Request) {
		sized(100, 0)(q)
		q.Tenant, q.Resources.Devices = t, []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: types}}
	}
}

// As many members as must begin together fit on devices of which the quota has enough for these, though not for all: they
// are placed. The group waits for ever for a type that nobody has, and is told that it never fits.
func TestQuotaTypes_ForFewer(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")()
		d, stop := r.daemon()
		_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "limited", Pool: "default", All: true, Set: berth.Amounts{berth.DeviceDimension("h100"): berth.WholeDevice}})
		r.ok(err)
		g := r.pressing("g", 4, 1, 50)
		g.Tenant, g.Resources.CPUMilli = "limited", 100
		g.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: []string{"h100", "a100"}}}
		r.submitGroup(d, g)
		r.passes(10 * time.Second)
		if r.are("g.0", "g.1", "g.2", "g.3") == 0 {
			t.Errorf("the group is not placed: %+v", r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// So are they where others have to make room for them.
func TestQuotaTypes_RoomForFewer(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")()
		d, stop := r.daemon()
		for _, id := range []string{"low0", "low1"} {
			r.run(d, id, wants("other"))
			r.runs("w", id)
		}
		r.limitTypes(d, "limited", map[string]int64{"h100": 1})
		g := r.pressing("g", 4, 1, 50)
		wants("limited", "h100", "a100")(&g)
		g.Priority = 50
		r.submitGroup(d, g)
		r.passes(10 * time.Second)
		told, _ := r.told()
		if len(told) != 1 {
			t.Fatalf("told %v: %+v", told, r.state(d, "g.0").Verdict)
		}
		r.exits("w", told[0])
		r.passes(5 * time.Second)
		if r.are("g.0", "g.1", "g.2", "g.3") != 1 {
			t.Errorf("the group is not placed: %v; %+v", r.held(), r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// What waits for a device of the type that its quota has enough of gets another one, as soon as its quota has more of that, or
// it has none.
func TestQuotaTypes_LimitRaised(t *testing.T) {
	for _, of := range []string{"request", "group"} {
		for to, limits := range map[string]map[string]int64{"one": {"h100": 1}, "all": {}} {
			t.Run(of+" to "+to, func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w")()
					d, stop := r.daemon()
					r.limitTypes(d, "limited", map[string]int64{"h100": 0})
					id := "one"
					if of == "request" {
						r.run(d, id, wants("limited", "h100", "a100"))
					} else {
						g := r.group("g", 2, 1)
						wants("limited", "h100", "a100")(&g)
						r.submitGroup(d, g)
						id = "g.0"
					}
					r.passes(5 * time.Second)
					r.limitTypes(d, "limited", limits)
					r.passes(10 * time.Second)
					if r.are(id) != 1 {
						t.Errorf("it waits: %+v", r.state(d, id).Verdict)
					}
					stop()
				})
			})
		}
	}
}

// A request that names several types gets a device of the one of which there is a free one and its quota has room, though no
// daemon has taken any of that yet: whether of the one before it as much as it likes is allowed, or some, or none.
func TestQuotaTypes_AnotherIsFree(t *testing.T) {
	for name, limits := range map[string]map[string]int64{
		"any of the first": {"h100": 2}, "some of the first": {"a100": 5, "h100": 2}, "none of the first": {"a100": 0, "h100": 2}, "and of a third": {"h100": 2, "t4": 3},
	} {
		for daemons := 1; daemons <= 2; daemons++ {
			t.Run(fmt.Sprint(name, " ", daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w")() // two h100
					ds, stop := r.several(daemons)
					r.limitTypes(ds[0], "limited", limits)
					for _, id := range []string{"one", "two", "three"} {
						r.run(ds[daemons-1], id, wants("limited", "a100", "t4", "h100"))
					}
					r.passes(20 * time.Second)
					if n := r.are("one", "two", "three"); n != 2 {
						t.Errorf("%d of three are placed on two devices: %+v", n, r.state(ds[0], "one").Verdict)
					}
					r.quiet()
					stop()
				})
			})
		}
	}
}
