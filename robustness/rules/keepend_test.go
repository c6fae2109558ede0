package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A service begins in the first round, on a worker that is not kept, and looks better than older ones by the end of it. What
// has come free for the group meanwhile is not kept without end: nobody knows whether that service ever ends.
func TestKeep_RestsForWhatBeganLater(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w3")
		d, stop := r.daemon()
		defer stop()
		for _, w := range []string{"w3", "w2", "w1"} {
			if w != "w3" {
				r.lives(berth.WorkerID(w))
			}
			r.run(d, "on-"+w, sized(1000, 0))
			r.runs(w, "on-"+w)
			r.passes(time.Second)
		}
		r.submitGroup(d, r.whole("g", 2))
		r.passes(3 * time.Second)
		r.exits("w3", "on-w3")
		r.passes(time.Second)
		r.run(d, "later", sized(1000, 0))
		r.passes(time.Second)
		r.exits("w1", "on-w1")
		r.passes(time.Second)
		if r.located("later") != 1 || r.kept() == "" {
			t.Fatalf("held %v, kept %q", r.held(), r.kept())
		}
		r.run(d, "small", sized(500, 0))
		r.passes(45 * time.Second)
		if r.located("small") == 0 {
			t.Errorf("it does not get what is free: held %v, kept %q", r.held(), r.kept())
		}
	})
}
