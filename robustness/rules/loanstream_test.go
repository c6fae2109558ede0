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

// streams are small requests of several tenants that never cease to come.
type streams struct {
	*rig
	of []*smallOnes
}

// streams has four small ones of each tenant at most wait at first, by turns; those of the first have come before the others.
func (r *rig) streams(first *smallOnes, others ...*smallOnes) *streams {
	s := &streams{rig: r, of: append([]*smallOnes{first}, others...)}
	for _, crowd := range s.of {
		crowd.more(8)
		r.passes(time.Second)
	}
	return s
}

// until lets time pass, in which one of each stream ends each second, till something is so or so many seconds are over.
func (s *streams) until(seconds int, is func() bool) bool {
	for range seconds {
		if is() {
			return true
		}
		s.passes(time.Second)
		for _, crowd := range s.of {
			crowd.endOne()
			crowd.more(1)
		}
	}
	return is()
}

// A tenant whose small requests follow each other without a break has borrowed all that another has idle. What a third waits
// for comes back as theirs end, be it small or large, with however many daemons.
func TestLoan_StreamsGiveBack(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		for _, cores := range []int64{100, 400} {
			for _, most := range []int64{400, 1000} { // with more its small ones wait for loans, too, and have longer
				t.Run(fmt.Sprintf("%d daemons, %d cores, limit %d", daemons, cores, most), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(daemons)
						c := r.smallOnes(ds, 100)
						c.of = "c"
						r.guarantee(ds[0], "a", 400, 400)
						r.guarantee(ds[0], "b", 400, 0)
						r.guarantee(ds[0], "c", most, 0)
						s := r.streams(c)
						r.run(ds[0], "one", some("b", cores))
						r.run(ds[0], "group", func(q *berth.Request) {
							some("b", cores/2)(q)
							q.Group = &berth.Membership{Size: 2, MinCount: 2}
							*q = q.Normalize()
						})
						if !s.until(60, func() bool { return r.located("one") > 0 }) {
							t.Errorf("it waits after a minute, in which something ended each second: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
						}
						r.ends(r.whereIs("one"), "one")
						if !s.until(60, func() bool { return r.located("group.0", "group.1") == 2 }) {
							t.Errorf("the group waits after another: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
						}
						c.stop()
						stop()
						checked()
					})
				})
			}
		}
	}
}

// Each of several tenants has borrowed little, and borrows that again as soon as it has given it back: not before what has waited for
// all of it has come together.
func TestLoan_StreamsOfMany(t *testing.T) {
	for daemons := 1; daemons <= 2; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				all := []*smallOnes{r.smallOnes(ds, 100)}
				for range 3 {
					all = append(all, &smallOnes{rig: r, ds: ds, each: 100})
				}
				r.guarantee(ds[0], "a", 400, 400)
				r.guarantee(ds[0], "b", 400, 0)
				for i, c := range all {
					c.of = berth.TenantID(fmt.Sprint("c", i))
					r.guarantee(ds[0], c.of, 100, 0)
				}
				s := r.streams(all[0], all[1:]...)
				r.run(ds[0], "large", some("b", 400))
				if !s.until(30, func() bool { return r.located("large") > 0 }) {
					t.Errorf("it waits: a %s, b %s", r.record("a"), r.record("b"))
				}
				all[0].stop()
				stop()
				checked()
			})
		})
	}
}

// Two tenants have large and small ones wait without end for what a third has idle: each large one has its turn, and so have the small ones behind.
func TestLoan_StreamsTakeTurns(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				b, c := r.smallOnes(ds, 100), &smallOnes{rig: r, ds: ds, each: 100, of: "c"}
				b.of = "b"
				r.guarantee(ds[0], "a", 400, 400)
				r.guarantee(ds[0], "b", 1000, 0)
				r.guarantee(ds[0], "c", 1000, 0)
				s := r.streams(b, c)
				for turn := range 4 {
					for i, of := range []berth.TenantID{"b", "c"} {
						r.run(ds[(turn+i)%daemons], fmt.Sprint("large-", of, turn), some(of, 400))
					}
					waits := map[berth.TenantID]bool{"b": true, "c": true}
					for range 2 {
						var of berth.TenantID
						placed := func() bool {
							for of = range waits {
								if r.located(fmt.Sprint("large-", of, turn)) > 0 {
									return true
								}
							}
							return false
						}
						if !s.until(60, placed) {
							t.Fatalf("turn %d: of %v large ones wait: a %s, b %s, c %s", turn, waits, r.record("a"), r.record("b"), r.record("c"))
						}
						delete(waits, of)
						r.ends(r.whereIs(fmt.Sprint("large-", of, turn)), fmt.Sprint("large-", of, turn))
					}
					first := map[string]bool{b.ids[0]: true, c.ids[0]: true}
					if !s.until(60, func() bool { return !first[b.ids[0]] && !first[c.ids[0]] }) {
						t.Fatalf("turn %d: small ones wait: a %s, b %s, c %s", turn, r.record("a"), r.record("b"), r.record("c"))
					}
				}
				b.stop()
				stop()
				checked()
			})
		})
	}
}

// The lender has its own back before anybody whose turn it is has a loan of it.
func TestLoan_StreamsLenderFirst(t *testing.T) {
	for daemons := 1; daemons <= 2; daemons++ {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(daemons)
				c := r.smallOnes(ds, 100)
				c.of = "c"
				r.guarantee(ds[0], "a", 400, 400)
				r.guarantee(ds[0], "b", 400, 0)
				r.guarantee(ds[0], "c", 1000, 0)
				s := r.streams(c)
				r.run(ds[0], "borrows", some("b", 400))
				if !s.until(30, func() bool { return r.gathersFor("b") }) {
					t.Fatalf("quota is gathered for nothing: %s", r.record("b"))
				}
				r.run(ds[daemons-1], "owns", some("a", 300))
				if !s.until(10, func() bool { return r.located("owns") > 0 }) || r.located("borrows") > 0 {
					t.Errorf("the lender waits for what is guaranteed to it: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
				}
				s.until(30, func() bool { return false })
				if r.located("owns") == 0 || r.located("borrows") > 0 {
					t.Errorf("more is placed than there is: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
				}
				r.ends(r.whereIs("owns"), "owns")
				if !s.until(150, func() bool { return r.located("borrows") > 0 }) {
					t.Errorf("it waits though the lender uses nothing: a %s, b %s, c %s", r.record("a"), r.record("b"), r.record("c"))
				}
				c.stop()
				stop()
				checked()
			})
		})
	}
}

// Nobody gives back what it uses while no other waits for a loan, nor for what needs an end of its own tenant's, nor for what no loan could make up for.
func TestLoan_StreamsKeep(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cores int64 // 0: nothing waits
		want  int
	}{{"nobody waits", 0, 5}, {"it is guaranteed", 100, 4}, {"it is more than the limit", 700, 5}, {"it is more than is not used", 600, 5}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				ds, stop := r.several(2)
				c := r.smallOnes(ds, 100)
				c.of = "c"
				r.guarantee(ds[0], "a", 500, 500)
				r.guarantee(ds[0], "b", 650, 100)
				r.guarantee(ds[0], "c", 1000, 0)
				r.run(ds[0], "theirs", some("a", 100))
				s := r.streams(c)
				if tt.cores > 0 {
					r.run(ds[0], "other", some("b", tt.cores))
				}
				s.until(12, func() bool { return false })
				for range 90 {
					s.until(1, func() bool { return false })
					if n := c.placed(); n != tt.want {
						t.Fatalf("%d small ones are placed, want %d: a %s, b %s, c %s", n, tt.want, r.record("a"), r.record("b"), r.record("c"))
					}
				}
				c.stop()
				stop()
			})
		})
	}
}

// What waits behind small ones of its own tenant, whose loan goes back, is told for whom; and that comes to an end when the other has
// its loan, or is gone, or has no quota any more.
func TestLoan_StreamsExplained(t *testing.T) {
	for _, how := range []string{"placed", "cancelled", "unlimited", "unreadable"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(r *rig) {
				ds, stop := r.several(2)
				c := r.smallOnes(ds, 100)
				c.of = "c"
				r.guarantee(ds[0], "a", 400, 400)
				r.guarantee(ds[0], "b", 400, 0)
				r.guarantee(ds[0], "c", 1000, 0)
				s := r.streams(c)
				r.run(ds[0], "large", some("b", 400))
				if !s.until(30, func() bool { return c.placed() == 3 }) {
					t.Fatalf("nothing of what c has borrowed goes back: b %s, c %s", r.record("b"), r.record("c"))
				}
				last := c.ids[len(c.ids)-1]
				e, err := ds[0].Explain(r.t.Context(), berth.RequestID(last))
				r.ok(err)
				if q := e.Verdict.Reasons[0].Stands; q == nil || !slices.Equal(q.Ahead, []berth.TenantID{"b"}) || q.Idle != 0 {
					t.Errorf("it stands as %+v", q)
				}
				switch how {
				case "placed":
					s.until(10, func() bool { return r.located("large") > 0 })
					r.ends(r.whereIs("large"), "large")
				case "cancelled":
					_, err := ds[1].Cancel(r.t.Context(), "large", "")
					r.ok(err)
				case "unlimited":
					_, err := ds[1].SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "b", Pool: "default", All: true})
					r.ok(err)
				case "unreadable":
					_, err := r.client.Put(r.t.Context(), "/berth/tenants/b", "{")
					r.ok(err)
				}
				if !s.until(10, func() bool { return c.placed() == 4 }) {
					t.Errorf("%d small ones are placed, want 4: b %s, c %s", c.placed(), r.record("b"), r.record("c"))
				}
				c.stop()
				stop()
			})
		})
	}
}

// Nothing is gathered any more for what has waited for a loan, when nothing is guaranteed to its tenant any more, and it may have all.
func TestLoan_StreamsUnguaranteed(t *testing.T) {
	bubble(t, func(r *rig) {
		checked := r.checked()
		ds, stop := r.several(2)
		c := r.smallOnes(ds, 100)
		c.of = "c"
		r.guarantee(ds[0], "a", 400, 400)
		r.guarantee(ds[0], "b", 400, 0)
		r.guarantee(ds[0], "c", 1000, 0)
		s := r.streams(c)
		r.run(ds[0], "large", some("b", 400))
		if !s.until(30, func() bool { return r.gathersFor("b") }) {
			t.Fatalf("quota is gathered for nothing: %s", r.record("b"))
		}
		_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "b", Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: 400}})
		r.ok(err)
		s.until(5, func() bool { return false })
		if r.gathersFor("b") || r.located("large") == 0 {
			t.Errorf("b %s", r.record("b"))
		}
		c.stop()
		stop()
		checked()
	})
}

// gathersFor says whether quota of a tenant is gathered for something.
func (r *rig) gathersFor(t berth.TenantID) bool { return strings.Contains(r.record(t), `"gathering"`) }
