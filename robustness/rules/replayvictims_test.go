package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// choosesAgain demands that those have made room for a request, and do again.
func (r *rig) choosesAgain(d *daemon.Daemon, id berth.RequestID, want ...berth.RequestID) {
	r.t.Helper()
	got, err := d.Replay(r.t.Context(), id, 0)
	r.ok(err)
	v := got.Victims
	if v == nil {
		r.t.Fatalf("nobody has made room for %s: %+v", id, got)
	}
	if got.Outcome != daemon.ReplaySame || v.Outcome != daemon.ReplaySame || !slices.Equal(v.Were, want) || !slices.Equal(v.Again, want) {
		r.t.Errorf("%s: %s, victims %+v, want %v; by %+v", id, got.Outcome, *v, want, got.Basis)
	}
}

// Who ends at once, for it has not started, is chosen again: the youngest of those that matter least.
func TestReplay_Victims(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		for i, id := range []string{"a", "b", "c"} {
			r.run(d, id, sized(300, int32(i/2)))
			r.passes(time.Second)
		}
		r.run(d, "now", urgent(400, 50))
		r.choosesAgain(d, "now", "b")
		stop()
	})
}

// Who runs is told to stop, and the claim that waits for it is decided again: whatever started when,
// the youngest is the one that was placed last.
func TestReplay_VictimsOfAClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		for _, id := range []string{"a", "b"} {
			r.run(d, id, sized(500, 0))
			r.passes(time.Second)
		}
		for _, id := range []string{"b", "a"} {
			r.runs("w", id)
			r.passes(time.Second)
		}
		r.run(d, "now", urgent(500, 50))
		r.exits("w", "b")
		r.passes(time.Second)
		r.choosesAgain(d, "now", "b")
		stop()
	})
}

// Who was told to stop for the same request before, and is not needed any more, is none of those who make room now. The
// simulation found it: seed 150037.
func TestReplay_VictimsToldBefore(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		for _, id := range []string{"first", "second"} {
			r.run(d, id, sized(500, 0))
			r.passes(time.Second)
		}
		for _, id := range []string{"first", "second"} {
			r.runs("w", id)
		}
		r.run(d, "now", urgent(400, 50)) // the youngest is told
		r.passes(time.Second)
		_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Cordon: true})
		r.ok(err)
		r.passes(time.Second)
		_, err = d.Cancel(r.t.Context(), "first", "")
		r.ok(err)
		r.passes(time.Second)
		_, err = d.SetIntent(r.t.Context(), "w", daemon.Wish{})
		r.ok(err)
		r.passes(time.Second)
		r.exits("w", "first")
		r.passes(time.Second)
		r.exits("w", "second")
		r.passes(time.Second)
		r.choosesAgain(d, "now", "first")
		stop()
	})
}

// Those that a request is to be apart from make room for it, and who else does is looked at by that.
func TestReplay_VictimsApart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.joins("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		r.run(d, "a", func(q *berth.Request) {
			sized(100, 0)(q)
			q.Labels = map[string]string{"app": "web"}
		})
		r.passes(time.Second)
		r.run(d, "b", sized(100, 0))
		r.runs("w", "a")
		r.runs("w", "b")
		r.run(d, "now", apartFrom(100))
		r.exits("w", "a")
		r.passes(time.Second)
		r.choosesAgain(d, "now", "a")
		stop()
	})
}

// Who had not started ended at once, before the claim that waits for the others: what is there is told of both, by explain and by replay.
func TestReplay_VictimsAreExplained(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		for _, id := range []string{"runs", "starts"} {
			r.run(d, id, sized(500, 0))
			r.passes(time.Second)
		}
		r.runs("w", "runs")
		r.passes(time.Second)
		r.run(d, "now", urgent(1000, 50))
		r.exits("w", "runs")
		r.passes(time.Second)
		r.choosesAgain(d, "now", "runs", "starts")
		e, err := d.Explain(r.t.Context(), "now")
		r.ok(err)
		if want := daemon.ThereBecause + "runs, starts made room for it there"; e.NotTold != want {
			t.Errorf("explained: %q, want %q", e.NotTold, want)
		}
		stop()
	})
}

// Where all who made room had not started, there was no claim: they are told all the same.
func TestReplay_VictimsAtOnceAreExplained(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		r.run(d, "starts", sized(1000, 0))
		r.run(d, "now", urgent(1000, 50))
		r.choosesAgain(d, "now", "starts")
		e, err := d.Explain(r.t.Context(), "now")
		r.ok(err)
		if want := daemon.ThereBecause + "starts made room for it there"; e.NotTold != want {
			t.Errorf("explained: %q, want %q", e.NotTold, want)
		}
		stop()
	})
}
