package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What one daemon of three places leaves none of its own a quarter above the average, and no other idle, though it
// prefers its own workers; it once put all of it on them.
func TestPlace_EvenForOneOfSeveral(t *testing.T) {
	for _, workers := range []int{3, 9, 20} {
		f := scheduler.NewFleet()
		for i := range workers {
			f.Put(scheduler.Worker{
				ID: berth.WorkerID(fmt.Sprintf("w%02d", i)), Epoch: 1, Pool: berth.DefaultPool, Ready: true, Foreign: i%3 > 0,
				Ledger: berth.Ledger{Epoch: 1, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 1 << 34}}},
			})
		}
		n := map[berth.WorkerID]int{}
		const each = 40
		for i := range each * workers {
			r := berth.Request{ID: berth.RequestID(fmt.Sprintf("r%d", i)), Command: []string{"true"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100}}}.Normalize()
			n[f.Place(scheduler.Candidate{Request: &r}).Worker]++
		}
		for w, got := range n {
			if got > each*5/4+1 || got < each/2 || len(n) != workers {
				t.Errorf("%d workers: %s has %d of %d, the average is %d", workers, w, got, each*workers, each)
			}
		}
	}
}
