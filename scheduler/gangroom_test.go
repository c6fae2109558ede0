package scheduler_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// When workers have more to give, as many more members of a gang fit as these could take,
// at most: so who waits for less than it lacks need not be tried.
func TestProperty_GangFitsByWhatWorkersGive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		for range 2 {
			_, g := genGang(t)
			f.PlaceGang(g)
		}
		_, g := genGang(t)
		before := f.PlaceGang(g)
		f.Undo(before)
		gained := 0
		for _, w := range workers {
			if rapid.Bool().Draw(t, "gives") {
				f.Put(emptied([]scheduler.Worker{w})[0])
				gained += f.RoomFor(g.Members[0], w.ID)
			}
		}
		if after := f.PlaceGang(g); after.Fit > before.Fit+gained {
			t.Fatalf("%d fit, %d did before, and workers gave room for %d", after.Fit, before.Fit, gained)
		}
	})
}

// Of members whose places depend on each other nothing is known beforehand.
func TestRoomFor_Related(t *testing.T) {
	f := fleet(worker("w", 1, 1), worker("v", 1, 1))
	r := request("g.0", 1, 1)
	r.Spread = []berth.Spread{{Topology: "host", MaxSkew: 1}}
	if n := f.RoomFor(ask(r), "w"); n < 1000 {
		t.Errorf("room for %d", n)
	}
	shut := worker("v", 1, 1)
	shut.Cordoned = true
	f.Put(shut)
	if n := f.RoomFor(ask(r), "v"); n != 0 {
		t.Errorf("a worker that takes nothing has room for %d", n)
	}
}
