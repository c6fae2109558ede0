package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Two types of devices are guaranteed to a tenant, which uses all that it may of one, or has too little left of it, and has lent the other. What may have either
// gets the one that is lent, as what may have that alone does: it is reclaimed, or comes back as what uses it ends.

// fullType is a worker with as many devices of each type as a is guaranteed. a uses so much of one type, b has borrowed all of the other. a waits so
// long for what it has lent; less than nothing: for ever.
func (r *rig) fullType(d *daemon.Daemon, full, lent string, n, used int64, after time.Duration) {
	r.t.Helper()
	for tenant, part := range map[berth.TenantID]int64{"a": n, "b": 0} {
		most := n * berth.WholeDevice
		c := daemon.QuotaChange{
			Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{berth.DeviceDimension(full): most, berth.DeviceDimension(lent): most},
			Guarantee: berth.Amounts{berth.DeviceDimension(full): part * berth.WholeDevice, berth.DeviceDimension(lent): part * berth.WholeDevice},
		}
		if ms := after.Milliseconds(); tenant == "a" && after >= 0 {
			c.ReclaimAfterMS = &ms
		}
		_, err := d.SetQuota(r.t.Context(), c)
		r.ok(err)
	}
	for i := range (used + berth.WholeDevice - 1) / berth.WholeDevice {
		id := fmt.Sprint("own", i)
		r.run(d, id, func(q *berth.Request) {
			wants("a", full)(q)
			q.Resources.Devices[0].Milli = min(used-i*berth.WholeDevice, berth.WholeDevice)
		})
		r.passes(time.Second)
		r.runs("w", id)
	}
	for i := range n {
		id := fmt.Sprint("b", i)
		r.run(d, id, wants("b", lent))
		r.passes(time.Second)
		r.runs("w", id)
	}
}

func TestLoanTypes_OtherIsFull(t *testing.T) {
	orders := map[string][]string{"full first": {"a100", "h100"}, "lent first": {"h100", "a100"}, "any": nil}
	for _, full := range []string{"a100", "h100"} { // of what names none the types are gone through by their names
		lent := "h100"
		if full == lent {
			lent = "a100"
		}
		for name, types := range orders {
			if full == "h100" && len(types) > 0 {
				continue // as the other way round
			}
			for _, used := range []int64{1000, 500} {
				for _, after := range []time.Duration{0, 6 * time.Second, -1} {
					for _, n := range []int{1, 3} {
						t.Run(fmt.Sprint(full, " ", name, " ", used, " ", after, " ", n), func(t *testing.T) {
							bubble(t, func(r *rig) {
								defer r.livesWithOnly("w", "h100", "a100")()
								checked := r.checked()
								ds, stop := r.several(n)
								r.fullType(ds[0], full, lent, 1, used, after)
								r.run(ds[n-1], "x", wants("a", types...))
								r.passes(3 * time.Second) // less than anybody waits
								r.isTold(ds[0], after, "x", lent)
								r.passes(max(after-2*time.Second, 0))
								r.givesBack(after, "b0")
								if r.are("x") != 1 {
									t.Errorf("it waits: %+v; a %s, b %s", r.state(ds[0], "x").Verdict, r.record("a"), r.record("b"))
								}
								r.quiet()
								stop()
								checked()
							})
						})
					}
				}
			}
		}
	}
}

// isTold has a request be told that it waits for a type of devices, and whom its tenant wants that back from, before those have to give it back.
func (r *rig) isTold(d *daemon.Daemon, after time.Duration, id, kind string) {
	r.t.Helper()
	if after == 0 {
		return
	}
	now := r.state(d, id)
	then, err := d.ExplainAt(r.t.Context(), now.ID, daemon.Moment{Revision: berth.Revision(r.revision())})
	r.ok(err)
	for _, v := range []*berth.Verdict{now.Verdict, then.Verdict} {
		r.tells(v, id, kind)
	}
}

func (r *rig) tells(v *berth.Verdict, id, kind string) {
	r.t.Helper()
	if v == nil || !slices.ContainsFunc(v.Reasons, func(x berth.Reason) bool {
		return x.Code == berth.ReasonQuota && x.Detail == string(berth.DeviceDimension(kind)) && slices.Contains(x.Tenants, "b")
	}) {
		r.t.Errorf("%s is told %+v, want that %s of b's comes back", id, v, kind)
	}
}

// givesBack has those who were told to stop end, or the last where nothing is reclaimed.
func (r *rig) givesBack(after time.Duration, last string) {
	r.t.Helper()
	told := []string{last}
	if after >= 0 {
		if told = r.stoppedFor(berth.StopReclaim, ids("b", 4)...); len(told) != 1 {
			r.t.Fatalf("%v are told to stop, want one of b's: a %s, b %s", told, r.record("a"), r.record("b"))
		}
	}
	r.stops(told...)
	r.passes(4 * time.Second)
}

// Members of a group get what is left of the one type, and of what is lent no more than the rest: the fewest end.
func TestLoanTypes_OtherIsFullForGroup(t *testing.T) {
	for name, types := range map[string][]string{"full first": {"a100", "h100"}, "lent first": {"h100", "a100"}, "any": nil} {
		for _, c := range []struct{ size, need, used int64 }{{1, 1, 2000}, {2, 2, 1000}, {3, 1, 2000}} {
			for _, after := range []time.Duration{0, 6 * time.Second, -1} {
				for _, n := range []int{1, 3} {
					t.Run(fmt.Sprint(name, " ", c, " ", after, " ", n), func(t *testing.T) {
						bubble(t, func(r *rig) {
							defer r.livesWithOnly("w", "h100", "h100", "a100", "a100")()
							checked := r.checked()
							ds, stop := r.several(n)
							r.fullType(ds[0], "a100", "h100", 2, c.used, after)
							g := r.group("g", c.size, c.need)
							wants("a", types...)(&g)
							r.submitGroup(ds[0], g)
							r.passes(3 * time.Second)
							r.isTold(ds[0], after, "g.0", "h100")
							r.passes(max(after-2*time.Second, 0))
							r.givesBack(after, "b0")
							if got := int64(r.are("g.0", "g.1", "g.2")); got != c.need {
								t.Errorf("%d are placed: %+v; a %s, b %s", got, r.state(ds[0], "g.0").Verdict, r.record("a"), r.record("b"))
							}
							r.quiet()
							stop()
							checked()
						})
					})
				}
			}
		}
	}
}

// All that waits wants back at once what it could have, each beside those before it.
func TestLoanTypes_OtherIsFullForSeveral(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithOnly("w", "h100", "a100", "t4")()
		checked := r.checked()
		d, stop := r.daemon()
		h100, a100, t4 := berth.DeviceDimension("h100"), berth.DeviceDimension("a100"), berth.DeviceDimension("t4")
		ms := (20 * time.Second).Milliseconds()
		for tenant, g := range map[berth.TenantID]int64{"a": 1000, "b": 0, "d": 0} {
			c := daemon.QuotaChange{
				Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: 1000, a100: 1000, t4: 1000}, Guarantee: berth.Amounts{h100: g, a100: g, t4: g},
			}
			if g > 0 {
				c.ReclaimAfterMS = &ms
			}
			_, err := d.SetQuota(r.t.Context(), c)
			r.ok(err)
		}
		for _, one := range [][3]string{{"own", "a", "a100"}, {"b0", "b", "h100"}, {"d0", "d", "t4"}} {
			r.run(d, one[0], wants(berth.TenantID(one[1]), one[2]))
			r.passes(time.Second)
			r.runs("w", one[0])
		}
		for i := range 2 {
			r.run(d, fmt.Sprint("x", i), func(q *berth.Request) {
				wants("a", "a100", "h100", "t4")(q)
				q.Priority = int32(i) // each for itself
			})
		}
		r.passes(21 * time.Second)
		r.stops(r.stoppedFor(berth.StopReclaim, "b0", "d0")...)
		r.passes(2 * time.Second)
		r.stops(r.stoppedFor(berth.StopReclaim, "b0", "d0")...)
		r.passes(2 * time.Second)
		if r.are("x0", "x1") != 2 {
			t.Errorf("they wait: %+v; a %s, b %s, d %s", r.state(d, "x0").Verdict, r.record("a"), r.record("b"), r.record("d"))
		}
		r.quiet()
		stop()
		checked()
	})
}

// Of two types that are lent it wants that back of which some worker has as many devices as it asks for, and no other.
func TestLoanTypes_OtherIsFullAndSmall(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithOnly("w", "a100", "a100")()
		defer r.livesWithOnly("w2", "h100")()
		defer r.livesWithOnly("w3", "h100")()
		d, stop := r.daemon()
		h100, a100 := berth.DeviceDimension("h100"), berth.DeviceDimension("a100")
		ms := int64(0)
		for tenant, g := range map[berth.TenantID]int64{"a": 2000, "b": 0} {
			c := daemon.QuotaChange{Tenant: tenant, Pool: "default", All: true, Set: berth.Amounts{h100: 2000, a100: 2000}, Guarantee: berth.Amounts{h100: g, a100: g}}
			if g > 0 {
				c.ReclaimAfterMS = &ms
			}
			_, err := d.SetQuota(r.t.Context(), c)
			r.ok(err)
		}
		for i, kind := range []string{"h100", "h100", "a100", "a100"} {
			id := fmt.Sprint("b", i)
			r.run(d, id, wants("b", kind))
			r.passes(time.Second)
			for _, k := range r.held() {
				if w, of, _ := strings.Cut(k, "/"); of == id {
					r.runs(w, id)
				}
			}
		}
		r.run(d, "x", func(q *berth.Request) {
			wants("a", "h100", "a100")(q)
			q.Resources.Devices[0].Count = 2
		})
		r.passes(5 * time.Second)
		if told := strings.Join(r.stoppedFor(berth.StopReclaim, ids("b", 4)...), " "); told != "b2 b3" {
			t.Errorf("%q are told to stop, want both that have an a100: a %s, b %s", told, r.record("a"), r.record("b"))
		}
		stop()
	})
}

// With several demands it wants as much back as all of them could have of it.
func TestLoanTypes_OtherIsFullForSeveralDemands(t *testing.T) {
	for name, types := range map[string][2][]string{"both": {{"a100", "h100"}, {"a100", "h100"}}, "other first": {{"h100", "a100"}, {"a100", "h100"}}, "any": {}, "one": {{"h100"}, {"a100", "h100"}}} {
		for _, what := range []string{"request", "group"} {
			for _, n := range []int{1, 3} {
				t.Run(fmt.Sprint(name, " ", what, " ", n), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.livesWithOnly("w", "h100", "h100", "a100", "a100")()
						checked := r.checked()
						ds, stop := r.several(n)
						r.fullType(ds[0], "a100", "h100", 2, 2000, 5*time.Second)
						x, id := r.submission("x").Spec, "x"
						if what == "group" {
							x, id = r.group("x", 1, 1), "x.0"
						}
						wants("a", types[0]...)(&x)
						x.StartTimeoutMS = 3_600_000
						x.Resources.Devices = append(x.Resources.Devices, berth.DeviceDemand{Count: 1, Milli: berth.WholeDevice, Types: types[1]})
						r.submitGroup(ds[0], x)
						r.passes(3 * time.Second)
						r.tells(r.state(ds[0], id).Verdict, id, "h100")
						r.passes(3 * time.Second)
						r.stops(r.stoppedFor(berth.StopReclaim, "b0", "b1")...)
						r.passes(4 * time.Second)
						if r.are(id) != 1 {
							t.Errorf("it waits: a %s, b %s", r.record("a"), r.record("b"))
						}
						r.quiet()
						stop()
						checked()
					})
				})
			}
		}
	}
}
