package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Where far more hold an image, or are warm, than are looked at for it, the choice is
// still that of a look at all.
func TestProperty_ManyHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		p := berth.Pool{Strategy: rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy")}
		if rapid.Bool().Draw(t, "weighed") {
			p.Weights = berth.Weights{berth.ScorerPulls: rapid.Int64Range(0, 2).Draw(t, "pulls"), berth.ScorerCold: rapid.Int64Range(0, 2).Draw(t, "cold"), berth.ScorerLoad: 1}
		}
		f.Set(berth.DefaultPool, &p)
		devices := rapid.Bool().Draw(t, "devices")
		for i := range rapid.IntRange(60, 200).Draw(t, "workers") {
			w := worker(fmt.Sprintf("w%d", i), 8, 8)
			w.Ledger.Reserved.CPUMilli = int64(i*7%9) - 1
			w.Ledger.Reserved.CPUMilli = max(w.Ledger.Reserved.CPUMilli, 0)
			w.Images, w.Holds, w.Warm = true, []string{"train"}, []string{"x"}
			if i%5 == 0 {
				w.Holds, w.Warm = w.Warm, w.Holds
			}
			if devices {
				w.Ledger.Capacity.Devices = []berth.Device{{Name: "g0", Type: "t4"}, {Name: "g1", Type: "t4"}}
			}
			f.Put(w)
		}
		x := &running{fleet: f}
		for i := range 30 {
			r := request(fmt.Sprintf("r%d", i), rapid.Int64Range(0, 4).Draw(t, "cpu"), 0)
			r.Image = rapid.SampledFrom([]string{"", "train", "x", "other"}).Draw(t, "image")
			r.AffinityKey = rapid.SampledFrom([]string{"", "x", "train"}).Draw(t, "key")
			if devices {
				r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 500}}
			}
			x.placeAsByForce(t, ask(r))
		}
	})
}
