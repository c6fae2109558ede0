package scheduler_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// TestProperty_Prices: a fleet that is given the workers of another one, as they were
// before a decision, and the prices by which that was made, decides it again as it was;
// whatever types of devices have come and gone meanwhile.
func TestProperty_Prices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		var ids []berth.WorkerID
		enter := func(kind string) {
			w := worker(fmt.Sprintf("w%d", len(ids)), 64_000, 64<<30)
			for g := range rapid.IntRange(1, 4).Draw(t, "devices") {
				w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", g), Type: kind})
			}
			ids = append(ids, w.ID)
			f.Put(w)
		}
		for i := range 12 {
			enter(deviceTypes[i%2])
		}
		for i := range rapid.IntRange(1, 80).Draw(t, "requests") {
			switch rapid.IntRange(0, 9).Draw(t, "workers") {
			case 0:
				enter("late")
			case 1:
				f.Remove(rapid.SampledFrom(ids).Draw(t, "gone"))
			}
			r := request(fmt.Sprintf("r%d", i), 1000*rapid.Int64Range(0, 9).Draw(t, "cpu"), rapid.Int64Range(0, 9).Draw(t, "memory")<<30)
			if rapid.IntRange(0, 4).Draw(t, "devices") > 0 {
				d := berth.DeviceDemand{Count: 1, Milli: rapid.SampledFrom([]int64{190, 320, 470, 530, 810, 1000}).Draw(t, "milli")}
				d.Types = rapid.SampledFrom([][]string{nil, nil, {deviceTypes[0]}, {deviceTypes[1], "late"}}).Draw(t, "types")
				r.Resources.Devices = []berth.DeviceDemand{d}
			}
			again := scheduler.NewFleet()
			for _, id := range slices.Backward(ids) { // which gives types other numbers
				if w := f.Worker(id); w != nil {
					again.Put(*w)
				}
			}
			want := f.Place(scheduler.Candidate{Request: r})
			again.SetPrices(berth.DefaultPool, stored(t, f.Prices(berth.DefaultPool)))
			got := again.Place(scheduler.Candidate{Request: r, Again: true})
			if got.Worker != want.Worker || !cmp.Equal(got.Share, want.Share) {
				t.Fatalf("request %d goes to %s %+v, and again to %s %+v", i, want.Worker, want.Share, got.Worker, got.Share)
			}
		}
	})
}

// stored are prices as they are read again.
func stored(t *rapid.T, p *berth.Prices) *berth.Prices {
	if p == nil {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	read := new(berth.Prices)
	if err := json.Unmarshal(text, read); err != nil {
		t.Fatal(err)
	}
	return read
}
