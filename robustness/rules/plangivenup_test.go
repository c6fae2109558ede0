package rules

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// What is kept for a group, and given up for whom it keeps off, is first for that one, and then for those behind it: also where another's turn would have been
// next. A plan tells so.
func TestForecast_GivenUpInTurn(t *testing.T) {
	for name, other := range map[string]int64{"alone": 0, "beside one of who has more": 1, "beside a group of who has more": 2} {
		bubbleSub(t, name, func(r *rig) {
			d, stop := r.daemon()
			r.holds("w2", 6000)
			r.run(d, "f", sizedOf("a", 6000, 50))
			r.holds("w0", 2000)
			r.holds("w1", 4000)
			g := r.group("g", 3, 2)
			sizedOf("b", 2000, 0)(&g)
			r.submitGroup(d, g)
			r.passes(time.Second)
			r.allRun()
			h := r.group("h", 3, 3)
			inRack("w1", sizedOf("b", 1000, 0))(&h)
			r.submitGroup(d, h)
			r.passes(200 * time.Millisecond)
			switch other {
			case 1:
				r.run(d, "other", inRack("w1", sizedOf("a", 2000, 0)))
			case 2:
				o := r.group("other", other, other)
				inRack("w1", sizedOf("a", 1000, 0))(&o)
				r.submitGroup(d, o)
			}
			r.passes(200 * time.Millisecond)
			r.run(d, "small", sizedOf("b", 500, 0))
			r.passes(200 * time.Millisecond)
			r.run(d, "first", sizedOf("b", 2000, 10))
			r.passes(2 * time.Second)
			before, kept := r.heldOn(), r.kept()
			told := r.foretoldOn(&snapshot.Change{Drain: []berth.WorkerID{"w0"}})
			_, err := d.SetIntent(r.t.Context(), "w0", daemon.Wish{Drain: true})
			r.ok(err)
			for range 50 {
				r.passes(100 * time.Millisecond)
				r.exitToldOnes()
			}
			on := r.heldOn()
			for id, w := range told {
				if on[id] != w {
					r.t.Errorf("%s: a plan tells %q, and it is on %q; kept %s, before %v\nplan %v\nheld %v", id, w, on[id], kept, before, told, on)
				}
			}
			if kept != "h w1" || on["first"] != "w1" || on["small"] != "w1" || len(on) != 3 {
				r.t.Errorf("kept %s, held %v", kept, on)
			}
			stop()
		})
	}
}
