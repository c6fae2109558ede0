package rules

import (
	"errors"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// A time of before a daemon started, and after which nothing was placed, is told by no placement: what a request's
// own records say to be later than that was not yet so.
func TestExplainAt_BeforeARestart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		restart func(cancel func(), again func())
	}{
		{"it ends after it", func(cancel, again func()) { again(); cancel() }},
		{"it ends before it", func(cancel, again func()) { cancel(); again() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				r.run(d, "r", sized(100, 0))
				r.passes(5 * time.Second)
				placed := time.Now()
				r.passes(5 * time.Second)
				r.runs("w", "r")
				r.passes(5 * time.Second)
				runs := time.Now()
				r.passes(5 * time.Second)
				tt.restart(func() {
					r.passes(5 * time.Second)
					_, err := d.Cancel(r.t.Context(), "r", "")
					r.ok(err)
					r.passes(5 * time.Second)
					r.reported("w", "r", berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
					r.passes(5 * time.Second)
				}, func() {
					stop()
					r.passes(5 * time.Second)
					d, stop = r.daemon()
					r.passes(5 * time.Second)
				})
				for at, want := range map[time.Time]berth.State{runs: berth.StateRunning, time.Now(): berth.StateCancelled} {
					e, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: at})
					r.ok(err)
					if e.Status.State != want || e.Past.Time.After(at) {
						r.t.Errorf("%s before now: revision %d of %s: %s, want %s", time.Since(at), e.Past.Revision, e.Past.Time, e.Status.State, want)
					}
				}
				if e, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: placed}); err != nil || !e.Status.StartedAt.IsZero() || e.Status.State.Final() { // when it was STARTING no record tells
					r.t.Errorf("before it ran: %s, started %s, %v", e.Status.State, e.Status.StartedAt, err)
				}
				stop()
			})
		})
	}
}

// What a daemon knows to be forgotten it does not tell of: another's compaction has taken a time away that it remembers.
func TestExplainAt_CompactedByAnother(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.run(d, "r", sized(100, 0))
		r.passes(5 * time.Second)
		then := time.Now()
		r.passes(5 * time.Second)
		_, err := d.Cancel(r.t.Context(), "r", "")
		r.ok(err)
		r.passes(5 * time.Second)
		_, err = r.client.Compact(r.t.Context(), r.revision())
		r.ok(err)
		e, err := d.ExplainAt(r.t.Context(), "r", daemon.Moment{Time: then})
		if past := (*etcdstore.PastError)(nil); !errors.As(err, &past) || !past.Time.Equal(then) {
			r.t.Errorf("%s as of revision %d, %v; want that it is forgotten", e.Status.State, e.Past.Revision, err)
		}
		stop()
	})
}
