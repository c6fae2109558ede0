package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Weights are given by the names of the fields of a score, in their order.
func TestWeights_NamesAreTheScorers(t *testing.T) {
	var names []string
	for _, s := range berth.Scorers() {
		names = append(names, string(s))
	}
	if diff := cmp.Diff(scheduler.ScoreFields(), names); diff != "" {
		t.Errorf("(-fields of score +berth.Scorers):\n%s", diff)
	}
	for _, row := range scheduler.ScorerRows() {
		if row.Points == "" {
			t.Errorf("%s says nothing of its points", row.Field)
		}
	}
}

// The sum stands where the first of the named scorers stood: what stands before it is
// told first, what is named decides by it alone, and its parts are shown.
func TestWeights_Standing(t *testing.T) {
	f := scheduler.NewFleet()
	f.Set(berth.DefaultPool, &berth.Pool{Strategy: berth.StrategyBinpack, Weights: berth.Weights{berth.ScorerDislike: 10, berth.ScorerLoad: 3}})
	for _, id := range []string{"a", "b"} {
		w := worker(id, 10, 10)
		if id == "b" {
			w.Ledger.Reserved.CPUMilli, w.Ledger.Count = 4, 1
			w.Taints = []berth.Taint{{Key: "old", Effect: berth.EffectPreferNoPlace}}
		}
		f.Put(w)
	}
	var told []string
	for _, s := range f.Standings(ask(request("r", 1, 1)), 2) {
		line := []string{string(s.Worker)}
		for _, term := range s.Terms {
			text := term.Name + " " + term.Value
			if !term.Decides {
				text = "(" + text + ")"
			}
			line = append(line, text)
		}
		told = append(told, strings.Join(line, ", "))
	}
	want := []string{
		"b, devices no, weighed 2800, (disliked 100 (10 x 100)), other_daemons no, (load 40.0% (3 x 600))",
		"a, devices no, weighed 3000, (disliked 0 (10 x 0)), other_daemons no, (load 0.0% (3 x 1000))",
	}
	if !slices.Equal(told, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

// Who is fuller is better under binpack, and worse under spread: also among workers with
// devices, of which is kept who is best for each shape.
func TestWeights_AfterAnotherStrategy(t *testing.T) {
	f := scheduler.NewFleet()
	f.SetWeights(berth.DefaultPool, berth.Weights{berth.ScorerLoad: 1})
	for i, used := range []int64{5, 6, 16, 3, 1, 9} {
		w := worker(fmt.Sprintf("w%02d", i), 20, 20)
		w.Ledger.Capacity.Devices = []berth.Device{{Name: "gpu0", Type: "h100"}, {Name: "gpu1", Type: "h100"}}
		w.Ledger.Reserved.CPUMilli, w.Ledger.Count = used, 1
		f.Put(w)
	}
	r := request("r", 0, 0)
	r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 100}}
	for _, tt := range []struct {
		strategy berth.Strategy
		want     berth.WorkerID
	}{{berth.StrategySpread, "w04"}, {berth.StrategyBinpack, "w02"}, {berth.StrategySpread, "w04"}} {
		f.SetStrategy(berth.DefaultPool, tt.strategy)
		if d := f.Place(ask(r)); d.Worker != tt.want {
			t.Errorf("under %s on %q, want %s", tt.strategy, d.Worker, tt.want)
		}
	}
}

// TestProperty_Weighed: on pools large enough for searches to be cut short, with what
// is weighed pulling in several directions, the choice is that of a look at all.
func TestProperty_Weighed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		weights := berth.Weights{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(berth.Scorers()), 1, -1, rapid.ID).Draw(t, "scorers") {
			weights[name] = rapid.SampledFrom([]int64{0, 1, 2, 10, berth.MaxPoolWeight}).Draw(t, "weight")
		}
		f.Set(berth.DefaultPool, &berth.Pool{
			Strategy: rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"), Weights: weights,
		})
		for i := range rapid.IntRange(10, 40).Draw(t, "workers") {
			w := worker(fmt.Sprintf("w%d", i), 20, 20)
			w.Ledger.Reserved.CPUMilli = rapid.Int64Range(0, 20).Draw(t, "used")
			w.Warm = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z", "z"}), 0, 2).Draw(t, "warm")
			w.Images, w.Holds = true, rapid.SliceOfN(rapid.SampledFrom([]string{"train", "serve", "rare", "rare"}), 0, 2).Draw(t, "holds")
			w.Foreign = rapid.Bool().Draw(t, "foreign")
			for k := range rapid.IntRange(0, 2).Draw(t, "taints") {
				w.Taints = append(w.Taints, berth.Taint{Key: fmt.Sprint("k", k), Effect: berth.EffectPreferNoPlace})
			}
			f.Put(w)
		}
		x := &running{fleet: f}
		for i := range 20 {
			r := request(fmt.Sprintf("r%d", i), rapid.Int64Range(0, 6).Draw(t, "cpu"), 0)
			if rapid.IntRange(0, 3).Draw(t, "keyed") == 0 {
				r.AffinityKey = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
			}
			if rapid.IntRange(0, 3).Draw(t, "imaged") == 0 {
				r.Image = rapid.SampledFrom([]string{"train", "serve"}).Draw(t, "image")
			}
			var avoid []berth.WorkerID
			for range max(rapid.IntRange(-2, 3).Draw(t, "avoids"), 0) {
				avoid = append(avoid, berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 9).Draw(t, "avoid"))))
			}
			x.placeAsByForce(t, ask(r, avoid...))
		}
	})
}
