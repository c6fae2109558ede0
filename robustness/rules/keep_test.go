package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// churn is a fleet that is full of small requests, of which more wait than there is room for.
type churn struct {
	*rig
	ask   []*daemon.Daemon // small ones are submitted at each of them in turn
	rand  *rand.Rand
	sent  int
	ended int
}

// churn begins with n workers that hold two small requests each.
func (r *rig) churn(n int, ask ...*daemon.Daemon) *churn {
	r.t.Helper()
	c := &churn{rig: r, ask: ask, rand: rand.New(rand.NewPCG(7, uint64(n)))} //nolint:gosec // few
	for i := range n {
		r.lives(berth.WorkerID(fmt.Sprintf("w%d", i)))
	}
	synctest.Wait()
	for range 2*n + 10 {
		c.small()
	}
	return c
}

func (c *churn) small() {
	c.t.Helper()
	c.run(c.ask[c.sent%len(c.ask)], fmt.Sprintf("s-%03d", c.sent), slots("default", 5))
	c.sent++
}

// step ends one of the small requests that are placed, any of them, and submits another one. Each
// third time it is the first that came, so none runs for ever.
func (c *churn) step() {
	c.t.Helper()
	c.passes(100 * time.Millisecond)
	small := slices.DeleteFunc(c.held(), func(k string) bool { return !strings.Contains(k, "/s-") })
	if len(small) == 0 {
		return
	}
	name := func(k string) string { _, id, _ := strings.Cut(k, "/"); return id }
	slices.SortFunc(small, func(a, b string) int { return strings.Compare(name(a), name(b)) })
	w, id, _ := strings.Cut(small[c.rand.IntN(len(small))*min(c.ended%3, 1)], "/")
	kept, was := c.kept(), c.held()
	c.runs(w, id)
	c.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
	c.ended++
	c.small()
	if c.kept() == kept { // whole workers are
		for _, k := range c.held() {
			if w, _, _ := strings.Cut(k, "/"); slices.Contains(strings.Fields(kept)[min(1, len(kept)):], w) && !slices.Contains(was, k) && strings.Contains(k, "/s-") {
				c.t.Errorf("%s is placed, and kept is %q", k, kept)
			}
		}
	}
}

// untilPlaced steps until one of some groups is placed, and says how often. More than most is
// too often.
func (c *churn) untilPlaced(groups []string, most int) (steps int) {
	c.t.Helper()
	for ; !slices.ContainsFunc(groups, func(g string) bool { return c.groupIs(g) == berth.GroupPlaced }); steps++ {
		if steps > most {
			c.t.Fatalf("groups %v wait after %d ends: %v, kept: %v", groups, steps, c.held(), c.kept())
		}
		c.step()
	}
	return steps
}

func (c *churn) groupIs(g string) berth.GroupState {
	c.t.Helper()
	var rec berth.Group
	c.ok(json.Unmarshal(c.kv("groups/"+g).Value, &rec))
	return rec.State
}

// are is how many of some requests are placed.
func (r *rig) are(ids ...string) (n int) {
	r.t.Helper()
	for _, k := range r.held() {
		if _, id, _ := strings.Cut(k, "/"); slices.Contains(ids, id) {
			n++
		}
	}
	return n
}

// kept are the workers that are kept in the pool, and for whom.
func (r *rig) kept() string {
	r.t.Helper()
	kv := r.kv("keeps/default")
	if kv == nil {
		return ""
	}
	var k berth.Keep
	r.ok(json.Unmarshal(kv.Value, &k))
	text := string(k.Group)
	for _, w := range k.Workers {
		text += " " + string(w.Worker)
	}
	return text
}

// whole is a group of which each member wants a whole worker.
func (r *rig) whole(id string, size int64) berth.Request {
	g := r.group(id, size, size)
	g.Resources.CPUMilli, g.Resources.MemoryBytes = capacity.CPUMilli, 1
	return g
}

// A group over busy workers is placed while small requests come and go; these are placed
// meanwhile, and when it is placed nothing is kept any more.
func TestKeep_GroupAmongSmallOnes(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		c := r.churn(5, d)
		r.submitGroup(d, r.whole("g", 3))
		if got := r.kept(); !strings.HasPrefix(got, "g ") || strings.Count(got, " ") != 3 {
			r.t.Errorf("kept: %q", got)
		}
		before := len(r.heldOf())
		steps := c.untilPlaced([]string{"g"}, 40)
		if c.sent-c.ended < before || steps < 3 {
			r.t.Errorf("%d steps", steps)
		}
		r.passes(time.Second)
		if got := r.kept(); got != "" {
			r.t.Errorf("kept when it is placed: %q", got)
		}
		if got := r.heldOf(); got["g"] != 3 || got["s"] != 4 {
			r.t.Errorf("held: %v", got)
		}
		stop()
	})
}

// Of two groups that together are too large, one after the other is placed: something is kept
// for one at a time.
func TestKeep_TwoGroups(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		c := r.churn(4, d)
		r.submitGroup(d, r.whole("g", 3))
		r.submitGroup(d, r.whole("h", 3))
		c.untilPlaced([]string{"g"}, 40)
		_, err := d.CancelGroup(r.t.Context(), "g", "")
		r.ok(err)
		c.untilPlaced([]string{"h"}, 40)
		stop()
	})
}

// Several daemons keep off by the same record, whichever plans the group, and whatever groups come:
// each is placed, one after the other.
func TestKeep_SeveralDaemons(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			bubble(t, func(r *rig) {
				random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a test's
				var ask []*daemon.Daemon
				var ends []func()
				for i := range 2 + random.IntN(2) {
					d, end := r.member(berth.DaemonID(fmt.Sprintf("d%d", i)), etcdstore.Options{})
					ask, ends = append(ask, d), append(ends, end)
				}
				workers := 4 + random.IntN(3)
				c := r.churn(workers, ask...)
				c.rand = random
				waiting := []string{"g", "h", "k"}[:1+random.IntN(3)]
				for _, g := range waiting {
					r.submitGroup(ask[random.IntN(len(ask))], r.whole(g, 1+random.Int64N(int64(workers)-1)))
				}
				for len(waiting) > 0 {
					c.untilPlaced(waiting, 60)
					waiting = slices.DeleteFunc(waiting, func(g string) bool {
						if c.groupIs(g) != berth.GroupPlaced {
							return false
						}
						_, err := ask[random.IntN(len(ask))].CancelGroup(r.t.Context(), berth.GroupID(g), "")
						r.ok(err)
						return true
					})
				}
				for _, end := range ends {
					end()
				}
			})
		})
	}
}

// When the daemon that plans the group is gone, another goes on with what is kept.
func TestKeep_OwnerGone(t *testing.T) {
	bubble(t, func(r *rig) {
		d1, end1 := r.member("d1", etcdstore.Options{})
		d2, end2 := r.member("d2", etcdstore.Options{})
		c := r.churn(4, d2)
		r.submitGroup(d1, r.whole("g", 2))
		end1()
		c.untilPlaced([]string{"g"}, 60)
		end2()
	})
}

// What was kept for a group is anybody's when that is cancelled, whoever kept it.
func TestKeep_GroupCancelled(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.run(d, "big", slots("default", 10))
		r.submitGroup(d, r.whole("g", 2))
		r.run(d, "small", slots("default", 1))
		if r.are("small") != 0 || r.kept() == "" {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		_, err := d.CancelGroup(r.t.Context(), "g", "")
		r.ok(err)
		r.passes(time.Second)
		if r.are("small") != 1 || r.kept() != "" {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		stop()
	})
}

// Nothing is kept for long where what is waited for may never end; who comes later is kept
// something meanwhile.
func TestKeep_Rests(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.run(d, "service", slots("default", 10))
		r.submitGroup(d, r.whole("g", 2))
		r.run(d, "small", slots("default", 1))
		r.passes(5 * time.Second)
		if r.are("small") != 0 {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		r.passes(7 * time.Second)
		if r.are("small") != 1 {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		r.submitGroup(d, r.whole("h", 1))
		r.passes(3 * time.Second)
		if got := r.kept(); !strings.HasPrefix(got, "h ") {
			r.t.Errorf("kept: %q", got)
		}
		stop()
	})
}

// A group whose tenant holds more than another that waits keeps that one off nothing.
func TestKeep_WhoGoesFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 4 {
			r.lives(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		for i := range 3 {
			r.run(d, fmt.Sprintf("a-%d", i), slots("a", 10))
		}
		g := r.whole("g", 2)
		g.Tenant = "a"
		r.submitGroup(d, g)
		r.run(d, "b-1", slots("b", 1))
		r.passes(3 * time.Second)
		if r.are("b-1") != 1 || r.kept() != "" {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		stop()
	})
}

// A group that waits for its quota is kept nothing, nor is one that never fits.
func TestKeep_OverQuota(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.limit(d, "a", 2*capacity.CPUMilli)
		r.run(d, "a-1", slots("a", 1))
		r.submitGroup(d, r.whole("h", 3))
		g := r.whole("g", 1)
		g.Tenant = "a"
		g.Group.Size, g.Group.MinCount = 2, 2
		r.submitGroup(d, g)
		r.passes(3 * time.Second)
		if got := r.kept(); got != "" {
			r.t.Errorf("kept: %q", got)
		}
		r.limit(d, "a", 4*capacity.CPUMilli)
		r.passes(3 * time.Second)
		if got := r.kept(); !strings.HasPrefix(got, "g ") {
			r.t.Errorf("kept when its quota has room: %q", got)
		}
		stop()
	})
}

// Nor is one kept any more what was when its quota had room for it, and the quota has less now, or others of its tenant use more of
// it: also while all that it waits for is known to end.
func TestKeep_QuotaGone(t *testing.T) {
	for name, goes := range map[string]func(*rig, *daemon.Daemon){
		"lowered": func(r *rig, d *daemon.Daemon) { r.limit(d, "a", 2*capacity.CPUMilli-1) },
		"used":    func(r *rig, d *daemon.Daemon) { r.lives("u"); r.run(d, "a-1", slots("a", 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				r.lives("v")
				d, stop := r.alone()
				defer stop()
				r.limit(d, "a", 2*capacity.CPUMilli)
				for _, id := range []string{"f0", "f1"} {
					r.run(d, id, func(q *berth.Request) {
						slots("default", 8)(q)
						q.RunLimitMS = 3_600_000
					})
				}
				g := r.whole("g", 2)
				g.Tenant = "a"
				r.submitGroup(d, g)
				r.passes(3 * time.Second)
				if got := r.kept(); !strings.HasPrefix(got, "g ") {
					t.Fatalf("kept: %q", got)
				}
				goes(r, d)
				r.passes(3 * time.Second)
				if got := r.kept(); got != "" {
					t.Errorf("kept for what waits for its quota: %q", got)
				}
				if s := r.state(d, "g.0"); !tellsOf(s.Verdict, berth.ReasonQuota) {
					t.Errorf("told: %+v", s.Verdict)
				}
				r.passes(time.Minute)
				if got := r.kept(); got != "" {
					t.Errorf("kept later for what waits for its quota: %q", got)
				}
			})
		})
	}
}

// What surely ends before the group has its places may have them until then, and nothing else;
// a group that will have expired by then is kept nothing.
func TestKeep_Deadline(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		lasts := func(s time.Duration) func(*berth.Request) {
			return func(q *berth.Request) {
				slots("default", 10)(q)
				q.StartTimeoutMS, q.StopTimeoutMS, q.RunLimitMS = 1000, 1000, s.Milliseconds()
			}
		}
		r.run(d, "long", lasts(30*time.Second))
		w, _, _ := strings.Cut(r.held()[0], "/")
		r.runs(w, "long")
		g := r.whole("g", 2)
		g.PendingLimitMS = 10_000
		r.submitGroup(d, g)
		if got := r.kept(); got != "" {
			r.t.Errorf("kept for one that will have expired: %q", got)
		}
		r.submitGroup(d, r.whole("h", 2))
		r.passes(2 * time.Second)
		r.run(d, "longer", lasts(40*time.Second))
		r.run(d, "endless", slots("default", 1))
		if r.are("longer", "endless") != 0 {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		r.run(d, "brief", lasts(10*time.Second))
		if r.are("brief") != 1 {
			r.t.Errorf("kept: %q, held %v", r.kept(), r.held())
		}
		stop()
	})
}

// Who is kept off is told for which group, now and afterwards; and the group, where something
// is kept for it.
func TestKeep_Explained(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.run(d, "big", slots("default", 10))
		r.submitGroup(d, r.whole("g", 2))
		r.run(d, "small", slots("default", 1))
		told := func(what string, e daemon.Explanation, err error) {
			r.t.Helper()
			r.ok(err)
			i := -1
			if e.Verdict != nil {
				i = slices.IndexFunc(e.Verdict.Reasons, func(r berth.Reason) bool { return r.Code == berth.ReasonKept && r.Detail == "g" })
			}
			if i < 0 {
				r.t.Errorf("%s: %+v", what, e.Verdict)
			}
		}
		small, err := d.Explain(r.t.Context(), "small")
		told("who is kept off", small, err)
		if small.Nearest == nil || small.Nearest.Reasons[0].Code != berth.ReasonKept {
			r.t.Errorf("nearest: %+v", small.Nearest)
		}
		member, err := d.Explain(r.t.Context(), "g.0")
		told("the group", member, err)
		then := berth.Revision(r.revision())
		_, err = d.CancelGroup(r.t.Context(), "g", "")
		r.ok(err)
		r.passes(time.Second)
		small, err = d.ExplainAt(r.t.Context(), "small", daemon.Moment{Revision: then})
		told("who was kept off", small, err)
		member, err = d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: then})
		told("the group, of the past", member, err)
		stop()
	})
}

// Of two that write what is kept at once, one does.
func TestKeep_Compared(t *testing.T) {
	bubble(t, func(r *rig) {
		k := &berth.Keep{Group: "g", Since: time.Now().UTC(), Chosen: time.Now().UTC(), Workers: []berth.KeptWorker{{Worker: "w"}}}
		f, err := r.SetKeep(r.t.Context(), "default", 0, k)
		r.ok(err)
		for _, next := range []*berth.Keep{k, nil} {
			if _, err := r.SetKeep(r.t.Context(), "default", f.Mod-1, next); !isConflict(err) {
				r.t.Errorf("written though another was there: %v", err)
			}
		}
		_, err = r.SetKeep(r.t.Context(), "default", f.Mod, nil)
		r.ok(err)
	})
}

func isConflict(err error) bool {
	_, is := errors.AsType[*etcdstore.ConflictError](err)
	return is
}
