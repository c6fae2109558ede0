package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// stage is a loop that nothing runs, with a clock that the test moves, beside a
// daemon "other" of which it sees only what the store would tell.
type stage struct {
	*loop
	t       testing.TB
	clock   time.Time
	rev     berth.Revision
	commits int
	told    []berth.Fact
}

const bigWorker = 1_000_000 // thousandths of a core

// newStage has ten workers of cpu thousandths each, shared by both daemons.
func newStage(t testing.TB, cpu int64) *stage {
	t.Helper()
	s := &stage{loop: loopWith(t), t: t, clock: time.Unix(1000, 0), rev: 100}
	s.d.opts.Now = func() time.Time { return s.clock }
	s.allKnown()
	s.tell(daemonKey("daemon"), &berth.Daemon{TxnBase: "self"})
	s.tell(daemonKey("other"), &berth.Daemon{TxnBase: "other"})
	for i := range 10 {
		w := berth.WorkerID(fmt.Sprintf("w%d", i))
		capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: cpu}}
		s.tell(workerKey(w), &berth.Worker{Pool: "default", Capacity: capacity})
		s.tell(ledgerKey(w), &berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: capacity})
		s.rev++
	}
	s.step()
	return s
}

// tell gives a record at a new revision.
func (s *stage) tell(k berth.Key, record any) {
	s.rev++
	f := berth.Fact{Key: k, Record: record, Mod: s.rev, Create: s.view.fact(k).Create}
	if f.Create == 0 {
		f.Create = s.rev
	}
	s.told = append(s.told, f)
	s.takeFact(f)
}

// step gathers a plan of what is due now, and does not commit it.
func (s *stage) step() *berth.Plan {
	s.timers.due(s.clock, s.due.add)
	s.watchPlacing(s.clock)
	b := newBuilder(s.loop, s.clock)
	for n, more := 0, true; more && b.plan.Empty(); n++ {
		if n > 10_000 {
			s.t.Fatal("it does not come to rest")
		}
		more = s.gather(b)
	}
	return b.plan
}

// pass lets time pass, a millisecond at a time, and returns when something is
// planned, or nil.
func (s *stage) pass(d time.Duration) *berth.Plan {
	for end := s.clock.Add(d); s.clock.Before(end); {
		s.clock = s.clock.Add(time.Millisecond)
		if p := s.step(); !p.Empty() {
			return p
		}
	}
	return nil
}

func (s *stage) otherCommits() {
	s.commits++
	s.tell(berth.Key{Kind: berth.KindConditions, ID: "elsewhere"}, &berth.Conditions{Header: berth.Header{Txn: berth.TxnID(fmt.Sprintf("other-%d", s.commits))}})
}

// submitted tells of n requests that wait and belong to the other daemon.
func (s *stage) submitted(n int, cpu int64) []berth.RequestID {
	return s.submittedTo("other", n, cpu)
}

func (s *stage) submittedTo(owner berth.DaemonID, n int, cpu int64) (ids []berth.RequestID) {
	for i := 0; len(ids) < n; i++ {
		r := berth.Request{ID: berth.RequestID(fmt.Sprintf("r%d", i)), Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}}}.Normalize()
		if s.share.ofRequest(&r, "") == owner {
			s.tell(requestKey(r.ID), &berth.Submission{Spec: r})
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (s *stage) wantStepIns(n int64) {
	s.t.Helper()
	if s.stepIns != n {
		s.t.Errorf("stepped in %d times, want %d", s.stepIns, n)
	}
}

// A silent daemon's requests are placed by the others after 200 ms, and not before.
func TestPeers_Silent(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submitted(20, 100)
	if p := s.step(); !p.Empty() {
		t.Fatalf("planned another's requests at once: %+v", p.Places)
	}
	if p := s.pass(stepInAfter - time.Millisecond); p != nil {
		t.Fatalf("planned another's requests at %v: %+v", s.clock, p.Places)
	}
	p := s.pass(10 * time.Millisecond)
	if p == nil || len(p.Places) != 20 {
		t.Fatalf("did not place the 20 requests of a silent daemon: %+v", p)
	}
	s.wantStepIns(1)
}

// Behind a backlog everything is old. A daemon that commits is left alone with
// its 100,000 requests for a minute, however old they are.
func TestPeers_BacklogNoStorm(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submitted(100_000, 100)
	s.step()
	for range 60 * 10 {
		s.clock = s.clock.Add(100 * time.Millisecond)
		s.otherCommits()
		if p := s.step(); !p.Empty() {
			t.Fatalf("planned %d requests of a daemon that commits", len(p.Places))
		}
	}
	s.wantStepIns(0)
	if n := s.peers.byID["other"].queue.len(); n != 100_000 {
		t.Errorf("%d requests wait, want 100000", n)
	}
	if p := s.pass(stepInAfter); p == nil || len(p.Places) == 0 {
		t.Error("did not step in when it went silent")
	}
}

// A daemon whose requests fit nowhere has nothing to commit: it is not taken for
// dead, and nobody wakes up for it.
func TestPeers_BlockedIsNotDead(t *testing.T) {
	s := newStage(t, 1000)
	ids := s.submitted(20, 2000)
	s.step()
	if p := s.pass(time.Second); p != nil {
		t.Fatalf("planned what fits nowhere: %+v", p)
	}
	s.wantStepIns(0)
	if at := s.timers.next(); !at.IsZero() {
		t.Errorf("something is looked at again at %v", at)
	}
	if st, _ := s.status(ids[0]); !st.Blocked || len(st.Verdict.Reasons) == 0 {
		t.Errorf("another's request is not told as blocked: %+v", st)
	}
}

// Capacity that frees up after long gives the owner its time from then.
func TestPeers_CapacityGivesTime(t *testing.T) {
	s := newStage(t, 1000)
	s.submitted(1, 2000)
	s.step()
	s.pass(time.Second)
	w := berth.WorkerID("w-large")
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000}}
	s.tell(workerKey(w), &berth.Worker{Pool: "default", Capacity: capacity})
	s.tell(ledgerKey(w), &berth.Ledger{Epoch: berth.Epoch(s.rev), Capacity: capacity})
	s.step()
	if p := s.pass(stepInAfter - time.Millisecond); p != nil {
		t.Fatalf("stepped in before the owner had its time: %+v", p.Places)
	}
	if p := s.pass(10 * time.Millisecond); p == nil || len(p.Places) != 1 {
		t.Errorf("did not step in: %+v", p)
	}
}

// A daemon that commits again gets its share back, and what it owes is its own.
func TestPeers_CommitsAgain(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submitted(1, 100)
	s.step()
	s.pass(stepInAfter + time.Millisecond)
	s.wantStepIns(1)
	s.otherCommits()
	s.step()
	s.submitted(30, 100)
	s.step()
	if p := s.pass(stepInAfter - time.Millisecond); p != nil {
		t.Errorf("goes on for a daemon that is back: %+v", p.Places)
	}
}

// When a daemon leaves in order, or its lease ends, its requests go on at once.
func TestPeers_Leaves(t *testing.T) {
	s := newStage(t, bigWorker)
	s.submitted(20, 100)
	s.step()
	s.tell(daemonKey("other"), nil)
	if p := s.step(); len(p.Places) != 20 {
		t.Errorf("placed %d of 20 requests of a daemon that left", len(p.Places))
	}
	s.wantStepIns(0)
}

// What ends on another's worker is its owner's to release, until that is silent.
func TestPeers_Ends(t *testing.T) {
	s := newStage(t, bigWorker)
	w := s.workerOf("other")
	_, epoch := s.view.worker(w)
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}
	ledger, _ := s.view.ledger(w)
	held := *ledger
	held.Count, held.Reserved = 1, share
	s.tell(ledgerKey(w), &held)
	s.tell(requestKey("x"), &berth.Submission{Spec: berth.Request{ID: "x"}.Normalize()})
	s.tell(stateKey("x"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
	s.tell(allocationKey(w, "x"), &berth.Allocation{
		State: berth.StateExited, Attempt: 1, Epoch: epoch, Share: share, Exit: &berth.Exit{Kind: berth.ExitExited},
	})
	s.step()
	if p := s.pass(stepInAfter - time.Millisecond); p != nil {
		t.Fatalf("ended what another owns: %+v", p.Ends)
	}
	if p := s.pass(10 * time.Millisecond); p == nil || len(p.Ends) != 1 {
		t.Errorf("did not end it for a silent owner: %+v", p)
	}
}

// While the store answers slowly, all daemons commit slowly, and none is silent.
func TestPeers_SlowStore(t *testing.T) {
	s := newStage(t, bigWorker)
	s.took = 300 * time.Millisecond
	s.submitted(1, 100)
	s.step()
	if p := s.pass(500 * time.Millisecond); p != nil {
		t.Error("stepped in while the store is slow")
	}
	if p := s.pass(200 * time.Millisecond); p == nil {
		t.Error("never stepped in")
	}
}

func (s *stage) workerOf(d berth.DaemonID) berth.WorkerID {
	for i := range 10 {
		if w := berth.WorkerID(fmt.Sprintf("w%d", i)); s.share.ofWorker(w) == d {
			return w
		}
	}
	s.t.Fatalf("%s owns no worker", d)
	return ""
}
