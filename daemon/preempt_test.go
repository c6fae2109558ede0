package daemon_test

import (
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

// of is a request for so many thousandths of a core; a hollow worker has 10,000.
func of(id string, cpu int64, priority int32) berth.Request {
	r := request(id)
	r.Resources.CPUMilli, r.Priority = cpu, priority
	r.StopTimeoutMS = 5000
	return r
}

func urgent(id string, cpu int64, priority int32) berth.Request {
	r := of(id, cpu, priority)
	r.Preemption = berth.PreemptionLower
	return r
}

func submit(t *testing.T, d *daemon.Daemon, rs ...berth.Request) {
	t.Helper()
	res, err := d.Submit(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// becomes waits until a request is as it should be.
func becomes(t *testing.T, d *daemon.Daemon, id berth.RequestID, what string, is func(daemon.Status) bool) daemon.Status {
	t.Helper()
	var last daemon.Status
	for range 1500 {
		var err error
		if last, err = d.Get(t.Context(), id); err == nil && is(last) {
			return last
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("%s is not %s: %s on %q, attempt %d, last %s, verdict %+v, stop %+v", id, what, last.State, last.Worker, last.Attempt, last.Reason, last.Verdict, last.Stop)
	return last
}

func runs(s daemon.Status) bool { return s.State == berth.StateRunning }

func waits(s daemon.Status) bool { return s.State == berth.StatePending }

func allRun(t *testing.T, d *daemon.Daemon, ids ...berth.RequestID) {
	t.Helper()
	for _, id := range ids {
		becomes(t, d, id, "running", runs)
	}
}

// A request of higher priority gets the place of the fewest that suffice, once they
// have ended; they wait, with their attempt not counted.
func TestPreempt_PlacedWhenTheyHaveEnded(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 1})
	submit(t, d, of("small", 2000, 0), of("large", 5000, 0), of("dear", 3000, 90))
	allRun(t, d, "small", "large", "dear")
	submit(t, d, urgent("now", 4000, 50))
	s := becomes(t, d, "now", "running", runs)
	if s.Attempt != 1 || s.UsedAttempts != 0 {
		t.Errorf("it runs in attempt %d", s.Attempt)
	}
	victim := becomes(t, d, "large", "waiting", waits)
	if victim.Reason != berth.EndPreempted || victim.Attempt != 2 || victim.UsedAttempts != 0 {
		t.Errorf("the victim waits after %s, attempt %d, used %d", victim.Reason, victim.Attempt, victim.UsedAttempts)
	}
	allRun(t, d, "small", "dear")
	noClaims(t, store)
	if _, err := d.Cancel(t.Context(), "now", ""); err != nil {
		t.Fatal(err)
	}
	allRun(t, d, "large")
}

// noClaims: what was set aside is a place, or free.
func noClaims(t *testing.T, store *etcdstore.Store) {
	t.Helper()
	for i := range 1500 {
		facts, err := store.Get(t.Context(), berth.Key{Kind: berth.KindLedger, ID: "w-0001"})
		if err != nil {
			t.Fatal(err)
		}
		if l, ok := facts[0].Record.(*berth.Ledger); ok && len(l.Claims) == 0 && l.Held.IsZero() {
			return
		} else if i == 1499 {
			t.Fatalf("claims are left: %+v", l)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// By default it waits, and so it does among equals.
func TestPreempt_Never(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 1})
	submit(t, d, of("first", 10_000, 10))
	allRun(t, d, "first")
	submit(t, d, of("patient", 10_000, 90), urgent("equal", 10_000, 10))
	for _, id := range []berth.RequestID{"patient", "equal"} {
		becomes(t, d, id, "blocked", func(s daemon.Status) bool { return s.Blocked })
	}
	<-time.After(100 * time.Millisecond)
	allRun(t, d, "first")
}

// Who has not started ends at once, and its place is given away in that transaction.
func TestPreempt_NotStarted(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 1, Hang: true})
	slow := func(r berth.Request) berth.Request { r.StartTimeoutMS = 3_600_000; return r }
	submit(t, d, slow(of("a", 5000, 0)), slow(of("b", 5000, 0)))
	placed := func(s daemon.Status) bool { return s.State == berth.StatePlaced }
	becomes(t, d, "a", "placed", placed)
	becomes(t, d, "b", "placed", placed)
	submit(t, d, slow(urgent("now", 10_000, 50)))
	now := becomes(t, d, "now", "placed", placed)
	facts, err := store.Get(t.Context(), berth.Key{Kind: berth.KindState, ID: "a"}, berth.Key{Kind: berth.KindState, ID: "b"}, berth.Key{Kind: berth.KindState, ID: "now"})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"a", "b", "now"} {
		if facts[i].Mod != facts[2].Mod {
			t.Errorf("%s changed at %d, it was placed at %d", id, facts[i].Mod, facts[2].Mod)
		}
	}
	if s := becomes(t, d, "a", "waiting", waits); s.Reason != berth.EndPreempted || now.Attempt != 1 {
		t.Errorf("a waits after %s", s.Reason)
	}
}

// A victim that would have others make room itself waits instead.
func TestPreempt_NoCascade(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 2})
	submit(t, d, urgent("middle", 8000, 50))
	allRun(t, d, "middle")
	submit(t, d, of("low", 4000, 0), of("low2", 4000, 0)) // on the other worker: two that matter less, so the one goes
	allRun(t, d, "low", "low2")
	submit(t, d, urgent("high", 8000, 100))
	allRun(t, d, "high")
	becomes(t, d, "middle", "blocked", func(s daemon.Status) bool { return s.Blocked && s.Reason == berth.EndPreempted })
	submit(t, d, of("another", 100, 0)) // something happens
	<-time.After(200 * time.Millisecond)
	allRun(t, d, "low", "low2")
}

// A group goes whole, wherever its members are, and is placed anew when there is room.
func TestPreempt_GroupWhole(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 2})
	submit(t, d, of("x", 6000, 90), of("y", 6000, 90))
	allRun(t, d, "x", "y")
	g := groupOf("g", 2, 2)
	g.Resources.CPUMilli = 4000
	submitGroup(t, d, g)
	awaitGroup(t, d, "g", running(2))
	submit(t, d, urgent("now", 4000, 50))
	allRun(t, d, "now", "x", "y")
	awaitGroup(t, d, "g", func(s *daemon.GroupStatus) bool {
		return s != nil && s.Record.Attempt == 2 && s.States[berth.StatePending] == 2
	})
	explainedRoom(t, d, "now", "g.0", "g.1")
	if _, err := d.Cancel(t.Context(), "now", ""); err != nil {
		t.Fatal(err)
	}
	awaitGroup(t, d, "g", running(2))
}

// explainedRoom checks that one of two of a group is said to have made room for a request,
// and the other to have stopped for that; and that the request is there because of that, or on the worker of
// the other, which may end first.
func explainedRoom(t *testing.T, d *daemon.Daemon, by, victim, other berth.RequestID) {
	t.Helper()
	told := func(id berth.RequestID) daemon.Explanation {
		e, err := d.Explain(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if f := told(other).Former; f != nil && f.Reason == berth.EndPreempted {
		victim, other = other, victim
	}
	there, f := told(by), told(other).Former
	if want := "it is there because " + string(victim) + " made room for it there"; there.NotTold != want && (f == nil || f.Worker != there.Status.Worker || len(there.Standings) == 0) {
		t.Errorf("%s: %q, want %q", by, there.NotTold, want)
	}
	for id, want := range map[berth.RequestID]string{
		victim: "makes room for " + string(by),
		other:  "its group is placed anew: " + string(victim) + " makes room for " + string(by),
	} {
		if f := told(id).Former; f == nil || f.Stop == nil || f.Stop.Message != want {
			t.Errorf("%s: %+v, want %q", id, f, want)
		}
	}
}
