package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What asks for more in one piece than is guaranteed to its tenant is placed by a loan, though small requests of the same
// tenant never cease to come, whichever daemon plans them. They borrow less than it needs, so what is allowed to the tenant never
// reaches that, and each end of theirs goes to the next of them.
func TestGathering_LoansStarveNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		daemons int
		group   bool
	}{
		{"a group", 1, true},
		{"a group, two daemons", 2, true},
		{"a group, three daemons", 3, true},
		{"a request", 1, false},
		{"a request, two daemons", 2, false},
		{"a request, three daemons", 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(tt.daemons)
				s := r.smallOnes(ds, 100)
				r.guarantee(ds[0], "a", 1000, 100)
				r.guarantee(ds[0], "b", 500, 500) // of which nothing is used: all of it may be lent
				s.more(3)
				r.passes(time.Second)
				r.run(ds[0], "large", func(q *berth.Request) {
					some("a", 500)(q)
					if tt.group {
						q.Resources.CPUMilli = 250
						q.Group = &berth.Membership{Size: 2, MinCount: 2}
						*q = q.Normalize()
					}
				})
				placed := func() bool { return r.located("large", "large.0", "large.1") > 0 }
				for i := 0; i < 60 && !placed(); i++ {
					s.step(time.Second)
				}
				if !placed() {
					t.Errorf("it waits after a minute, in which something ended each second: a %s, b %s", r.record("a"), r.record("b"))
				}
				s.stop()
				stop()
				checked()
			})
		})
	}
}

// Two tenants have something large wait, each behind small ones of its own, for loans of a third of which there is enough for one of
// them at a time: quota is gathered for both at once, and neither keeps the other from it. Who has had its own asks for no more.
func TestGathering_TwoTenantsBorrow(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				s := map[berth.TenantID]*smallOnes{"a": r.smallOnes(ds, 100)}
				s["b"] = &smallOnes{rig: r, ds: ds, each: 100, of: "b"}
				r.guarantee(ds[0], "a", 1000, 100)
				r.guarantee(ds[0], "b", 1000, 100)
				r.guarantee(ds[0], "c", 500, 500)
				waits := map[berth.TenantID]bool{"a": true, "b": true}
				for _, of := range []berth.TenantID{"a", "b"} {
					s[of].more(4)
				}
				r.passes(time.Second)
				for i, of := range []berth.TenantID{"a", "b"} {
					r.run(ds[i%daemons], "large-"+string(of), some(of, 500))
				}
				for i := 0; i < 240 && len(waits) > 0; i++ {
					for _, of := range []berth.TenantID{"a", "b"} {
						r.passes(500 * time.Millisecond)
						s[of].endOne()
						id := "large-" + string(of)
						if waits[of] {
							s[of].more(1)
						}
						if waits[of] && r.located(id) > 0 {
							delete(waits, of)
							r.ends(r.whereIs(id), id)
						}
					}
				}
				if len(waits) > 0 {
					t.Errorf("after four minutes, in which something of each ended each second, %v wait: a %s, b %s, c %s", waits, r.record("a"), r.record("b"), r.record("c"))
				}
				s["a"].stop()
				stop()
				checked()
			})
		})
	}
}

// What another gives back of a loan has come together as well, though slowly: nobody is let go first meanwhile.
func TestGathering_LoansComeBack(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(1)
		s := r.smallOnes(ds, 100)
		r.guarantee(ds[0], "a", 1000, 100)
		r.guarantee(ds[0], "b", 500, 500)
		r.guarantee(ds[0], "c", 1000, 0)
		for _, id := range ids("c", 4) {
			r.run(ds[0], id, some("c", 100))
		}
		s.more(2)
		r.passes(time.Second)
		r.run(ds[0], "large", some("a", 400))
		s.more(8)
		s.step(time.Second) // one of those behind it gets what has ended
		for _, id := range ids("c", 4) {
			r.passes(40 * time.Second)
			r.ends(r.whereIs(id), id)
		}
		r.passes(5 * time.Second)
		if r.located("large") == 0 {
			t.Errorf("it waits: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
		}
		s.stop()
		stop()
	})
}

// Two tenants have quota gathered of which each needs some of the other's: one of them is lent it when that has come
// together. Neither keeps what is idle from the other until they let others go first.
func TestGathering_OfEachOther(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				s := []*smallOnes{r.smallOnes(ds, 100), {rig: r, ds: ds, each: 100, of: "b"}}
				for _, crowd := range s {
					r.guarantee(ds[0], crowd.of, 1000, 300)
					crowd.more(2)
				}
				r.passes(time.Second)
				for i, of := range []berth.TenantID{"a", "b"} {
					r.run(ds[i%daemons], "large-"+string(of), some(of, 400))
				}
				for range 25 {
					for _, crowd := range s {
						crowd.step(500 * time.Millisecond)
					}
				}
				if r.located("large-a", "large-b") == 0 {
					t.Errorf("both wait though nothing else is placed: a %s, b %s", r.record("a"), r.record("b"))
				}
				s[0].stop()
				stop()
				checked()
			})
		})
	}
}

// Nor does one of them keep what has ended since, of what only a loan makes enough: it is there for whose turn comes first.
func TestGathering_OfWhatHasEndedSince(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				a, b := r.smallOnes(ds, 100), &smallOnes{rig: r, ds: ds, each: 100, of: "b"}
				gathers := func(s *smallOnes) bool { return strings.Contains(r.record(s.of), `"gathering"`) }
				for _, s := range []*smallOnes{a, b} {
					r.guarantee(ds[0], s.of, 1000, 300)
				}
				a.more(2)
				r.passes(time.Second)
				r.run(ds[0], "large-a", some("a", 600)) // all of b's, who uses nothing of that yet
				for i := 0; i < 20 && !gathers(a); i++ {
					a.step(time.Second)
				}
				b.more(3)
				r.passes(time.Second)
				r.run(ds[daemons-1], "large-b", some("b", 400))
				for i := 0; i < 20 && !gathers(b); i++ {
					b.step(time.Second)
				}
				for range 3 {
					a.endOne()
					b.endOne()
				}
				r.passes(5 * time.Second)
				if r.located("large-a", "large-b") == 0 {
					t.Errorf("both wait though nothing else is placed: %v, a %s, b %s", r.held(), r.record("a"), r.record("b"))
				}
				a.stop()
				stop()
				checked()
			})
		})
	}
}

// What others use themselves of what is guaranteed to them comes from no loan: for that nobody is kept from anything.
func TestGathering_NotOfWhatOthersUse(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(1)
		s := r.smallOnes(ds, 100)
		r.guarantee(ds[0], "a", 1000, 200)
		r.guarantee(ds[0], "b", 500, 500)
		r.run(ds[0], "theirs", some("b", 300))
		s.more(4)
		r.passes(time.Second)
		r.run(ds[0], "large", some("a", 500)) // 200 of its own, and 200 at most of b's
		for range 60 {
			s.step(time.Second)
			if g := r.gathers(); len(g) > 0 {
				t.Fatalf("quota is gathered for %v", g)
			}
		}
		if n := s.placed(); n != 4 {
			t.Errorf("%d small ones are placed, want four", n)
		}
		r.ends(r.whereIs("theirs"), "theirs")
		for range 40 {
			s.step(time.Second)
		}
		if r.located("large") == 0 {
			t.Errorf("it waits though b lends now: %s", r.record("a"))
		}
		s.stop()
		stop()
	})
}

// A lender has its own back at once, for whatever quota is gathered.
func TestGathering_LenderFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(2)
		s := r.smallOnes(ds, 100)
		r.guarantee(ds[0], "a", 1000, 100)
		r.guarantee(ds[0], "b", 500, 500)
		s.more(6)
		r.passes(time.Second)
		r.run(ds[0], "large", some("a", 500))
		for i := 0; i < 40 && len(r.gathers()) == 0; i++ {
			s.step(time.Second)
		}
		if g := r.gathers(); len(g) != 1 {
			t.Fatalf("quota is gathered for %v", g)
		}
		r.run(ds[1], "theirs", some("b", 500))
		for i := 0; i < 12 && r.located("theirs") == 0; i++ {
			s.step(time.Second)
		}
		if r.located("theirs", "large") != 1 || r.located("theirs") != 1 {
			t.Errorf("the lender waits for what is guaranteed to it: a %s, b %s", r.record("a"), r.record("b"))
		}
		s.stop()
		stop()
	})
}
