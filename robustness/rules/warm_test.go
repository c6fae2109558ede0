package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A request with an affinity key goes to the worker that says that the key is warm
// there, and home when nobody says so any more. Each placement is decided again by what
// was said when it was planned.
func TestWarm_GoesThere(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		leaseA, killA := r.lives("a")
		leaseB, killB := r.lives("b")
		keyed := func(s *berth.Request) { s.AffinityKey = "model" }
		at := func(id string) string {
			for _, w := range []string{"a", "b"} {
				if a, _ := r.allocation(w, id); a != nil {
					return w
				}
			}
			r.t.Fatalf("%s is nowhere", id)
			return ""
		}
		r.run(d, "first", keyed)
		home, other, lease := at("first"), "b", leaseB
		if home == "b" {
			other, lease = "a", leaseA
		}
		r.exits(home, "first")
		say := func(keys ...string) {
			r.ok(r.PutConditions(r.t.Context(), berth.WorkerID(other), lease.ID, berth.Conditions{WarmKeys: keys}))
			r.passes(time.Second)
		}
		for _, step := range []struct {
			id, want string
			keys     []string
		}{{"second", other, []string{"model", "x"}}, {"third", home, []string{"x"}}, {"fourth", other, []string{"model"}}} {
			say(step.keys...)
			r.run(d, step.id, keyed)
			if got := at(step.id); got != step.want {
				r.t.Errorf("%s is on %s, want %s", step.id, got, step.want)
			}
			r.exits(step.want, step.id)
		}
		killA()
		killB()
		stop()
	})
}

// An agent says which keys are warm when it has started something with another one, and
// what more comes within ten seconds in one write.
func TestWarm_SaidByAgents(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		m := r.machine("w")
		stopAgent := m.agent(60 * time.Second)
		r.passes(time.Second)
		said := func() (keys []string, version int64) {
			facts, err := r.Get(r.t.Context(), berth.Key{Kind: berth.KindConditions, ID: "w"})
			r.ok(err)
			if c, ok := facts[0].Record.(*berth.Conditions); ok {
				keys, version = c.WarmKeys, r.kv("conditions/w").Version
			}
			return keys, version
		}
		runs := func(id, key string) {
			r.run(d, id, func(s *berth.Request) { s.AffinityKey, s.Resources.CPUMilli = key, 10 })
			r.passes(time.Second)
			m.container(id + "/1").end(0)
		}
		want := func(version int64, keys ...string) {
			if got, v := said(); !slices.Equal(got, keys) || v != version {
				r.t.Errorf("says %v in version %d of its key, want %v in %d", got, v, keys, version)
			}
		}
		runs("none", "")
		want(0)
		runs("b", "beta")
		want(1, "beta")
		runs("a", "alpha")
		runs("g", "gamma")
		runs("again", "beta")
		want(1, "beta")
		r.passes(10 * time.Second)
		want(2, "alpha", "beta", "gamma")
		r.passes(time.Minute)
		want(2, "alpha", "beta", "gamma")
		w, err := d.Worker(r.t.Context(), "w")
		r.ok(err)
		if !slices.Equal(w.WarmKeys, []string{"alpha", "beta", "gamma"}) {
			r.t.Errorf("the daemon says %v", w.WarmKeys)
		}
		stopAgent()
		stop()
	})
}
