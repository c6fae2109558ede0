package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A group that the pool was too small for, whatever would end there, has others make room once the pool has grown, also where
// what has come has less room than it lacks.
func TestGroupRoom_PoolGrows(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 1, 0)
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(5 * time.Second)
		r.lives("w1")
		r.passes(time.Minute)
		told, _ := r.told()
		if len(told) != 2 {
			t.Errorf("told %v, kept %q: %+v", told, r.kept(), r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// The same where the pool grows by a worker that is full, and was cordoned.
func TestGroupRoom_PoolUncordoned(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		set := func(on bool) {
			_, err := r.SetIntent(r.t.Context(), "w1", func(*berth.Intent) *berth.Intent {
				if !on {
					return nil
				}
				return &berth.Intent{Cordon: true, At: time.Now().UTC()}
			})
			r.ok(err)
		}
		set(true)
		r.passes(time.Second)
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(5 * time.Second)
		if told, _ := r.told(); len(told) > 0 {
			t.Fatalf("told %v", told)
		}
		set(false)
		r.passes(time.Minute)
		told, _ := r.told()
		if len(told) != 4 {
			t.Errorf("told %v, kept %q: %+v", told, r.kept(), r.state(d, "g.0").Verdict)
		}
		stop()
	})
}

// And something is kept for one that has nobody make room, for as long as that is without an end.
func TestKeep_PoolGrows(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 1, 0)
		r.submitGroup(d, r.whole("g", 2))
		r.passes(5 * time.Second)
		if kept := r.kept(); kept != "" {
			t.Errorf("kept while the pool was too small: %q", kept)
		}
		r.lives("w1")
		r.passes(5 * time.Second)
		if kept := r.kept(); kept != "g w0 w1" {
			t.Errorf("kept %q", kept)
		}
		stop()
	})
}
