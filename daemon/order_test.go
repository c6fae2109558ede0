package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

// The same events give the same plan, in the same order, whatever the order in
// which the maps are ranged over: a simulation repeats a run by its seed.
func TestStep_SameEventsSamePlan(t *testing.T) {
	plan := func() *berth.Plan {
		l := loopWith(t, crowd(60)...)
		b := newBuilder(l, time.Unix(1000, 0))
		for _, ok := l.due.pop(); ok; _, ok = l.due.pop() {
		}
		l.takeFact(berth.Fact{Key: workerKey("w"), Mod: 1000}) // all that it held may move
		for b.room() {
			k, ok := l.due.pop()
			if !ok {
				break
			}
			l.look(k, b)
		}
		b.plan.ID = ""
		return b.plan
	}
	first := plan()
	if len(first.Ends) != 60 {
		t.Fatalf("%d ends, want 60", len(first.Ends))
	}
	for range 5 {
		if diff := cmp.Diff(first, plan()); diff != "" {
			t.Fatalf("another plan for the same events:\n%s", diff)
		}
	}
}

// What a reload no longer holds is told in the order of its keys.
func TestView_VanishedInOrder(t *testing.T) {
	l := loopWith(t, crowd(60)...)
	l.view.loadBegins()
	gone := l.view.loadEnds(10_000)
	if len(gone) != 182 {
		t.Fatalf("%d keys have vanished, want 182", len(gone))
	}
	for i := range gone[1:] {
		if compareKeys(gone[i], gone[i+1]) >= 0 {
			t.Fatalf("%v before %v", gone[i], gone[i+1])
		}
	}
}

// Of timers due at the same instant, the keys decide.
func TestTimers_SameInstant(t *testing.T) {
	at := time.Unix(1000, 0)
	timers := newTimers()
	for _, id := range []berth.RequestID{"c", "a", "d", "b"} {
		timers.set(requestKey(id), at)
	}
	var got string
	timers.due(at, func(k berth.Key) { got += k.ID })
	if got != "abcd" {
		t.Errorf("fired %s, want abcd", got)
	}
}

// crowd is one worker with n allocations that have not started.
func crowd(n int) []berth.Fact {
	each := berth.Share{Quantities: berth.Quantities{CPUMilli: 1}}
	facts := []berth.Fact{
		{Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}},
		{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Count: int64(n), Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: int64(n)}}}},
	}
	for i := range n {
		id := berth.RequestID(fmt.Sprintf("r%d", i))
		facts = append(facts,
			berth.Fact{Key: requestKey(id), Record: &berth.Submission{Spec: berth.Request{ID: id}.Normalize()}},
			berth.Fact{Key: stateKey(id), Record: &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w", Epoch: 1}},
			berth.Fact{Key: allocationKey("w", id), Record: &berth.Allocation{State: berth.StatePlaced, Attempt: 1, Epoch: 1, Share: each}})
	}
	return facts
}
