package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// A request that has a claim comes first on its worker: nobody there makes room for a group.
func TestGroupRoom_ClaimsComeFirst(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 10)
		r.run(d, "now", urgent(500, 90))
		r.passes(time.Second)
		claimed, _ := r.told()
		g := r.pressing("g", 1, 1, 50) // the youngest is beside who ends for the claim
		g.Resources.CPUMilli = 500
		r.submitGroup(d, g)
		r.passes(2 * time.Second)
		k, _ := r.madeRoom()
		if told, _ := r.told(); len(claimed) != 1 || len(told) != 2 || len(k.Workers) != 1 || string(k.Workers[0].Worker) == claimed[0][:2] {
			t.Errorf("told %v for the claim, then %v; kept %+v", claimed, told, k)
		}
		stop()
	})
}

// Those who were told to stop end all the same when the group is cancelled, and nothing is kept for it.
func TestGroupRoom_Cancelled(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		r.submitGroup(d, r.pressing("g", 1, 1, 50))
		r.passes(2 * time.Second)
		_, err := d.CancelGroup(r.t.Context(), "g", "")
		r.ok(err)
		r.passes(time.Second)
		told, _ := r.told()
		if len(told) != 2 || r.kept() != "" {
			t.Fatalf("told %v, kept %q", told, r.kept())
		}
		r.exitsAll()
		if n := r.are("w0-0", "w0-1", "w1-0", "w1-1"); n != 4 { // they come back
			t.Errorf("%d are placed: %v", n, r.held())
		}
		stop()
	})
}

// While the pool's brake is engaged nobody has to make room for a group.
func TestGroupRoom_Braked(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		for i := range 4 {
			w := fmt.Sprintf("v%d", i)
			r.joins(berth.WorkerID(w))
			r.run(d, "on-"+w, sized(1000, 90))
			r.runs(w, "on-"+w)
		}
		for i := range 4 {
			r.remove(fmt.Sprintf("workers/v%d", i))
		}
		r.passes(time.Second)
		if r.kv("brakes/default") == nil {
			t.Fatal("no brake")
		}
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(3 * time.Second)
		if told, _ := r.told(); len(told) > 0 {
			t.Errorf("told during a mass loss: %v", told)
		}
		_, err := d.SetBrake(r.t.Context(), "default", daemon.BrakeWord{Release: true})
		r.ok(err)
		r.passes(3 * time.Second)
		if told, _ := r.told(); len(told) != 4 {
			t.Errorf("when the brake has let go: %v", told)
		}
		stop()
	})
}

// What is kept for a group of lower priority is taken over; what is kept for one that matters as much is not.
func TestGroupRoom_TakesOver(t *testing.T) {
	for name, tt := range map[string]struct {
		priority int32
		want     string
	}{"lower": {20, "g"}, "as much": {50, "first"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.filled(d, 3, 0)
				first := r.whole("first", 2)
				first.Priority = tt.priority
				r.submitGroup(d, first)
				r.passes(2 * time.Second)
				r.submitGroup(d, r.pressing("g", 2, 2, 50))
				r.passes(3 * time.Second)
				told, _ := r.told()
				if got, _, _ := strings.Cut(r.kept(), " "); got != tt.want || (len(told) == 4) != (tt.want == "g") {
					t.Errorf("kept for %q, told %v", got, told)
				}
				stop()
			})
		})
	}
}

// What ends by itself no later than its grace would last is waited for.
func TestGroupRoom_WaitsForWhatEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.lives("w0")
		r.run(d, "w0-0", func(q *berth.Request) {
			sized(1000, 0)(q)
			q.RunLimitMS, q.StopTimeoutMS, q.StartTimeoutMS = 10_000, 1000, 1000
		})
		r.runs("w0", "w0-0")
		r.lives("w1")
		r.run(d, "w1-0", func(q *berth.Request) {
			sized(1000, 0)(q)
			q.StopTimeoutMS = 60_000
		})
		r.runs("w1", "w1-0")
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(3 * time.Second)
		if told, _ := r.told(); !slices.Equal(told, []string{"w1-0"}) {
			t.Errorf("told %v: w0-0 ends before w1-0 must have", told)
		}
		k, _ := r.madeRoom()
		if got := k.By.Sub(k.MadeRoom); got != time.Minute {
			t.Errorf("by %s", got)
		}
		stop()
	})
}

// Whose turn comes while those who make room have their grace does not get what they free.
func TestGroupRoom_AgainstTurns(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 2, 0)
		r.submitGroup(d, r.pressing("g", 1, 1, 50))
		r.passes(2 * time.Second)
		told, _ := r.told()
		r.exits(told[0][:2], told[0])
		r.run(d, "b", of("b")) // of a tenant that has nothing
		r.passes(3 * time.Second)
		if r.are("b") > 0 || !strings.HasPrefix(r.kept(), "g ") {
			t.Errorf("held %v, kept %q", r.held(), r.kept())
		}
		r.exitsAll()
		if r.are("g.0") != 1 {
			t.Errorf("the group is not placed: %v", r.held())
		}
		stop()
	})
}

// Who waits is told for whom, and who has to end for what.
func TestGroupRoom_Explained(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 3, 0)
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(2 * time.Second)
		told, at := r.told()
		check := func(e daemon.Explanation, err error) {
			r.ok(err)
			if e.Verdict == nil || len(e.Victims) != len(told) {
				t.Fatalf("verdict %+v, victims %+v", e.Verdict, e.Victims)
			}
			if first := e.Verdict.Reasons[0]; first.Code != berth.ReasonClaim || first.Want != 4 || first.Workers != 2 || e.Victims[0].ID != berth.RequestID(told[0]) {
				t.Errorf("told %+v, %+v", first, e.Victims)
			}
		}
		check(d.Explain(r.t.Context(), "g.0"))
		check(d.ExplainAt(r.t.Context(), "g.0", daemon.Moment{Revision: at}))
		if s := r.state(d, "g.1"); s.Verdict == nil || s.Verdict.Reasons[0].Code != berth.ReasonClaim {
			t.Errorf("the status tells %+v", s.Verdict)
		}
		stop()
	})
}

// Of several daemons the one that plans the group has others make room for it; one that takes over goes on.
func TestGroupRoom_SeveralDaemons(t *testing.T) {
	bubble(t, func(r *rig) {
		d, end := r.member("d0", etcdstore.Options{})
		_, end1 := r.member("d1", etcdstore.Options{})
		r.filled(d, 4, 0)
		for i := range 3 { // planned by whomever
			r.submitGroup(d, r.pressing(fmt.Sprintf("g%d", i), 1, 1, 50))
		}
		r.passes(5 * time.Second)
		end1()
		for range 4 {
			r.passes(20 * time.Second)
			if told, _ := r.told(); len(told) > 2 {
				t.Errorf("told %v at once", told)
			}
			r.exitsAll()
		}
		if n := r.are("g0.0", "g1.0", "g2.0"); n != 3 {
			t.Errorf("%d of the groups are placed: %v", n, r.held())
		}
		end()
	})
}

// Something is kept for a group for as long as what runs there does. When its first round is over, others make room elsewhere for a group
// that matters as much and may have them do so, and it is kept that again. One that matters less waits.
func TestGroupRoom_BesideWhatIsKept(t *testing.T) {
	for priority, want := range map[int32]bool{50: true, 40: false} {
		t.Run(fmt.Sprint("priority ", priority), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				for _, w := range []string{"w0", "w1", "w2"} {
					r.lives(berth.WorkerID(w))
					r.run(d, w+"-0", func(q *berth.Request) { sized(1000, 0)(q); q.RunLimitMS = 3_600_000 })
					r.runs(w, w+"-0")
				}
				g := r.whole("g", 2)
				g.Priority = 50
				r.submitGroup(d, g)
				r.passes(2 * time.Second)
				kept := r.kept()
				r.submitGroup(d, r.pressing("c", 1, 1, priority))
				r.passes(6 * time.Second)
				if told, _ := r.told(); len(told) > 0 || r.kept() != kept || !strings.HasPrefix(kept, "g w") {
					t.Fatalf("in the first round told %v, kept %q", told, r.kept())
				}
				r.passes(6 * time.Second)
				told, _ := r.told()
				if len(told) == 1 != want || want && (strings.Contains(kept, told[0][:2]) || r.kept() != "c "+told[0][:2]) {
					t.Fatalf("when that was over told %v, kept %q, before %q", told, r.kept(), kept)
				}
				if !want {
					return
				}
				r.exitsAll()
				r.passes(3 * time.Second)
				if r.are("c.0") != 1 || !strings.HasPrefix(r.kept(), "g w") {
					t.Errorf("placed: %v, kept %q, before %q", r.held(), r.kept(), kept)
				}
			})
		})
	}
}
