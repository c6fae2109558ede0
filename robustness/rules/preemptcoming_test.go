package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// So is room that is made for the rest of a group whose first member has ended well.
func TestPreempt_ApartFromGroupsRoomWithoutItsFirst(t *testing.T) {
	for _, succeeded := range []string{"g.0", "g.2"} {
		t.Run(succeeded, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				for _, w := range []string{"w1", "w2", "w3"} {
					r.lives(berth.WorkerID(w))
				}
				var low []string
				g := r.pressing("g", 3, 3, 9)
				g.Resources.CPUMilli = 500
				g.StopTimeoutMS = 1000
				apartFromEachOther(&g)
				g.Retry = berth.RetryPolicy{MaxAttempts: 5, BackoffMS: 1000, OnFailure: true}
				r.submitGroup(d, g)
				r.passes(time.Second)
				if r.located("g.0", "g.1", "g.2") != 3 {
					t.Fatal(r.held())
				}
				for _, m := range []string{"g.0", "g.1", "g.2"} {
					r.runs(r.whereIs(m), m)
				}
				for i := range 3 {
					id := fmt.Sprint("low", i)
					low = append(low, id)
					r.run(d, id, sized(500, 0))
				}
				r.reported(r.whereIs(succeeded), succeeded, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
				r.passes(100 * time.Millisecond)
				r.reported(r.whereIs("g.1"), "g.1", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
				r.passes(50 * time.Millisecond)
				for i := range 3 {
					id := fmt.Sprint("low", 3+i)
					low = append(low, id)
					r.run(d, id, sized(500, 0))
				}
				for _, m := range []string{"g.0", "g.2"} {
					if r.located(m) == 1 {
						r.exits(r.whereIs(m), m)
					}
				}
				r.passes(100 * time.Millisecond)
				for _, id := range low {
					r.runs(r.whereIs(id), id)
				}
				r.passes(1500 * time.Millisecond)
				for _, w := range []berth.WorkerID{"w1", "w2", "w3"} {
					if !strings.Contains(r.kept(), string(w)) {
						_, err := d.SetIntent(r.t.Context(), w, daemon.Wish{Cordon: true})
						r.ok(err)
					}
				}
				before := r.stoppedFor(berth.StopPreempt, low...)
				r.run(d, "high", func(q *berth.Request) { urgent(500, 9)(q); apartFromEachOther(q) })
				r.passes(time.Second)
				if told := r.stoppedFor(berth.StopPreempt, low...); len(before) != 2 || len(told) != 2 {
					t.Errorf("told %v, and then %v: kept %q held %v", before, told, r.kept(), r.held())
				}
			})
		})
	}
}

// And a daemon knows of it that starts when room is made already.
func TestPreempt_ApartFromGroupsRoomAfterRestart(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		low := r.twoOnEach(d, []string{"w1", "w2", "w3"})
		g := r.pressing("g", 2, 2, 9)
		g.Resources.CPUMilli = 500
		apartFromEachOther(&g)
		r.submitGroup(d, g)
		r.passes(500 * time.Millisecond)
		if n := len(r.stoppedFor(berth.StopPreempt, low...)); n != 2 {
			t.Fatal(n)
		}
		stop()
		r.passes(time.Second)
		d, stop = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		defer stop()
		r.passes(100 * time.Millisecond)
		r.run(d, "high", func(q *berth.Request) { urgent(500, 9)(q); apartFromEachOther(q) })
		r.passes(3 * time.Second)
		told := r.stoppedFor(berth.StopPreempt, low...)
		on := map[string]bool{}
		for _, id := range told {
			on[r.whereIs(id)] = true
		}
		if len(told) != 3 || len(on) != 3 {
			t.Errorf("told %v held %v", told, r.held())
		}
	})
}
