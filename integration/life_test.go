package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/worker"
)

// submit submits requests, which must be taken.
func submit(t *testing.T, d *daemon.Daemon, requests ...berth.Request) []daemon.SubmitResult {
	t.Helper()
	results, err := d.Submit(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("%s: %v", r.ID, r.Err)
		}
	}
	return results
}

// until waits until ok holds of a request.
func until(t *testing.T, d *daemon.Daemon, id string, ok func(daemon.Status) bool) daemon.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	reached := errors.New("reached")
	var last daemon.Status
	err := d.Watch(ctx, daemon.Filter{IDs: []berth.RequestID{berth.RequestID(id)}}, func(s daemon.Status) error {
		if last = s; ok(s) {
			return reached
		}
		return nil
	})
	if !errors.Is(err, reached) {
		t.Fatalf("%s did not get there: %v; last %+v", id, err, last)
	}
	return last
}

func ended(s daemon.Status) bool { return s.State.Final() }

func in(state berth.State) func(daemon.Status) bool {
	return func(s daemon.Status) bool { return s.State == state }
}

func many(n int, edit func(*berth.Request)) []berth.Request {
	var out []berth.Request
	for i := range n {
		r := small(fmt.Sprintf("r%03d", i))
		if edit != nil {
			edit(&r)
		}
		out = append(out, r)
	}
	return out
}

func workerState(t *testing.T, d *daemon.Daemon, id string) daemon.WorkerStatus {
	t.Helper()
	w, err := d.Worker(t.Context(), berth.WorkerID(id))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A worker whose starts all fail is suspended, visibly; what it was given runs
// on the others.
func TestWorker_StartsFail(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 3, watch: true})
	s.startHollow(siteOptions{workers: 1, edit: func(h *worker.HollowOptions) { h.Name, h.FailStarts = "bad", true }})
	d := s.daemons[0]
	suspended := false
	for round := range 4 {
		batch := many(20, func(r *berth.Request) { r.ID = berth.RequestID(fmt.Sprintf("%s-%d", r.ID, round)) })
		submit(t, d, batch...)
		for _, r := range batch {
			if st := until(t, d, string(r.ID), ended); st.State != berth.StateSucceeded || st.Worker == "bad-0001" {
				t.Errorf("%+v", st)
			}
		}
		suspended = suspended || workerState(t, d, "bad-0001").State == "suspended"
	}
	if w := workerState(t, d, "bad-0001"); !suspended || w.StartFailures < 3 {
		t.Errorf("not suspended: %+v", w)
	}
}

// A worker that takes and never starts loses what it was given after the start
// timeout, and is suspended.
func TestWorker_Hangs(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 3, watch: true})
	s.startHollow(siteOptions{workers: 1, edit: func(h *worker.HollowOptions) { h.Name, h.Hang = "hung", true }})
	d := s.daemons[0]
	batch := many(20, func(r *berth.Request) { r.StartTimeoutMS = 300 })
	submit(t, d, batch...)
	for _, r := range batch {
		if st := until(t, d, string(r.ID), ended); st.State != berth.StateSucceeded || st.Worker == "hung-0001" {
			t.Errorf("%+v", st)
		}
	}
	if w := workerState(t, d, "hung-0001"); w.State != "suspended" {
		t.Errorf("not suspended: %+v", w)
	}
}

// What can run nowhere else is not lost to a pool whose workers all fail.
func TestWorker_AllFail(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{watch: true})
	s.startHollow(siteOptions{workers: 2, edit: func(h *worker.HollowOptions) { h.FailStarts = true }})
	d := s.daemons[0]
	r := small("r")
	r.Retry = berth.RetryPolicy{MaxAttempts: 2, BackoffMS: 10}
	submit(t, d, r)
	st := until(t, d, "r", ended)
	if st.State != berth.StateFailed || st.Reason != berth.EndStartFailed || st.Attempt != 2 {
		t.Errorf("%+v, want FAILED after both attempts failed to start", st)
	}
}

func TestLimitsOfTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	long := small("runs-too-long")
	long.RunLimitMS, long.StopTimeoutMS = 200, 100
	never := small("waits-too-long")
	never.PendingLimitMS, never.Resources.CPUMilli = 200, 1_000_000
	submit(t, d, long, never)
	if st := until(t, d, "runs-too-long", ended); st.State != berth.StateFailed || st.Reason != berth.EndRunLimit {
		t.Errorf("%+v", st)
	}
	if st := until(t, d, "waits-too-long", ended); st.State != berth.StateExpired || st.Reason != berth.EndPendingLimit {
		t.Errorf("%+v", st)
	}
}

// A request that no shape fits says so at once; one that waits is woken by the
// worker that arrives, and by nothing before: while it waits, nothing is written.
func TestBlocked_Woken(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	full := small("fills")
	full.Resources.CPUMilli = 10_000
	waits := small("waits")
	huge := small("huge")
	huge.Resources.CPUMilli = 10_001
	submit(t, d, full, waits, huge)
	blocked := until(t, d, "waits", func(s daemon.Status) bool { return s.Blocked })
	if v := blocked.Verdict; v.NeverFits || v.Reasons[0].Code != berth.ReasonCPU || v.Reasons[0].Want != 100 || v.Reasons[0].Best != 0 {
		t.Errorf("%+v", v)
	}
	if e, err := d.Explain(t.Context(), "huge"); err != nil || !e.Verdict.NeverFits {
		t.Errorf("%+v %v", e, err)
	}
	until(t, d, "fills", in(berth.StateRunning))
	before, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	if after, err := d.Info(t.Context()); err != nil || after.Commits != before.Commits {
		t.Errorf("%d commits while nothing happened", after.Commits-before.Commits)
	}
	s.startHollow(siteOptions{workers: 1, runFor: time.Millisecond, edit: func(h *worker.HollowOptions) { h.Name = "new" }})
	if st := until(t, d, "waits", ended); st.State != berth.StateSucceeded || st.Worker != "new-0001" {
		t.Errorf("%+v", st)
	}
}

// Daemons that share a store place each request once, whoever submits it where.
func TestDaemons_Several(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{daemons: 4, workers: 3, watch: true})
	done := make(chan error, len(s.daemons)) // one each
	for i, d := range s.daemons {
		go func() {
			for _, r := range many(100, nil) { // the same ids, by all of them
				if i%2 == 0 {
					r.ID = berth.RequestID(fmt.Sprintf("own-%d-%s", i, r.ID))
				}
				res, err := d.Submit(t.Context(), []berth.Request{r})
				if err == nil {
					err = res[0].Err
				}
				if err != nil {
					done <- fmt.Errorf("%s: %w", r.ID, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range s.daemons {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, d := range s.daemons {
		idle(t, d)
	}
	n := 0
	if _, err := s.store.Scan(t.Context(), berth.KindArchive, "", func(f berth.Fact) error {
		if a, ok := f.Record.(*berth.Archive); !ok || a.State != berth.StateSucceeded || a.Attempt != 1 {
			t.Errorf("%s: %+v", f.Key.ID, f.Record)
		}
		n++
		return nil
	}); err != nil || n != 300 {
		t.Errorf("%d ended, want 300: %v", n, err)
	}
}

// A daemon that ends finishes what is in flight; the next one goes on.
func TestDaemon_Restart(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 2, runFor: 300 * time.Millisecond, watch: true})
	batch := many(400, nil) // twice what fits at once
	submit(t, s.daemons[0], batch...)
	s.stops[0]()
	d := s.startDaemon("d1")
	for _, r := range batch {
		if st := until(t, d, string(r.ID), ended); st.State != berth.StateSucceeded || st.Attempt != 1 {
			t.Errorf("%+v", st)
		}
	}
}

// The same request again is the same request: while it runs, when it has ended,
// and after a restart; with other content it is refused.
func TestSubmit_Again(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, watch: true})
	r, other := small("r"), small("r")
	other.Command = []string{"false"}
	for i, d := range []*daemon.Daemon{s.daemons[0], s.daemons[0], nil} {
		if d == nil {
			s.stops[0]()
			d = s.startDaemon("d1")
		}
		if res := submit(t, d, r); res[0].Existing != (i > 0) {
			t.Errorf("submission %d: %+v", i+1, res[0])
		}
		until(t, d, "r", ended)
		res, err := d.Submit(t.Context(), []berth.Request{other})
		if err != nil || !errors.Is(res[0].Err, daemon.ErrConflictingID) {
			t.Errorf("other content: %+v %v", res, err)
		}
		if res := submit(t, d, r); !res[0].Existing || res[0].Status.State != berth.StateSucceeded || res[0].Status.Spec.ID != "r" {
			t.Errorf("after its end: %+v", res[0])
		}
	}
}

// Cancelling what is already ending, or has ended, changes nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{workers: 1, runFor: time.Hour, watch: true})
	d := s.daemons[0]
	waits := small("waits")
	waits.Resources.CPUMilli = 100_000
	submit(t, d, small("runs"), waits)
	until(t, d, "runs", in(berth.StateRunning))
	for _, id := range []berth.RequestID{"runs", "waits"} {
		for range 3 {
			if _, err := d.Cancel(t.Context(), id, "why not"); err != nil {
				t.Errorf("cancel %s: %v", id, err)
			}
		}
		if st := until(t, d, string(id), ended); st.State != berth.StateCancelled || st.Message != "why not" {
			t.Errorf("%+v", st)
		}
	}
	if _, err := d.Cancel(t.Context(), "never", ""); !errors.Is(err, daemon.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
