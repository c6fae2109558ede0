package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// smallOnes has small requests of a tenant wait all the time, and ends one of those that are placed in each step.
type smallOnes struct {
	*rig
	ds    []*daemon.Daemon
	kills []func()
	next  int
	ids   []string // that have not ended
	each  int64    // cores of each
	of    berth.TenantID
}

func (r *rig) smallOnes(ds []*daemon.Daemon, each int64) *smallOnes {
	s := &smallOnes{rig: r, ds: ds, each: each, of: "a"}
	for _, w := range []berth.WorkerID{"w", "v"} {
		_, kill := r.lives(w)
		s.kills = append(s.kills, kill)
	}
	return s
}

// more submits so many.
func (s *smallOnes) more(n int) {
	for range n {
		id := fmt.Sprintf("small-%s-%04d", s.of, s.next)
		s.run(s.ds[s.next%len(s.ds)], id, some(s.of, s.each))
		s.ids, s.next = append(s.ids, id), s.next+1
	}
}

// step lets time pass, ends the oldest that is placed, and has another wait.
func (s *smallOnes) step(t time.Duration) {
	s.passes(t)
	s.endOne()
	s.more(1)
}

// endOne ends the oldest that is placed.
func (s *smallOnes) endOne() {
	for i, id := range s.ids {
		if s.located(id) > 0 {
			s.rig.ends(s.whereIs(id), id)
			s.ids = slices.Delete(s.ids, i, i+1)
			return
		}
	}
}

// holds is how many of them are placed.
func (s *smallOnes) holds() (n int) {
	for _, id := range s.ids {
		n += s.located(id)
	}
	return n
}

func (s *smallOnes) stop() {
	for _, kill := range s.kills {
		kill()
	}
}

// What asks for more of its tenant's quota in one piece than the others do is placed, though small requests of the
// same tenant, which fit whenever something ends, never cease to come, whichever daemon plans them.
func TestGathering_NothingStarves(t *testing.T) {
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
				r.limit(ds[0], "a", 400)
				s.more(8)
				r.passes(time.Second)
				r.run(ds[0], "large", func(q *berth.Request) {
					some("a", 300)(q)
					if tt.group {
						q.Resources.CPUMilli = 150
						q.Group = &berth.Membership{Size: 2, MinCount: 2}
						*q = q.Normalize()
					}
				})
				placed := func() bool { return r.located("large", "large.0", "large.1") > 0 }
				for i := 0; i < 60 && !placed(); i++ {
					s.step(time.Second)
				}
				if !placed() {
					t.Errorf("it waits after a minute, in which something ended each second: %s", r.record("a"))
				}
				s.stop()
				stop()
				checked()
			})
		})
	}
}

// gathers is for whom the record of tenant a says that quota is gathered, by daemon.
func (r *rig) gathers() map[berth.DaemonID]berth.Gathering {
	r.t.Helper()
	kv := r.kv("tenants/a")
	if kv == nil {
		return nil
	}
	var rec berth.Tenant
	r.ok(json.Unmarshal(kv.Value, &rec))
	return rec.Pools["default"].Gathering
}

// gathering is small requests of which two run for ever, one that asks for more than the rest of the quota, and small
// ones that wait behind it, when its quota is gathered.
func (s *smallOnes) gathering() {
	s.limit(s.ds[0], "a", 400)
	s.more(4)
	s.passes(time.Second)
	s.run(s.ds[0], "large", some("a", 300))
	s.more(4)
	for range 2 { // each goes to another, which comes after it
		s.step(time.Second)
	}
	s.passes(20 * time.Second)
	if g := s.gathers(); len(g) != 1 {
		s.t.Errorf("quota is gathered for %v: %s", g, s.record("a"))
	}
	s.step(time.Second)
	s.step(time.Second) // two run still
	s.passes(5 * time.Second)
	if n := s.placed(); n != 2 {
		s.t.Errorf("%d small ones are placed while quota is gathered, want two", n)
	}
}

func (s *smallOnes) placed() int { return s.located(s.ids...) }

// What waits for quota that never comes together keeps others from it for a while only: by turns.
func TestGathering_LetsOthersGo(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(1)
		s := r.smallOnes(ds, 100)
		s.gathering()
		for _, id := range []berth.RequestID{"large", berth.RequestID(s.ids[len(s.ids)-1])} {
			e, err := ds[0].Explain(r.t.Context(), id)
			if err != nil || e.Verdict == nil || e.Verdict.Reasons[0].Stands == nil {
				t.Errorf("%s waits for %+v: %v", id, e.Verdict, err)
				continue
			}
			g := e.Verdict.Reasons[0].Stands.Gathers
			if g == nil || g.Request != "large" || g.Need["cpu_milli"] != 300 || g.Has["cpu_milli"] != 200 || g.Since.IsZero() {
				t.Errorf("%s is told that quota is gathered for %+v", id, g)
			}
			past, err := ds[0].ExplainAt(r.t.Context(), id, daemon.Moment{Revision: e.Verdict.At})
			r.ok(err)
			if diff := cmp.Diff(e.Verdict, past.Verdict); diff != "" {
				t.Errorf("of %s the verdict (-then +now):\n%s", id, diff)
			}
		}
		if g := r.quota(ds[0], "a").Gathers; g == nil || g.Request != "large" {
			t.Errorf("the quota is gathered for %+v", g)
		}
		s.passes(70 * time.Second)
		if n := s.placed(); n != 4 {
			t.Errorf("%d small ones are placed after a minute in which nothing ended, want four", n)
		}
		s.passes(time.Minute)
		if g := r.gathers(); len(g) != 1 {
			t.Errorf("when its turn has come again, quota is gathered for %v", g)
		}
		s.stop()
		stop()
	})
}

// A higher priority goes before what quota is gathered for, and takes of that.
func TestGathering_HigherPriorityFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(2)
		s := r.smallOnes(ds, 100)
		s.gathering()
		for _, id := range ids("urgent", 2) {
			r.run(ds[0], id, func(q *berth.Request) {
				some("a", 100)(q)
				q.Priority = 5
			})
		}
		s.passes(5 * time.Second)
		if n := r.located(ids("urgent", 2)...); n != 2 {
			t.Errorf("%d of two with a higher priority are placed: %s", n, r.record("a"))
		}
		s.stop()
		stop()
	})
}

// What does not need what is gathered goes on.
func TestGathering_OthersDimensions(t *testing.T) {
	bubble(t, func(r *rig) {
		ds, stop := r.several(2)
		s := r.smallOnes(ds, 100)
		s.gathering()
		_, err := ds[0].SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "default", Set: berth.Amounts{berth.DimensionMemory: 100 << 20}})
		r.ok(err)
		for _, id := range ids("none", 2) {
			r.run(ds[0], id, func(q *berth.Request) {
				some("a", 0)(q)
				q.Resources.MemoryBytes = 1 << 20
			})
		}
		s.passes(3 * time.Second)
		if n := r.located(ids("none", 2)...); n != 2 {
			t.Errorf("%d of two that need no cores are placed: %s", n, r.record("a"))
		}
		s.stop()
		stop()
	})
}

// A daemon that is gone has quota gathered for nothing any more, and who plans what waited there goes on with it.
func TestGathering_OfADaemonThatIsGone(t *testing.T) {
	bubble(t, func(r *rig) {
		var ds []*daemon.Daemon
		var stops []func()
		for _, id := range []berth.DaemonID{"d0", "d1", "d2"} {
			d, stop := r.daemonOn(r.store(etcdstore.Options{TxnBase: string(id)}), daemon.Options{ID: id})
			ds, stops = append(ds, d), append(stops, stop)
		}
		s := r.smallOnes(ds, 100)
		s.gathering()
		for i, id := range []berth.DaemonID{"d0", "d1", "d2"} {
			if _, by := r.gathers()[id]; by {
				stops[i]()
				stops[i] = func() {}
				s.ds = slices.Delete(ds, i, i+1)
				s.passes(30 * time.Second)
				if g, still := r.gathers()[id]; still {
					t.Errorf("the daemon is gone that had quota gathered for %+v", g)
				}
				break
			}
		}
		for i := 0; i < 40 && r.located("large") == 0; i++ {
			s.step(time.Second)
		}
		if r.located("large") == 0 {
			t.Errorf("it waits still: %s", r.record("a"))
		}
		s.stop()
		for _, stop := range stops {
			stop()
		}
	})
}
