package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What blocks a request, of whichever daemon, is told as of now, not as of when it
// was judged.
func TestStatus_VerdictAsOfNow(t *testing.T) {
	s := newStage(t, bigWorker)
	intent := func(i berth.Intent) {
		for n := range 10 {
			s.tell(berth.Key{Kind: berth.KindIntent, ID: fmt.Sprintf("w%d", n)}, &i)
		}
		s.step()
	}
	intent(berth.Intent{Cordon: true, Message: "rack"})
	ids := append(s.submittedTo("daemon", 1, 100), s.submitted(1, 100)...)
	s.step()
	want := func(code berth.ReasonCode, detail string) {
		t.Helper()
		s.view.passed(s.rev)
		for _, id := range ids {
			st, _ := s.status(id)
			if !st.Blocked || len(st.Verdict.Reasons) != 1 || st.Verdict.Reasons[0].Code != code || st.Verdict.Reasons[0].Detail != detail {
				t.Errorf("%s waits for %+v, want %s %q", id, st.Verdict, code, detail)
			}
		}
	}
	want(berth.ReasonCordoned, "rack")
	intent(berth.Intent{Cordon: true, Drain: true, Message: "kernel"})
	want(berth.ReasonDraining, "kernel")
	intent(berth.Intent{Cordon: true, Drain: true, Remove: true})
	want(berth.ReasonRemoving, "")
	for n := range 10 {
		w := berth.WorkerID(fmt.Sprintf("w%d", n))
		s.tell(workerKey(w), nil)
		s.tell(ledgerKey(w), nil)
	}
	s.step()
	want(berth.ReasonNoWorker, "default")
}

// While nothing is placed after a restore, that is what a request waits for.
func TestStatus_Hold(t *testing.T) {
	s := newStage(t, bigWorker)
	s.tell(schemaKey, &berth.Schema{Restored: &berth.Restored{HoldMS: 60_000}})
	id := s.submittedTo("daemon", 1, 100)[0]
	s.step()
	if st, _ := s.status(id); !st.Blocked || st.Verdict.Reasons[0].Code != berth.ReasonRestored {
		t.Errorf("waits for %+v", st.Verdict)
	}
}

// A request on a worker that is lost says until when it is waited for.
func TestStatus_Lost(t *testing.T) {
	s := newStage(t, bigWorker)
	id := s.submittedTo("daemon", 1, 100)[0]
	_, epoch := s.view.worker("w1")
	s.tell(stateKey(id), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w1"})
	s.tell(allocationKey("w1", id), &berth.Allocation{State: berth.StateRunning, Epoch: epoch, Attempt: 1, KeepMS: 20_000})
	s.tell(ledgerKey("w1"), &berth.Ledger{Epoch: epoch, Count: 1, TTLSeconds: 10, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: bigWorker}}})
	s.step()
	if st, _ := s.status(id); st.Lost != nil {
		t.Errorf("lost on a living worker: %+v", st.Lost)
	}
	s.tell(workerKey("w1"), nil)
	s.step()
	until := s.clock.Add(defaultKillBound + 100*time.Millisecond + 20*time.Second)
	if st, _ := s.status(id); st.Lost == nil || !st.Lost.Until.Equal(until) || st.Lost.Braked {
		t.Errorf("waited for until %+v, want %s", st.Lost, until)
	}
}

func TestFilter_WordsShown(t *testing.T) {
	blocked := Status{ID: "a", State: berth.StatePending, Blocked: true, Spec: berth.Request{Tenant: "red"}}
	pending := Status{ID: "b", State: berth.StatePending}
	replaced := Status{ID: "c", State: berth.StateCancelled, Reason: berth.EndReplaced}
	for _, tt := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"none", Filter{}, "ab"},
		{"blocked", Filter{Blocked: true}, "a"},
		{"pending", Filter{States: []berth.State{berth.StatePending}}, "ab"},
		{"replaced", Filter{Replaced: true, Ended: true}, "c"},
		{"tenant", Filter{Tenant: "red"}, "a"},
		{"either", Filter{Blocked: true, States: []berth.State{berth.StateCancelled}, Ended: true}, "ac"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, s := range []*Status{&blocked, &pending, &replaced} {
				if tt.filter.Matches(s) {
					got += string(s.ID)
				}
			}
			if got != tt.want {
				t.Errorf("matches %q, want %q", got, tt.want)
			}
		})
	}
}
