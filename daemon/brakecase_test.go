package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestJudgeBrake(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	in := now.Add
	lost := func(n, secondsAgo int) []lostWorker {
		out := make([]lostWorker, n)
		for i := range out {
			out[i] = lostWorker{since: ago(secondsAgo), ttl: 9 * time.Second}
		}
		return out
	}
	idle := func(n, secondsAgo int) []lostWorker {
		out := lost(n, secondsAgo)
		for i := range out {
			out[i].idle = true
		}
		return out
	}
	covered := lost(5, 1)
	for i := range covered {
		covered[i].covered = true
	}
	engaged := &berth.Brake{State: berth.BrakeEngaged, Size: 10, BoundMS: 60_000}
	ofHundred := &berth.Brake{State: berth.BrakeEngaged, Size: 100, BoundMS: 60_000}
	released := &berth.Brake{State: berth.BrakeReleased, Why: berth.ReleaseBound, BoundMS: 60_000}
	bound := 5 * time.Minute
	for _, tt := range []struct {
		name string
		c    brakeCase
		want brakeStep
	}{
		{"nothing lost", brakeCase{alive: 10}, brakeStep{}},
		{"one of a hundred moves at once", brakeCase{alive: 99, lost: lost(1, 0)}, brakeStep{}},
		{"one of three moves at once", brakeCase{alive: 2, lost: lost(1, 0)}, brakeStep{}},
		{"all of two: too few to be a mass", brakeCase{lost: lost(2, 10)}, brakeStep{}},
		{"all of three", brakeCase{lost: lost(3, 0)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"half", brakeCase{alive: 100, lost: lost(100, 0)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"33 of 100, for long", brakeCase{alive: 67, lost: lost(33, 10)}, brakeStep{}},
		{"34 of 100", brakeCase{alive: 66, lost: lost(34, 10)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"34 of 100, most of them idle", brakeCase{alive: 66, lost: append(idle(33, 10), lost(1, 9)...)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"all idle: nothing to hold", brakeCase{alive: 5, lost: idle(95, 1)}, brakeStep{}},
		{"idle ones of long ago are no part of the pool", brakeCase{alive: 6, lost: append(idle(90, 60), lost(4, 1)...)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"17 of 100 may be the beginning", brakeCase{alive: 83, lost: lost(17, 0)}, brakeStep{held: true, until: in(phases(9*time.Second, 100))}},
		{"and was not", brakeCase{alive: 83, lost: lost(17, 5)}, brakeStep{}},
		{"34 of 100, not within the window", brakeCase{alive: 66, lost: append(lost(17, 40), lost(17, 6)...)}, brakeStep{}},
		{"the window is never less than the smear", brakeCase{policy: berth.BrakePolicy{WindowMS: 1000}, alive: 66, lost: lost(34, 14)}, brakeStep{engage: true, held: true, until: in(bound)}},
		{"a pool's own share and bound", brakeCase{policy: berth.BrakePolicy{Percent: 5, BoundMS: 1000}, alive: 95, lost: lost(5, 0)}, brakeStep{engage: true, held: true, until: in(time.Second)}},
		{"switched off", brakeCase{policy: berth.BrakePolicy{Workers: 1_000_000}, lost: lost(100, 0)}, brakeStep{}},
		{"engaged: until its own bound", brakeCase{alive: 5, lost: lost(5, 50), brake: engaged, seenAt: ago(50)}, brakeStep{held: true, until: in(10 * time.Second)}},
		{"engaged: held beyond the window", brakeCase{alive: 5, lost: lost(5, 300), brake: engaged, seenAt: ago(1)}, brakeStep{held: true, until: in(59 * time.Second)}},
		{"its bound", brakeCase{alive: 5, lost: lost(5, 60), brake: engaged, seenAt: ago(60)}, brakeStep{release: berth.ReleaseBound}},
		{"enough came back", brakeCase{alive: 97, lost: lost(3, 20), brake: ofHundred, seenAt: ago(10)}, brakeStep{release: berth.ReleaseRecovered}},
		{"those that are still away hold little", brakeCase{alive: 50, lost: lost(3, 50), brake: ofHundred, seenAt: ago(10)}, brakeStep{held: true, until: in(50 * time.Second)}},
		{"nothing is left of the loss", brakeCase{alive: 5, brake: engaged, seenAt: ago(10)}, brakeStep{clear: true}},
		{"nor of one released", brakeCase{alive: 5, brake: released, seenAt: ago(10)}, brakeStep{clear: true}},
		{"released: this loss is not braked again", brakeCase{alive: 5, lost: covered, brake: released, seenAt: ago(0)}, brakeStep{}},
		{"but a later one is", brakeCase{alive: 5, lost: append(lost(6, 0), covered...), brake: released, seenAt: ago(1)}, brakeStep{engage: true, held: true, until: in(bound)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.now = now
			for _, w := range tt.c.lost {
				if !w.idle {
					tt.c.held += 10
				}
			}
			if diff := cmp.Diff(tt.want, judgeBrake(tt.c), cmp.AllowUnexported(brakeStep{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// The pace holds in every second, whoever moves what.
func TestPaceDelay(t *testing.T) {
	const held = 5000
	perSecond := map[int]int{}
	for i := range held {
		perSecond[int(paceDelay(berth.RequestID(fmt.Sprintf("r%05d", i)), held)/time.Second)]++
	}
	for s, n := range perSecond {
		if s < 0 || s >= held/pacePerSecond || n > 2*pacePerSecond {
			t.Errorf("%d are moved in second %d", n, s)
		}
	}
	if d := paceDelay("r", 0); d != 0 {
		t.Errorf("one that was not held waits %s", d)
	}
}
