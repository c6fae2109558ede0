package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Twenty failures at once, of a worker that hung, are one round of suspension;
// each later round is twice as long, up to the most.
func TestStarts_Suspend(t *testing.T) {
	s, now := &starts{}, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		if s.failed(berth.RequestID(fmt.Sprint("hung", i))) {
			s.suspend(now)
		}
	}
	want := suspendFirst
	for round := range 15 {
		if got := s.until.Sub(now); got != want {
			t.Errorf("round %d: suspended for %s, want %s", round+1, got, want)
		}
		now = s.until
		if !s.probing(now) {
			t.Error("not probed after its suspension")
		}
		if s.failed(berth.RequestID(fmt.Sprint("probe", round))) {
			s.suspend(now)
		}
		want = min(2*want, suspendMost)
	}
}

// One request alone suspends nobody, however often it fails. Where it is the one that is let in after a suspension, to see whether
// a start works, its failure is the next round.
func TestStarts_SameAgain(t *testing.T) {
	s, now := &starts{}, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for range 20 {
		if s.failed("poison") {
			t.Fatal("suspended for one request")
		}
	}
	for i := range suspendAfter {
		if s.failed(berth.RequestID(fmt.Sprint("other", i))) {
			s.suspend(now)
		}
	}
	for round, want := range []time.Duration{suspendFirst, 2 * suspendFirst, 4 * suspendFirst} {
		if got := s.until.Sub(now); got != want {
			t.Errorf("round %d: suspended for %s, want %s", round+1, got, want)
		}
		if now = s.until; s.failed("probe") {
			s.suspend(now)
		}
	}
}

// startsOf is a loop with workers a, b and c, to which attempts are reported.
func startsOf(t *testing.T) (l *loop, failed func(w berth.WorkerID, id berth.RequestID, code int64), ran func(w berth.WorkerID, id berth.RequestID)) {
	t.Helper()
	var facts []berth.Fact
	for _, w := range []berth.WorkerID{"a", "b", "c"} {
		facts = append(facts, berth.Fact{Key: workerKey(w), Record: &berth.Worker{Pool: "default"}})
	}
	l = loopWith(t, facts...)
	failed = func(w berth.WorkerID, id berth.RequestID, code int64) {
		l.noteStart(w, id, &berth.Allocation{State: berth.StateExited, Exit: &berth.Exit{Kind: berth.ExitStartFailed, Code: code}})
	}
	ran = func(w berth.WorkerID, id berth.RequestID) {
		l.noteStart(w, id, &berth.Allocation{State: berth.StateRunning})
	}
	return l, failed, ran
}

func typo(i int) berth.RequestID { return berth.RequestID(fmt.Sprint("typo", i)) }

// Typos of one user suspended a machine for all: what a request names and no machine has says
// nothing about the one it was tried on, however many there are.
func TestStarts_OwnFault(t *testing.T) {
	l, failed, _ := startsOf(t)
	for i := range 20 {
		for range 3 {
			failed("a", typo(i), berth.CodeNotFound-int64(i%2))
		}
	}
	if s := l.starts["a"]; s.failures > 0 || s.suspended(l.now()) {
		t.Errorf("%d failures count, suspended until %s", s.failures, s.until)
	}
	for i := range suspendAfter {
		failed("a", typo(i), 0)
	}
	if s := l.starts["a"]; !s.suspended(l.now()) {
		t.Errorf("after %d failures of the machine's own it is not suspended", s.failures)
	}
}

// What a machine lacks and others have is its own fault, once the others have shown it: each
// request counts once, on each machine where it failed.
func TestStarts_LacksWhatOthersHave(t *testing.T) {
	l, failed, ran := startsOf(t)
	for i := range suspendAfter {
		failed("a", typo(i), berth.CodeNotFound)
		failed("b", typo(i), berth.CodeNotFound)
		if s := l.starts["a"]; s.failures != i || s.suspended(l.now()) {
			t.Errorf("%d have run elsewhere, and %d failures count", i, s.failures)
		}
		ran("c", typo(i))
	}
	if s := l.starts["a"]; !s.suspended(l.now()) {
		t.Errorf("%d of its failures ran elsewhere, and it is not suspended", s.failures)
	}
	if len(l.suspicions) > 0 {
		t.Errorf("of what has run is kept %v", l.suspicions)
	}
}

// A machine that has started something since is as it should be, whatever failed there before.
func TestStarts_WorkedSince(t *testing.T) {
	l, failed, ran := startsOf(t)
	for i := range suspendAfter {
		failed("a", typo(i), berth.CodeNotFound)
	}
	ran("a", "good")
	failed("a", "last", berth.CodeNotFound)
	for i := range suspendAfter {
		ran("b", typo(i))
	}
	if s := l.starts["a"]; s.failures != 0 {
		t.Errorf("%d failures count, of before its last good start", s.failures)
	}
	ran("a", typo(0)) // there, in the end
	if s := l.starts["a"]; s != nil {
		t.Errorf("its row goes on: %+v", s)
	}
}

// What is suspected is forgotten with the request: of a million typos nothing is left.
func TestStarts_SuspicionsEnd(t *testing.T) {
	l, failed, _ := startsOf(t)
	for range 3 * maxAvoid {
		failed("a", "r", berth.CodeNotFound)
	}
	if n := len(l.suspicions["r"]); n != maxAvoid {
		t.Errorf("%d suspicions of one request are kept", n)
	}
	l.takeFacts([]berth.Fact{{Key: archiveKey("r"), Record: &berth.Archive{State: berth.StateFailed}, Create: 10, Mod: 10}})
	if len(l.suspicions) > 0 {
		t.Errorf("of what has ended is kept %v", l.suspicions)
	}
}
