package daemon

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// Where a short look finds nothing to do, the whole one finds the same, and sets the same timer.
func TestRests(t *testing.T) {
	rested := 0
	rapid.Check(t, func(rt *rapid.T) {
		whole, short := drawn(t, rt, nil), (*stage)(nil)
		short = drawn(t, rt, whole)
		k := allocationKey("w0", "r")
		now := whole.clock.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "s")) * time.Second)
		if !short.rests(k, now) {
			return
		}
		rested++
		b := newBuilder(whole.loop, now)
		whole.doDuty(k, b)
		if !b.plan.Empty() || len(b.keys) > 0 || len(whole.halves) > 0 {
			rt.Fatalf("the whole look plans %+v, looks again at %v, waits for %v", b.plan, b.keys, whole.halves)
		}
		if a, b := whole.timers.at[k], short.timers.starts.next(); !a.Equal(b) {
			rt.Fatalf("the whole look sets %v, the short one %v", a, b)
		}
		x, y := whole.view.lives["r"], short.view.lives["r"]
		if x.seenIs != y.seenIs || x.seenAt != y.seenAt || x.seenNext != y.seenNext {
			rt.Fatalf("seen %v %v %v, and %v %v %v", x.seenIs, x.seenAt, x.seenNext, y.seenIs, y.seenAt, y.seenNext)
		}
	})
	if rested == 0 {
		t.Error("no look was short")
	}
}

// drawn is a stage with an allocation that may have something about it; given another, one that is told the same.
func drawn(t *testing.T, rt *rapid.T, like *stage) *stage {
	s := newStage(t, bigWorker)
	if like != nil {
		for _, f := range like.told {
			s.takeFact(f)
		}
		for id, c := range like.cancels {
			s.cancels[id] = c
		}
		s.clock = like.clock
		return s
	}
	_, epoch := s.view.worker("w0")
	odd := func(what string) bool {
		return rapid.SampledFrom([]bool{false, false, false, false, true, false, false, false}).Draw(rt, what)
	}
	r := berth.Request{ID: "r"}.Normalize()
	if odd("replaces") {
		r.Replaces = "x"
	}
	if odd("run limit") {
		r.RunLimitMS = 5000
	}
	s.tell(requestKey("r"), &berth.Submission{Spec: r})
	a := &berth.Allocation{
		State: rapid.SampledFrom([]berth.State{berth.StatePlaced, berth.StateStarting, berth.StateRunning, berth.StateExited}).Draw(rt, "state"),
		Epoch: epoch, Attempt: 1, StartTimeoutMS: 10_000,
	}
	if odd("epoch") {
		a.Epoch++
	}
	if a.State == berth.StateRunning {
		a.StartedAt = s.clock
	}
	if odd("stop") {
		a.Stop = &berth.StopOrder{Reason: berth.StopDrain}
	}
	if odd("cancel") {
		s.cancels["r"] = &cancelOrder{}
	}
	if odd("intent") {
		s.tell(intentKey("w0"), &berth.Intent{Drain: odd("drain")})
	}
	s.tell(allocationKey("w0", "r"), a)
	p := &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w0", Epoch: epoch}
	if odd("attempt") {
		p.Attempt++
	}
	if odd("elsewhere") {
		p.Worker = "w1"
	}
	if odd("pending") {
		p = &berth.Progress{State: berth.StatePending, Attempt: 1}
	}
	if !odd("no state") {
		s.tell(stateKey("r"), p)
	}
	return s
}
