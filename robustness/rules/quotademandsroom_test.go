package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// presses is a request with several demands for devices, each of one of these types, for which others make room.
func presses(t berth.TenantID, demands ...[]string) func(*berth.Request) {
	return func(q *berth.Request) {
		wants(t, demands[0]...)(q)
		q.Priority, q.Preemption = 50, berth.PreemptionLower
		for _, types := range demands[1:] {
			q.Resources.Devices = append(q.Resources.Devices, berth.DeviceDemand{Count: 1, Milli: berth.WholeDevice, Types: types})
		}
	}
}

// Of a request with several demands for devices the first could have the type of which its quota has enough for one alone, and then
// there is no device for the second. With the other choice of types others could make room: they do, whether they run, or have
// not started, and it gets that when they have ended.
func TestQuotaTypes_RoomByAnotherChoice(t *testing.T) {
	for _, started := range []bool{true, false} {
		for daemons := 1; daemons <= 2; daemons++ {
			t.Run(fmt.Sprintf("started: %t, daemons: %d", started, daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100", "a100")()
					ds, stop := r.several(daemons)
					r.limitTypes(ds[0], "limited", map[string]int64{"a100": 1})
					for _, id := range []string{"x", "y"} {
						r.run(ds[0], id, wants("free", "a100"))
						if started {
							r.runs("w", id)
						}
					}
					r.passes(time.Second)
					r.run(ds[0], "both", presses("limited", []string{"h100", "a100"}, []string{"a100", "t4"}))
					r.passes(5 * time.Second)
					if told, _ := r.told(); started && len(told) != 1 {
						t.Fatalf("told to stop: %v; %+v", told, r.state(ds[0], "both").Verdict)
					} else if started {
						r.exits("w", told[0])
						r.passes(5 * time.Second)
					}
					if r.located("both") == 0 || r.located("x", "y") != 1 {
						t.Fatalf("on workers are %v: %+v", r.held(), r.state(ds[0], "both").Verdict)
					}
					r.sameAgain(ds[0], "both")
					r.quiet()
					stop()
				})
			})
		}
	}
}

// sameAgain has a placement decided again, with who made room for it.
func (r *rig) sameAgain(d *daemon.Daemon, id berth.RequestID) {
	r.t.Helper()
	got, err := d.Replay(r.t.Context(), id, 0)
	r.ok(err)
	if got.Outcome != daemon.ReplaySame || got.Victims == nil || got.Victims.Outcome != daemon.ReplaySame {
		r.t.Errorf("%s, replayed: %s %s: on %s, and would be on %+v; who made room: %+v", id, got.Outcome, got.Why, got.Worker, got.Again, got.Victims)
	}
}

// The first choice of types takes two to make room, and another one: that one does.
func TestQuotaTypes_RoomByTheCheapestChoice(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w", "a100", "t4")()
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"a100": 1})
		r.run(d, "x", wants("free", "a100"))
		for i := range 2 {
			r.run(d, fmt.Sprint("half", i), func(q *berth.Request) {
				wants("free", "t4")(q)
				q.Resources.Devices[0].Milli = berth.WholeDevice / 2
			})
		}
		for _, id := range []string{"x", "half0", "half1"} {
			r.runs("w", id)
		}
		r.run(d, "both", presses("limited", []string{"h100", "a100"}, []string{"t4", "a100"}))
		r.passes(5 * time.Second)
		if told, _ := r.told(); fmt.Sprint(told) != "[x]" {
			t.Fatalf("told to stop: %v; %+v", told, r.state(d, "both").Verdict)
		}
		stop()
	})
}

// Others make room where its quota leaves it one of two types of devices. What it gets when they have ended is that, though a device
// of the other is free beside it: it does not lose what others have ended for.
func TestQuotaTypes_RoomIsOfTheTypesClaimed(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w", "a100")()
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"h100": 0, "a100": 1})
		r.run(d, "x", wants("free", "a100"))
		r.runs("w", "x")
		r.run(d, "now", presses("limited", []string{"h100", "a100"}))
		r.run(d, "third", wants("third", "a100"))
		r.passes(5 * time.Second)
		if told, _ := r.told(); len(told) != 1 {
			t.Fatalf("told to stop: %v; %+v", told, r.state(d, "now").Verdict)
		}
		r.exits("w", "x")
		a, mod := r.allocation("w", "now")
		if at := r.mod("states/x"); a == nil || mod != at {
			t.Fatalf("on workers are %v: %+v", r.held(), r.state(d, "now").Verdict)
		}
		r.sameAgain(d, "now")
		stop()
	})
}

// Others could make room for what fits nowhere with the types of which its quota has some left, on a device of a type that another
// daemon has taken, and does not use: for one that waits there for a worker that has two. They do.
func TestQuotaTypes_RoomOfIdleElsewhere(t *testing.T) {
	for i := range 6 { // either daemon plans some of them
		bubbleSub(t, fmt.Sprint(i), func(r *rig) {
			defer r.livesWithDevices("w", "t4", "t4")()
			for n := range 4 {
				r.joins(berth.WorkerID(fmt.Sprint("without", n)))
			}
			ds, stop := r.several(2)
			r.limitTypes(ds[0], "limited", map[string]int64{"t4": 1, "h100": 1})
			two := func(kind string) func(*berth.Request) {
				return func(q *berth.Request) {
					wants("free", kind)(q)
					q.Resources.Devices[0].Count, q.Priority = 2, 60
				}
			}
			r.run(ds[0], "two-t4", two("t4"))
			r.run(ds[0], "two-h100", two("h100"))
			r.passes(time.Second)
			r.run(ds[0], "pair", func(q *berth.Request) {
				wants("limited", "t4")(q)
				q.Resources.Devices[0].Count, q.Resources.Devices[0].Milli = 2, 500
			})
			r.passes(time.Second)
			defer r.livesWithDevices("v", "t4")()
			r.run(ds[0], "more-h100", two("h100"))
			r.run(ds[0], "low", wants("free", "t4"))
			r.passes(20 * time.Second)
			id := fmt.Sprint("small", i)
			r.run(ds[1], id, func(q *berth.Request) {
				presses("limited", []string{"h100", "t4"})(q)
				q.Resources.Devices[0].Milli = 500
			})
			r.passes(30 * time.Second)
			if r.located(id) != 1 || r.located("low") != 0 {
				t.Errorf("on workers are %v: %+v, %s", r.held(), r.state(ds[0], id).Verdict, r.record("limited"))
			}
			r.quiet()
			stop()
		})
	}
}

// Of no one type its quota, or the workers that others could leave, have enough for all members that must begin together, but of two types
// together they do: others make room for so many of each.
func TestQuotaTypes_RoomForMembersOfBoth(t *testing.T) {
	for name, tt := range map[string]struct {
		devices []string // beside two h100
		limits  map[string]int64
		demands int
	}{
		"quota for one type, devices of two":     {[]string{"a100", "a100"}, map[string]int64{"h100": 2, "a100": 4}, 1},
		"devices for one type, quota for two":    {[]string{"h100", "h100", "a100", "a100"}, map[string]int64{"h100": 2, "a100": 2}, 1},
		"the other way":                          {[]string{"a100", "a100", "a100", "a100"}, map[string]int64{"h100": 2, "a100": 2}, 1},
		"members ask twice, and get one of each": {[]string{"h100", "h100", "a100", "a100", "a100", "a100"}, map[string]int64{"h100": 4, "a100": 4}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", tt.devices...)()
				d, stop := r.daemon()
				var low []string
				for i, kind := range append([]string{"h100", "h100"}, tt.devices...) {
					low = append(low, fmt.Sprint("low", i))
					r.run(d, low[i], wants("free", kind))
					r.runs("w", low[i])
				}
				r.limitTypes(d, "limited", tt.limits)
				g := r.pressing("g", 4, 4, 50)
				presses("limited", []string{"h100", "a100"})(&g)
				for len(g.Resources.Devices) < tt.demands {
					g.Resources.Devices = append(g.Resources.Devices, g.Resources.Devices[0])
				}
				r.submitGroup(d, g)
				r.passes(10 * time.Second)
				told, _ := r.told()
				if len(told) != 4*tt.demands {
					t.Fatalf("told to stop: %v; %+v", told, r.state(d, "g.0").Verdict)
				}
				for _, id := range told {
					r.exits("w", id)
				}
				r.passes(10 * time.Second)
				if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 4 {
					t.Errorf("%d are placed: %v; %+v, %s", n, r.held(), r.state(d, "g.0").Verdict, r.record("limited"))
				}
				r.quiet()
				stop()
			})
		})
	}
}
