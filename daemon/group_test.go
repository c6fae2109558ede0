package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/worker"
)

func groupOf(id string, size, need int64) berth.Request {
	r := request(id)
	r.Group = &berth.Membership{Size: size, MinCount: need}
	r.Resources.CPUMilli = 1000
	return r
}

func submitGroup(t *testing.T, d *daemon.Daemon, r berth.Request) daemon.SubmitResult {
	t.Helper()
	res, err := d.Submit(t.Context(), []berth.Request{r})
	if err != nil || res[0].Err != nil {
		t.Fatalf("submit %s: %v %+v", r.ID, err, res)
	}
	return res[0]
}

// awaitGroup waits until a group is as it should be; nil: gone.
func awaitGroup(t *testing.T, d *daemon.Daemon, id berth.GroupID, is func(*daemon.GroupStatus) bool) daemon.GroupStatus {
	t.Helper()
	var last daemon.GroupStatus
	var err error
	for range 1500 {
		last, err = d.Group(t.Context(), id)
		if err == nil && is(&last) || errors.Is(err, daemon.ErrNotFound) && is(nil) {
			return last
		}
		<-time.After(10 * time.Millisecond)
	}
	for _, m := range last.Members {
		s, _ := d.Get(t.Context(), m)
		t.Logf("%s is %s on %s since %s, stop %+v", m, s.State, s.Worker, s.PlacedAt, s.Stop)
	}
	t.Fatalf("group %s is %+v, %v", id, last, err)
	return last
}

func running(n int) func(*daemon.GroupStatus) bool {
	return func(s *daemon.GroupStatus) bool { return s != nil && s.States[berth.StateRunning] == n }
}

func gone(s *daemon.GroupStatus) bool { return s == nil }

func TestGroup_PlacedTogetherAndEnds(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 6, RunFor: 50 * time.Millisecond})
	submitGroup(t, d, groupOf("g", 12, 0))
	if again := submitGroup(t, d, groupOf("g", 12, 0)); !again.Existing {
		t.Errorf("a repeat is %+v", again)
	}
	for i := range 12 {
		if s := await(t, d, berth.RequestID(fmt.Sprintf("g.%02d", i))); s.State != berth.StateSucceeded {
			t.Errorf("g.%02d ended %s %s %s", i, s.State, s.Reason, s.Message)
		}
	}
	awaitGroup(t, d, "g", gone)
	if again := submitGroup(t, d, groupOf("g", 12, 0)); !again.Existing {
		t.Errorf("a repeat after its end is %+v", again)
	}
	res, err := d.Submit(t.Context(), []berth.Request{groupOf("g", 11, 0)})
	if err != nil || res[0].Err == nil {
		t.Errorf("other content: %v, %v", res, err)
	}
}

func TestGroup_CommonFate(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 6, RunFor: time.Hour})
	submitGroup(t, d, groupOf("g", 4, 3))
	awaitGroup(t, d, "g", running(4))
	if _, err := d.Cancel(t.Context(), "g.1", ""); err != nil {
		t.Fatal(err)
	}
	s := awaitGroup(t, d, "g", func(s *daemon.GroupStatus) bool { return s != nil && s.Record.Failed == 1 })
	if s.Record.State != berth.GroupPlaced || s.Record.Attempt != 1 {
		t.Fatalf("min_count holds, and yet: %+v", s.Record)
	}
	if _, err := d.Cancel(t.Context(), "g.0", ""); err != nil {
		t.Fatal(err)
	}
	awaitGroup(t, d, "g", gone)
	for _, id := range []berth.RequestID{"g.2", "g.3"} {
		if s := await(t, d, id); s.State != berth.StateCancelled || s.Reason != berth.EndGroup {
			t.Errorf("%s ended %s %s %s", id, s.State, s.Reason, s.Message)
		}
	}
}

// keptOff says whether a group waits, and something is kept for a group.
func keptOff(by string) func(*daemon.GroupStatus) bool {
	return func(s *daemon.GroupStatus) bool {
		return s != nil && s.Verdict != nil && slices.ContainsFunc(s.Verdict.Reasons, func(r berth.Reason) bool {
			return r.Code == berth.ReasonKept && r.Detail == by
		})
	}
}

func TestGroup_WaitsWhole(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 2, RunFor: time.Hour})
	var workers []daemon.WorkerStatus
	for len(workers) < 2 || workers[0].State != "ready" || workers[1].State != "ready" {
		var err error
		if workers, err = d.Workers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	room := workers[0].Ledger.Capacity.CPUMilli / 1000 * 2
	submitGroup(t, d, groupOf("first", room-1, 0))
	awaitGroup(t, d, "first", running(int(room-1)))
	submitGroup(t, d, groupOf("second", 2, 0))
	s := awaitGroup(t, d, "second", func(s *daemon.GroupStatus) bool { return s != nil && s.Verdict != nil })
	if r := s.Verdict.Reasons[0]; r.Code != berth.ReasonGroup || r.Want != 2 || r.Best != 1 {
		t.Errorf("verdict %+v", s.Verdict)
	}
	awaitGroup(t, d, "second", keptOff("second"))
	submitGroup(t, d, groupOf("third", 2, 1)) // one would fit, and what is left is kept for the second
	awaitGroup(t, d, "third", keptOff("second"))
	if _, err := d.CancelGroup(t.Context(), "first", "make room"); err != nil {
		t.Fatal(err)
	}
	awaitGroup(t, d, "second", running(2))
	awaitGroup(t, d, "third", running(2))
	awaitGroup(t, d, "first", gone)
	if s := await(t, d, "first.00"); s.State != berth.StateCancelled || s.Message != "make room" || s.Reason != berth.EndCancelled {
		t.Errorf("first.00 ended %s %s %s", s.State, s.Reason, s.Message)
	}
}

// A group of which fewer members suffice begins with those that fit.
func TestGroup_BeginsInPart(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 1, RunFor: time.Hour})
	var workers []daemon.WorkerStatus
	for len(workers) < 1 || workers[0].State != "ready" {
		var err error
		if workers, err = d.Workers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	room := workers[0].Ledger.Capacity.CPUMilli / 1000
	submitGroup(t, d, groupOf("first", room-1, 0))
	awaitGroup(t, d, "first", running(int(room-1)))
	submitGroup(t, d, groupOf("second", 2, 1))
	awaitGroup(t, d, "second", running(1))
	if _, err := d.CancelGroup(t.Context(), "first", "make room"); err != nil {
		t.Fatal(err)
	}
	awaitGroup(t, d, "second", running(2))
}

func TestGroup_DrainMovesAll(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 3, RunFor: time.Hour})
	submitGroup(t, d, groupOf("g", 3, 0))
	awaitGroup(t, d, "g", running(3))
	st, err := d.Get(t.Context(), "g.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetIntent(t.Context(), st.Worker, daemon.Wish{Drain: true}); err != nil {
		t.Fatal(err)
	}
	// The second attempt begins while the members of the first still run.
	s := awaitGroup(t, d, "g", func(s *daemon.GroupStatus) bool {
		return running(3)(s) && s.Record.Attempt == 2 && s.Record.State == berth.GroupPlaced
	})
	if s.Record.Failed != 0 {
		t.Errorf("%+v", s.Record)
	}
}

// A group's retry policy counts its attempts, not those of each of its members.
func TestGroup_RetriesOfTheWhole(t *testing.T) {
	d, store := start(t)
	hollow(t, store, worker.HollowOptions{Count: 12, FailStarts: true})
	g := groupOf("g", 3, 0)
	g.Retry = berth.RetryPolicy{MaxAttempts: 3, BackoffMS: 10}
	submitGroup(t, d, g)
	awaitGroup(t, d, "g", gone)
	failed := 0
	for _, id := range []berth.RequestID{"g.0", "g.1", "g.2"} {
		s := await(t, d, id)
		switch {
		case s.State == berth.StateFailed && s.Reason == berth.EndStartFailed:
			failed++
		case s.State != berth.StateCancelled || s.Reason != berth.EndGroup:
			t.Errorf("%s ended %s %s %s", id, s.State, s.Reason, s.Message)
		}
		if s.Attempt != 3 {
			t.Errorf("%s ended in attempt %d", id, s.Attempt)
		}
	}
	if failed == 0 {
		t.Error("no member has failed")
	}
}
