package scheduler_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// TestProperty_Mix: a fleet that is given the workers and the mix of another one decides as that does.
func TestProperty_Mix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ids []berth.WorkerID
		a := scheduler.NewFleet()
		for i := range 12 {
			w := worker(fmt.Sprintf("w%d", i), 64_000, 64<<30)
			for g := range rapid.IntRange(1, 4).Draw(t, "devices") {
				w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", g), Type: deviceTypes[i%2]})
			}
			ids = append(ids, w.ID)
			a.Put(w)
		}
		next := 0
		ask := func() *berth.Request {
			next++
			r := request(fmt.Sprintf("r%d", next), 1000*rapid.Int64Range(0, 9).Draw(t, "cpu"), rapid.Int64Range(0, 9).Draw(t, "memory")<<30)
			if rapid.IntRange(0, 4).Draw(t, "devices") > 0 {
				r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: rapid.SampledFrom([]int64{190, 320, 470, 530, 810, 1000}).Draw(t, "milli")}}
			}
			return r
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			a.Place(scheduler.Candidate{Request: ask()})
		}
		b := scheduler.NewFleet()
		for _, id := range ids {
			b.Put(*a.Worker(id))
		}
		written, err := json.Marshal(a.Mix(berth.DefaultPool))
		if err != nil {
			t.Fatal(err)
		}
		var read scheduler.MixState
		if err := json.Unmarshal(written, &read); err != nil {
			t.Fatal(err)
		}
		b.SetMix(berth.DefaultPool, read)
		for range 20 {
			c := scheduler.Candidate{Request: ask()}
			if diff := cmp.Diff(a.Place(c), b.Place(c)); diff != "" {
				t.Fatalf("%s (-one +given its mix):\n%s", c.Request.ID, diff)
			}
		}
	})
}
