package scheduler_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// clocked says of some how long they may be there yet, and which of them that is longer than so many ms.
func (c crowd) clocked(t *rapid.T, ms int64) (late map[berth.RequestID]bool) {
	late = make(map[berth.RequestID]bool)
	takes := rapid.SampledFrom([]int64{0, 1, ms, ms + 1, 10 * ms})
	for _, w := range sortedWorkers(c) {
		for i := range c[w] {
			o := &c[w][i]
			o.Grace, o.Left = takes.Draw(t, "grace"), takes.Draw(t, "left")
			late[o.Request] = o.Leaving && o.Left > ms || !o.Leaving && o.Grace > ms
		}
	}
	return late
}

func sortedWorkers(c crowd) (ids []berth.WorkerID) {
	for w := range c {
		ids = append(ids, w)
	}
	slices.Sort(ids)
	return ids
}

// TestProperty_InTime: who may be there longer than a request, or a gang, waits is as if it never ended: nobody else is chosen
// for it than where that is so, and of those who are chosen none is late.
func TestProperty_InTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ms = 1000
		var f *scheduler.Fleet
		var who crowd
		var choose func(patience int64, on func(berth.WorkerID) []scheduler.Occupant) (any, []berth.RequestID)
		if rapid.Bool().Draw(t, "gang") {
			var g scheduler.Gang
			_, f, who, _, g = genCrowded(t)
			priority := rapid.Int32Range(0, 4).Draw(t, "of priority")
			choose = func(patience int64, on func(berth.WorkerID) []scheduler.Occupant) (any, []berth.RequestID) {
				for i := range g.Members {
					g.Members[i].Priority, g.Members[i].Patience = priority, patience
				}
				d, _ := f.PreemptGang(g, on)
				return d, d.Victims
			}
		} else {
			workers := genWorkers(t)
			f = fleet(workers...)
			who = genCrowd(t, f, 9)
			c := genPreemptor(t)
			choose = func(patience int64, on func(berth.WorkerID) []scheduler.Occupant) (any, []berth.RequestID) {
				c.Patience = patience
				d, _ := f.Preempt(c, on)
				return d, d.Victims
			}
		}
		late := who.clocked(t, ms)
		got, victims := choose(ms, who.on)
		for _, id := range victims {
			if late[id] {
				t.Fatalf("%s is late: %+v", id, got)
			}
		}
		want, _ := choose(0, func(w berth.WorkerID) (some []scheduler.Occupant) {
			for _, o := range who[w] {
				if !late[o.Request] {
					some = append(some, o)
				}
			}
			return some
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("another choice than without those who are late:\n%s", diff)
		}
	})
}
