package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// shadowed is a fleet with a shadow, and what was judged.
type shadowed struct {
	indexed
	sampled, judged, skipped int64
	other                    int64
	lenient                  bool // the shadow was made anew: what was noted by then is skipped
}

// put is a change of a worker, which may take requests that are counted to another pool.
func (x *shadowed) put(t *rapid.T) {
	x.indexed.put(t)
	x.lenient = x.lenient || x.fleet.ShadowStale(berth.DefaultPool)
}

func (x *shadowed) tell(j scheduler.Judgement) {
	x.skipped += j.Skipped
	if j.Skipped == 0 {
		x.judged++
	}
	if j.Real.Worker != j.Shadow.Worker {
		x.other++
	}
}

// place places a request that others look for, and counts it.
func (x *shadowed) place(t *rapid.T) {
	x.next++
	r := genRequest(t, fmt.Sprintf("r%d", x.next))
	genTerms(t, r)
	c := ask(r)
	c.Sample = true
	before := len(x.live)
	x.fleet.SetClock(rapid.Int64Range(1, 5000).Draw(t, "clock"))
	if rapid.IntRange(0, 3).Draw(t, "limited") > 0 {
		x.placeAsByForce(t, c)
	} else { // it may take what is kept, which no look at all workers tells
		r.RunLimitMS = 1000
		if d := x.fleet.Place(c); d.Verdict == nil {
			x.live = append(x.live, placement{d.Worker, d.Share})
		}
	}
	if len(x.live) > before {
		x.sampled++
		x.fleet.Count(x.live[before].worker, r.Labels, 1)
	}
}

// keep keeps something of some workers for a group, or nothing any more.
func (x *shadowed) keep(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "nothing") == 0 {
		x.fleet.Keep(berth.DefaultPool, nil)
		return
	}
	k := &berth.Keep{Group: "g", By: time.UnixMilli(rapid.Int64Range(1, 50_000).Draw(t, "by"))}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 1, 10, rapid.ID).Draw(t, "kept") {
		k.Workers = append(k.Workers, berth.KeptWorker{
			Worker: berth.WorkerID(fmt.Sprintf("w%d", i)), Share: berth.Share{Quantities: berth.Quantities{CPUMilli: rapid.Int64Range(1, 4).Draw(t, "cpu")}},
		})
	}
	x.fleet.Keep(berth.DefaultPool, k)
}

// A shadow of the pool's own policy chooses what the pool did, whatever has happened
// meanwhile and however late it is asked; and the real choice is that of a look at all.
func TestProperty_ShadowOfItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &shadowed{indexed: indexed{running: running{fleet: scheduler.NewFleet()}}}
		p := berth.Pool{Strategy: rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"), Weights: genWeights(t)}
		x.fleet.Set(berth.DefaultPool, &p)
		for range rapid.IntRange(0, 25).Draw(t, "before") {
			x.put(t)
		}
		x.fleet.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: p.Strategy, Weights: p.Weights})
		if x.lenient = rapid.Bool().Draw(t, "late"); !x.lenient {
			x.fleet.JudgeShadows(1, x.tell)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put":    x.put,
			"place":  x.place,
			"place2": x.place,
			"place3": x.place,
			"end":    x.end,
			"keep":   x.keep,
			"gang":   x.gang,
			"remove": func(t *rapid.T) { x.fleet.Remove(berth.WorkerID(x.id(t))) },
			"judge":  func(t *rapid.T) { x.fleet.JudgeShadows(rapid.IntRange(1, 10).Draw(t, "notes"), x.tell) },
		})
		for x.fleet.JudgeShadows(1, x.tell) {
		}
		if x.fleet.ShadowsBehind() || x.judged+x.skipped != x.sampled || x.skipped > 0 && !x.lenient || x.other > 0 {
			t.Fatalf("%d placed: %d judged, %d skipped, %d went elsewhere; behind: %t", x.sampled, x.judged, x.skipped, x.other, x.fleet.ShadowsBehind())
		}
	})
}

// A shadow learns what is usual with the pool: with the same policy it has the same prices.
func TestShadow_Learns(t *testing.T) {
	f := scheduler.NewFleet()
	for i := range 12 {
		w := worker(fmt.Sprint("w", i), 64_000, 64<<30)
		for d := range 4 {
			w.Ledger.Capacity.Devices = append(w.Ledger.Capacity.Devices, berth.Device{Name: fmt.Sprint("gpu", d), Type: "t4"})
		}
		f.Put(w)
	}
	f.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: berth.StrategySpread})
	f.JudgeShadows(1, nil)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 80 {
		r := request(fmt.Sprint("r", i), 100*random.Int64N(20), 0)
		r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: []int64{190, 300, 470, 810}[random.IntN(4)]}}
		c := ask(r)
		c.Sample = true
		f.Place(c)
	}
	judged := 0
	for f.JudgeShadows(10, func(j scheduler.Judgement) {
		if judged++; j.Real != j.Shadow {
			t.Errorf("placement %d: %+v, the shadow %+v", judged, j.Real, j.Shadow)
		}
	}) {
	}
	if judged < 60 {
		t.Errorf("%d judged", judged)
	}
}

// What ends in time for a group may take what is kept for it, under the shadow's policy too,
// by the clock of the choice and not of the judgement.
func TestShadow_Kept(t *testing.T) {
	f := scheduler.NewFleet()
	f.Put(worker("w1", 2, 2))
	f.Keep(berth.DefaultPool, &berth.Keep{
		Group: "g", By: time.UnixMilli(1_000_000), Workers: []berth.KeptWorker{{Worker: "w1", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 2}}}},
	})
	f.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: berth.StrategyBinpack})
	f.JudgeShadows(1, nil)
	r := request("r", 1, 0)
	r.RunLimitMS = 1000
	c := ask(r)
	c.Sample = true
	f.SetClock(5_000)
	if d := f.Place(c); d.Worker != "w1" {
		t.Fatalf("on %q: %+v", d.Worker, d.Verdict)
	}
	f.SetClock(2_000_000)
	var got scheduler.Judgement
	for f.JudgeShadows(10, func(j scheduler.Judgement) { got = j }) {
	}
	if got.Shadow.Worker != "w1" || got.Real != got.Shadow || got.Shadow.LoadMilli != 500 {
		t.Errorf("judged %+v, want both on w1", got)
	}
}

// What spread would have done beside binpack is told with what it would have cost, each
// time on the workers as they were.
func TestShadow_Costs(t *testing.T) {
	f := scheduler.NewFleet()
	f.SetStrategy(berth.DefaultPool, berth.StrategyBinpack)
	w := worker("w1", 1000, 1<<30)
	w.Ledger.Reserved.CPUMilli, w.Ledger.Count = 500, 1
	f.Put(w)
	f.Put(worker("w2", 1000, 1<<30))
	f.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: berth.StrategySpread})
	f.JudgeShadows(1, nil) // from now on
	place := func(id string, cpu int64) {
		c := ask(request(id, cpu, 0))
		c.Sample = true
		if d := f.Place(c); d.Verdict != nil {
			t.Fatalf("%s: %+v", id, d.Verdict)
		}
	}
	place("r1", 300)
	place("r2", 300)
	var got []string
	for f.JudgeShadows(1, func(j scheduler.Judgement) {
		got = append(got, fmt.Sprintf("%s %d, %s %d", j.Real.Worker, j.Real.LoadMilli, j.Shadow.Worker, j.Shadow.LoadMilli))
	}) {
	}
	want := []string{"w1 800, w2 300", "w2 300, w2 300"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("judged %q, want %q", got, want)
	}
}

// A journal that is not read is dropped, and what was to be judged is told as skipped;
// then the shadow goes on from the workers as they are.
func TestShadow_Overflow(t *testing.T) {
	f := scheduler.NewFleet()
	f.Put(worker("w1", 1<<20, 1<<30))
	f.SetShadow(berth.DefaultPool, &berth.Shadow{Strategy: berth.StrategySpread})
	f.JudgeShadows(1, nil)
	place := func(n int) {
		for i := range n {
			c := ask(request(fmt.Sprint("r", i), 1, 0))
			c.Sample = true
			f.Place(c)
		}
	}
	judged, skipped := int64(0), int64(0)
	read := func() {
		for f.JudgeShadows(1000, func(j scheduler.Judgement) {
			if skipped += j.Skipped; j.Skipped == 0 {
				judged++
			}
		}) {
		}
	}
	place(scheduler.MaxShadowNotes) // two notes each
	read()
	if judged != 0 || skipped != scheduler.MaxShadowNotes {
		t.Errorf("%d judged and %d skipped, want 0 and %d", judged, skipped, scheduler.MaxShadowNotes)
	}
	place(10)
	read()
	if judged != 10 || skipped != scheduler.MaxShadowNotes {
		t.Errorf("then %d judged and %d skipped, want 10 and as many as before", judged, skipped)
	}
}
