package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A demand for devices that names no type gets those that its tenant's quota has room for, while another type is used up, or
// forbidden.
func TestQuotaAnyType_AnotherIsFree(t *testing.T) {
	for name, limits := range map[string]map[string]int64{"forbidden": {"h100": 0}, "one": {"h100": 1}, "of each": {"h100": 1, "t4": 2}} {
		for daemons := 1; daemons <= 2; daemons++ {
			t.Run(fmt.Sprint(name, " ", daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "t4", "t4")()
					ds, stop := r.several(daemons)
					r.limitTypes(ds[0], "limited", limits)
					for i := range 4 {
						r.run(ds[i%daemons], fmt.Sprint("r", i), wants("limited"))
					}
					r.passes(30 * time.Second)
					want := 2 + int(limits["h100"])
					if n := r.are("r0", "r1", "r2", "r3"); n != want {
						t.Errorf("%d are placed, and %d could be", n, want)
					}
					r.quiet()
					stop()
				})
			})
		}
	}
}

// What was found to get a device of a type that its quota has none of any more gets another.
func TestQuotaAnyType_TakenByAnother(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")()
		ds, stop := r.several(2)
		r.limitTypes(ds[0], "limited", map[string]int64{"h100": 2})
		for i := range 6 {
			r.run(ds[i%2], fmt.Sprint("r", i), wants("limited"))
		}
		r.passes(10 * time.Second)
		defer r.livesWithDevices("v", "t4", "t4")()
		r.passes(30 * time.Second)
		if n := r.are("r0", "r1", "r2", "r3", "r4", "r5"); n != 4 {
			t.Errorf("%d are placed, and 4 could be", n)
		}
		r.quiet()
		stop()
	})
}

// So do the members of a group.
func TestQuotaAnyType_Group(t *testing.T) {
	for name, limits := range map[string]map[string]int64{"forbidden": {"h100": 0}, "one": {"h100": 1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", "t4", "t4")()
				d, stop := r.daemon()
				r.limitTypes(d, "limited", limits)
				g := r.group("g", 2, 2)
				wants("limited")(&g)
				r.submitGroup(d, g)
				r.passes(20 * time.Second)
				if n := r.are("g.0", "g.1"); n != 2 {
					t.Errorf("%d of the group are placed: %+v", n, r.state(d, "g.0").Verdict)
				}
				stop()
			})
		})
	}
}

// When the quota has more of another type, what waits for a worker with those that it had gets one of that.
func TestQuotaAnyType_LimitRaised(t *testing.T) {
	for _, of := range []string{"request", "group"} {
		t.Run(of, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w", "t4")()
				d, stop := r.daemon()
				r.run(d, "other", func(q *berth.Request) { wants("other", "t4")(q) })
				r.limitTypes(d, "limited", map[string]int64{"h100": 0})
				id := "one"
				if of == "request" {
					r.run(d, id, wants("limited"))
				} else {
					g := r.group("g", 2, 1)
					wants("limited")(&g)
					r.submitGroup(d, g)
					id = "g.0"
				}
				r.passes(5 * time.Second)
				if v := r.state(d, id).Verdict; v == nil {
					t.Error("it waits, and nothing says why")
				}
				r.limitTypes(d, "limited", map[string]int64{"h100": 2})
				r.passes(10 * time.Second)
				if r.are(id) != 1 {
					t.Errorf("it waits: %+v", r.state(d, id).Verdict)
				}
				stop()
			})
		})
	}
}

// What fits nowhere with the types that its tenant's quota leaves it keeps no other tenant's from the others.
func TestQuotaTypes_OthersMayHaveThem(t *testing.T) {
	for name, types := range map[string][]string{"named": {"h100", "t4"}, "any": nil} {
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprint(name, " waits ", when), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "t4")()
					d, stop := r.daemon()
					r.limitTypes(d, "limited", map[string]int64{"h100": 0})
					for _, id := range []string{"h0", "h1", "t4"} {
						r.run(d, id, wants("other", map[bool]string{true: "t4", false: "h100"}[id == "t4"]))
					}
					if when == "after" {
						r.run(d, "free", wants("other", types...))
					}
					r.run(d, "limited", wants("limited", types...))
					r.passes(5 * time.Second)
					r.ends("w", "h0")
					r.passes(5 * time.Second)
					if when == "before" {
						r.run(d, "free", wants("other", types...))
						r.passes(10 * time.Second)
					}
					if r.are("free") != 1 || r.are("limited") != 0 {
						t.Errorf("another tenant's waits: %+v", r.state(d, "free").Verdict)
					}
					stop()
				})
			})
		}
	}
}

// A tenant of which nothing is limited that its request needs: the block is counted from the revision that makes it.
func TestQuotaTypes_BlockIsCounted(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")() // two h100
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"a100": 0})
		r.run(d, "x", wants("limited", "h100"))
		stop()
	})
}

// What its quota leaves a type that nobody has keeps no daemon busy.
func TestQuotaTypes_QuietBesideForbidden(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")() // two h100; nobody has a t4
				ds, stop := r.several(n)
				r.limitTypes(ds[0], "limited", map[string]int64{"t4": 1, "h100": 0})
				for i := range 8 {
					r.run(ds[0], fmt.Sprint("x", i), wants("limited", "h100", "t4"))
				}
				r.quiet()
				stop()
			})
		})
	}
}

// Of a group that names no type as many are placed as its quota has enough for.
func TestQuotaTypes_UntypedForFewer(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")() // two h100
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"h100": 1})
		g := r.group("g", 2, 1)
		wants("limited")(&g)
		r.submitGroup(d, g)
		r.passes(time.Minute)
		if n := r.are("g.0", "g.1"); n != 1 {
			t.Errorf("%d are placed: %+v", n, r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// A group gets a limited type of which no daemon has taken any yet, though another type is allowed to it, of which there is none.
func TestQuotaTypes_GroupGetsAnother(t *testing.T) {
	for _, least := range []int64{1, 2} {
		t.Run(fmt.Sprint(least), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")() // two h100
				d, stop := r.daemon()
				r.limitTypes(d, "limited", map[string]int64{"h100": 2})
				g := r.group("g", 2, least)
				wants("limited", "a100", "h100")(&g)
				r.submitGroup(d, g)
				r.passes(time.Minute)
				if n := r.are("g.0", "g.1"); n != 2 {
					t.Errorf("%d are placed: %+v", n, r.state(d, "g.0").Verdict)
				}
				stop()
			})
		})
	}
}

// A type that others would lend is borrowed where there is a device of it, and none of the type that is allowed.
func TestQuotaTypes_LentIsFree(t *testing.T) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")() // two h100
				ds, stop := r.several(n)
				h100 := berth.DeviceDimension("h100")
				for tenant, guaranteed := range map[berth.TenantID]int64{"a": 0, "b": 1000} {
					_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{
						Tenant: tenant, Pool: "default", All: true,
						Set: berth.Amounts{h100: 2000, berth.DeviceDimension("a100"): 2000}, Guarantee: berth.Amounts{h100: guaranteed},
					})
					r.ok(err)
				}
				r.run(ds[0], "x", wants("a", "a100", "h100"))
				r.passes(time.Minute)
				if r.are("x") != 1 {
					t.Errorf("x waits: %+v; a %s, b %s", r.state(ds[0], "x").Verdict, r.record("a"), r.record("b"))
				}
				stop()
			})
		})
	}
}

// A group for which no one type's quota is enough gets devices of several types, and no more of each than the quota has.
func TestQuotaTypes_GroupOfSeveral(t *testing.T) {
	for name, types := range map[string][]string{"named": {"h100", "t4"}, "any": nil} {
		for _, least := range []int64{3, 2} {
			for daemons := 1; daemons <= 2; daemons++ {
				t.Run(fmt.Sprint(name, " ", least, " ", daemons), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.livesWithDevices("w", "t4", "t4", "t4")()
						ds, stop := r.several(daemons)
						r.limitTypes(ds[0], "limited", map[string]int64{"h100": 1, "t4": 2})
						g := r.group("g", 4, least)
						wants("limited", types...)(&g)
						r.submitGroup(ds[0], g)
						r.passes(20 * time.Second)
						if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 3 {
							t.Errorf("%d are placed: %+v", n, r.state(ds[0], "g.0").Verdict)
						}
						r.quiet()
						stop()
					})
				})
			}
		}
	}
}

// It is placed when the quota has more of one of them, and not before.
func TestQuotaTypes_GroupOfSeveralLater(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w", "t4")()
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"h100": 1, "t4": 3})
		g := r.group("g", 3, 3)
		wants("limited", "h100", "t4")(&g)
		r.submitGroup(d, g)
		r.passes(20 * time.Second)
		if r.are("g.0", "g.1", "g.2") != 0 || r.state(d, "g.0").Verdict == nil {
			t.Error("it is placed, or nothing says why it is not")
		}
		r.limitTypes(d, "limited", map[string]int64{"h100": 2, "t4": 3})
		r.passes(20 * time.Second)
		if r.are("g.0", "g.1", "g.2") != 3 {
			t.Errorf("it waits: %+v", r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// A group that waits while its quota is set anew is placed then with as many members as that has enough for.
func TestQuotaTypes_GroupWhileSetAnew(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")() // two h100
		d, stop := r.daemon()
		r.limitTypes(d, "limited", map[string]int64{"h100": 0, "t4": 3})
		r.run(d, "x", func(q *berth.Request) { wants("limited")(q); q.Resources.Devices = nil })
		g := r.group("g", 4, 2)
		wants("limited", "h100", "t4")(&g)
		r.submitGroup(d, g)
		r.passes(20 * time.Second)
		r.limitTypes(d, "limited", map[string]int64{"h100": 2})
		r.passes(20 * time.Second)
		if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 2 {
			t.Errorf("%d are placed: %+v", n, r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// So are those that wait, also when others like them have come, or gone, meanwhile.
func TestQuotaTypes_LimitRaisedForSeveral(t *testing.T) {
	for _, what := range []string{"comes", "goes"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")() // two h100
				d, stop := r.daemon()
				r.limitTypes(d, "limited", map[string]int64{"h100": 0})
				r.run(d, "one", wants("limited", "h100", "a100"))
				if what == "goes" {
					r.run(d, "two", wants("limited", "h100", "a100"))
				}
				r.passes(5 * time.Second)
				if what == "comes" {
					r.run(d, "two", wants("limited", "h100", "a100"))
				} else {
					_, err := d.Cancel(r.t.Context(), "two", "")
					r.ok(err)
				}
				r.passes(5 * time.Second)
				r.limitTypes(d, "limited", map[string]int64{"h100": 2})
				r.passes(10 * time.Second)
				if r.are("one") != 1 {
					t.Errorf("it waits: %+v", r.state(d, "one").Verdict)
				}
				stop()
			})
		})
	}
}

// What has fitted nowhere with the types that are left gets one that another daemon has taken, and does not use: for one that
// waits there for a worker that has two.
func TestQuotaAnyType_IdleElsewhere(t *testing.T) {
	for i := range 6 { // either daemon plans some of them
		for _, types := range [][]string{nil, {"h100", "t4"}} {
			bubbleSub(t, fmt.Sprint(i, types), func(r *rig) {
				defer r.livesWithDevices("w", "t4", "t4")()
				for n := range 4 {
					r.joins(berth.WorkerID(fmt.Sprint("without", n)))
				}
				ds, stop := r.several(2)
				r.limitTypes(ds[0], "limited", map[string]int64{"t4": 1, "h100": 1})
				both := func(q *berth.Request) { q.Resources.Devices[0].Count = 2 }
				for _, kind := range []string{"t4", "h100"} {
					r.run(ds[0], "two-"+kind, func(q *berth.Request) { wants("free", kind)(q); both(q) })
				}
				r.passes(time.Second)
				r.run(ds[0], "pair", func(q *berth.Request) { wants("limited", "t4")(q); both(q); q.Resources.Devices[0].Milli = 500 })
				r.passes(time.Second)
				defer r.livesWithDevices("v", "t4")()
				r.run(ds[0], "more-h100", func(q *berth.Request) { wants("free", "h100")(q); both(q) })
				r.passes(20 * time.Second)
				id := fmt.Sprint("small", i)
				r.run(ds[1], id, func(q *berth.Request) { wants("limited", types...)(q); q.Resources.Devices[0].Milli = 500 })
				r.passes(30 * time.Second)
				if r.located(id) == 0 {
					t.Errorf("it waits though a half of one is free: %s", r.record("limited"))
				}
				r.quiet()
				stop()
			})
		}
	}
}
