package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Where more is due than one plan looks at, what has changed in the queue was planned as
// it is in the view by then: what another daemon had placed was placed once more, and so
// was what had ended, for the transaction compares the newest.
func TestAdmit_ChangedSinceItCame(t *testing.T) {
	allocation := &berth.Allocation{State: berth.StatePlaced, Attempt: 1, Epoch: 7, PlanID: "other-1"}
	for name, changes := range map[string][]berth.Fact{
		"placed by another daemon": {
			{Key: stateKey("r"), Mod: 20, Create: 20, Record: &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "theirs", Epoch: 7, PlanID: "other-1"}},
			{Key: allocationKey("theirs", "r"), Mod: 20, Create: 20, Record: allocation},
		},
		"ended": {
			{Key: requestKey("r"), Mod: 20},
			{Key: archiveKey("r"), Mod: 20, Create: 20, Record: &berth.Archive{State: berth.StateCancelled}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := roomy(t)
			s := submissionOf(t, l, "r")
			l.takeFact(berth.Fact{Key: requestKey("r"), Mod: 10, Create: 10, Record: &s.record})
			for k, ok := l.due.pop(); ok; k, ok = l.due.pop() {
				l.look(k, newBuilder(l, time.Now()))
			}
			if l.queue.len() != 1 {
				t.Fatal("it does not wait")
			}
			for i := range looksMost {
				l.due.add(requestKey(berth.RequestID(fmt.Sprint("x", i))))
			}
			l.takeFacts(changes)
			for range 2 {
				b := newBuilder(l, time.Now())
				l.gather(b)
				if len(b.plan.Places) > 0 {
					t.Fatalf("it is placed: %+v", b.plan.Places[0].State)
				}
			}
			if l.queue.len() != 0 {
				t.Error("it still waits")
			}
		})
	}
}
