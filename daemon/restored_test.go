package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// After a restore nothing is placed, and nothing that may run on a lost worker
// is moved, until the hold is taken out of the store.
func TestHold(t *testing.T) {
	schema := &berth.Schema{Layout: 1, Restored: &berth.Restored{At: time.Now(), HoldMS: 60_000}}
	facts := running("runs")
	facts[1].Record.(*berth.Ledger).Capacity = berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1000}} //nolint:errcheck // it is one
	l := loopWith(t, append(facts, berth.Fact{Key: schemaKey, Record: schema})...)
	l.lookWorker("w", newBuilder(l, time.Now()))
	if !l.hold.active() || l.mayPlace() {
		t.Fatal("no hold")
	}
	if until := time.Until(l.hold.until); until < 50*time.Second || until > time.Minute {
		t.Errorf("the hold lasts %s, not a minute from when it was seen", until)
	}
	waits := berth.Fact{Key: requestKey("waits"), Record: &berth.Submission{Spec: berth.Request{ID: "waits"}.Normalize()}, Create: 90, Mod: 90}
	l.takeFact(waits)
	place := func() int {
		b := newBuilder(l, time.Now())
		for due := true; due; _, due = l.due.pop() { // nothing else is looked at
			continue
		}
		l.look(requestKey("waits"), b)
		l.admit(b)
		return len(b.plan.Places)
	}
	if n := place(); n != 0 {
		t.Errorf("%d placed during the hold", n)
	}
	// The worker did not come back: its lease is gone from the restored store, and
	// says nothing of how long it was kept alive by the former one.
	l.takeFact(berth.Fact{Key: workerKey("w"), Mod: 91})
	l.lost["w"] = &lostEpoch{epoch: 1, since: time.Now(), leaseEnd: time.Now().Add(-time.Hour)}
	if at := l.graceOf("w", 1); !at.IsZero() {
		t.Errorf("what may run is moved at %s, during the hold", at)
	}
	l.takeFact(berth.Fact{Key: schemaKey, Record: &berth.Schema{Layout: 1}, Create: 6, Mod: 92})
	l.view.passed(92) // all that was there when it was put
	if l.hold.active() || l.graceOf("w", 1).IsZero() {
		t.Error("the hold goes on")
	}
	l.takeFact(berth.Fact{Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}, Create: 1, Mod: 93})
	l.lookWorker("w", newBuilder(l, time.Now()))
	if n := place(); n != 1 {
		t.Errorf("%d placed after the hold, want 1", n)
	}
}

// A loop that took the place of another knows nothing, but for what users wait
// for; the former one's news do not reach it.
func TestRenew(t *testing.T) {
	l := loopWith(t, running("r")...)
	l.orderCancel("r", "", make(chan struct{}))
	next := l.renew()
	if len(next.view.whole)+len(next.view.lives) != 0 || next.loaded || next.cancels["r"] == nil {
		t.Errorf("it begins with %d facts, loaded %t, %d cancels", len(next.view.whole)+len(next.view.lives), next.loaded, len(next.cancels))
	}
	ran := false
	if err := l.post(t.Context(), func() { ran = true }); err != nil {
		t.Fatal(err)
	}
	(<-l.d.calls)(next)
	if ran {
		t.Error("it takes the news of another cluster")
	}
}
