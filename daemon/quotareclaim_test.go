package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// waits has a tenant's request wait with this daemon.
func (s *stage) waits(t berth.TenantID, cpu, memory int64) berth.RequestID {
	for i := 0; ; i++ {
		r := requestOf(t, berth.RequestID(fmt.Sprint(t, i)), cpu)
		r.Resources.MemoryBytes = memory
		if sub, _ := s.view.submission(r.ID); sub == nil && s.share.ofRequest(&r, "") == "daemon" {
			s.tell(requestKey(r.ID), &berth.Submission{Spec: r})
			return r.ID
		}
	}
}

// lends is a stage of a lender that has wanted so much back for so long, for a0, and reclaims after 30 s; and a
// borrower whose allocations b0, b1 … hold 100 each, the later the younger: the first three on what is guaranteed to it.
func lends(t testing.TB, back int64, wanted time.Duration, n int64) *stage {
	t.Helper()
	s := newStage(t, bigWorker)
	s.tellQuota("a", berth.Quota{
		Limits: cpu(300), Guaranteed: cpu(300), Lent: berth.Loans{"b": cpu(300)}, Recalled: berth.Loans{"b": cpu(back)},
		RecalledSince: map[berth.TenantID]time.Time{"b": s.clock.Add(-wanted)}, ReclaimAfterMS: new(int64(30_000)),
		Waits: map[berth.DaemonID]berth.LoanWait{"daemon": {Since: 1, Own: true, Request: "a0"}}, Short: []berth.DaemonID{"daemon"},
	})
	s.tellQuota("b", berth.Quota{Limits: cpu(1000), Guaranteed: cpu(300), Borrowed: berth.Loans{"a": cpu(300)}, Taken: cpu(n * 100), Blocks: 1})
	s.tellBlock("b", "other", berth.Block{Block: cpu(n * 100), Used: cpu(n * 100)})
	w := berth.WorkerID("w0")
	_, epoch := s.view.worker(w)
	for i := range n {
		id := berth.RequestID(fmt.Sprint("b", i))
		s.tell(requestKey(id), &berth.Submission{Spec: requestOf("b", id, 100)})
		s.tell(stateKey(id), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch})
		s.tell(allocationKey(w, id), &berth.Allocation{
			State: berth.StateRunning, Attempt: 1, Epoch: epoch, Tenant: "b", QuotaBlock: "other",
			Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}, PlacedAt: s.clock.Add(time.Duration(i) * time.Second).UTC(),
		})
	}
	for from, w := range s.quotas.of[account{"a", berth.DefaultPool}].wants { // it has seen that come
		w.seen = w.since
		s.quotas.of[account{"a", berth.DefaultPool}].wants[from] = w
	}
	return s
}

// reclaimed is the next plan that tells something to stop, or nil.
func (s *stage) reclaimed(within time.Duration) *berth.Plan {
	for end := s.clock.Add(within); s.clock.Before(end); {
		s.view.revision = s.rev // the watch has told all
		if p := s.pass(end.Sub(s.clock)); p != nil && len(p.Stops) > 0 {
			return p
		}
	}
	return nil
}

// What is decided is compared: the lender's record, the borrower's, which is rewritten, and its blocks.
func TestReclaim_Compares(t *testing.T) {
	s := lends(t, 150, 29*time.Second, 6)
	s.waits("a", 150, 0)
	if p := s.reclaimed(900 * time.Millisecond); p != nil {
		t.Fatalf("%+v before the time", p.Stops)
	}
	p := s.reclaimed(time.Second)
	if p == nil {
		t.Fatal("nothing is told to stop")
	}
	var told []berth.RequestID
	for i := range p.Stops {
		told = append(told, p.Stops[i].Request)
		if r := p.Stops[i].Allocation.Stop.Reason; r != berth.StopReclaim {
			t.Errorf("%s is told to stop for %s", p.Stops[i].Request, r)
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, []berth.RequestID{"b4", "b5"}) {
		t.Errorf("%v are told to stop", told)
	}
	if len(p.Tenants) != 1 || p.Tenants[0].ID != "b" || p.Tenants[0].Was != s.view.mod(tenantKey("b")) {
		t.Errorf("the tenants that are written: %+v", p.Tenants)
	}
	for _, k := range []berth.Key{tenantKey("a"), blockKey(blockRef{"b", "other"})} {
		if !slices.Contains(p.Guards, berth.Guard{Key: k, Was: s.view.mod(k)}) {
			t.Errorf("%v is not compared", k)
		}
	}
}

// What another daemon has changed of the borrower's, and is known of by an answer only, decides nothing until the watch has told what
// else that one did, such as what it has told to stop.
func TestReclaim_WaitsForTheWatch(t *testing.T) {
	s := lends(t, 150, 29*time.Second, 6)
	s.waits("a", 150, 0)
	s.view.revision = s.rev
	b, _ := s.view.tenant("b")
	s.tell(tenantKey("b"), &berth.Tenant{Weight: b.Weight, Pools: b.Pools}) // as an answer does
	if p := s.pass(1500 * time.Millisecond); p != nil {
		t.Fatalf("%d are told to stop by half of what is known", len(p.Stops))
	}
	s.view.revision = s.rev
	if s.complete(); s.reclaimed(2*time.Second) == nil {
		t.Error("nothing is told to stop when all is known")
	}
}

// What has ended on a worker that is yet to be looked at is free there: nobody else ends for that.
func TestReclaim_LooksAtWorkersFirst(t *testing.T) {
	s := lends(t, 150, 29*time.Second, 6)
	a, _ := s.view.tenant("a")
	q := a.Pools[berth.DefaultPool]
	q.Limits, q.Guaranteed, q.Lent = cpu(600), cpu(600), berth.Loans{"b": cpu(600)}
	s.tellQuota("a", q)
	s.tellQuota("b", berth.Quota{Limits: cpu(600), Guaranteed: cpu(0), Borrowed: berth.Loans{"a": cpu(600)}, Taken: cpu(600), Blocks: 1})
	has := func(w berth.WorkerID, n, milli int64) {
		ledger, _ := s.view.ledger(w)
		next := *ledger
		next.Count, next.Reserved.CPUMilli = n, milli
		s.tell(ledgerKey(w), &next)
	}
	for w := range s.share.workers {
		has(w, 7, bigWorker)
	}
	s.waits("a", 150, 0)
	if p := s.reclaimed(900 * time.Millisecond); p != nil {
		t.Fatalf("%+v before the time", p.Stops)
	}
	has("w0", 5, bigWorker-200)
	for _, id := range []berth.RequestID{"b4", "b5"} {
		s.tell(allocationKey("w0", id), nil)
		s.tell(stateKey(id), &berth.Progress{State: berth.StatePending, Attempt: 2})
	}
	s.tellBlock("b", "other", berth.Block{Block: cpu(600), Used: cpu(400)})
	s.view.revision, s.clock = s.rev, s.clock.Add(2*time.Second)
	s.quotas.reclaims["a"] = struct{}{} // it was about to be looked at when that became known
	for range 3 {
		if p := s.step(); len(p.Stops) > 0 {
			t.Fatalf("%+v", p.Stops)
		}
	}
}

// Nothing is told to stop where enough does already, for whatever reason, or where what is used has room
// beside what is wanted back.
func TestReclaim_Enough(t *testing.T) {
	w := berth.WorkerID("w0")
	again := func(s *stage, id berth.RequestID, edit func(*berth.Allocation)) {
		a, _ := s.view.allocation(w, id)
		edit(a)
		s.tell(allocationKey(w, id), a)
	}
	stopping := func(why berth.StopReason) func(*berth.Allocation) {
		return func(a *berth.Allocation) { a.Stop = &berth.StopOrder{Reason: why, Deadline: time.Unix(2000, 0).UTC()} }
	}
	for _, tt := range []struct {
		name string
		n    int64
		make func(*stage)
	}{
		{"it is free", 4, func(*stage) {}},
		{"a drain and a cancel", 6, func(s *stage) {
			again(s, "b0", stopping(berth.StopDrain))
			again(s, "b1", stopping(berth.StopCancel))
		}},
		{"an earlier reclaim", 6, func(s *stage) {
			again(s, "b4", stopping(berth.StopReclaim))
			again(s, "b5", stopping(berth.StopReclaim))
		}},
		{"they have exited", 6, func(s *stage) {
			for _, id := range []berth.RequestID{"b0", "b5"} {
				again(s, id, func(a *berth.Allocation) { a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited} })
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := lends(t, 150, 20*time.Second, tt.n)
			s.waits("a", 150, 0)
			tt.make(s)
			if p := s.reclaimed(12 * time.Second); p != nil {
				for i := range p.Stops {
					t.Errorf("%s is told to stop: %+v", p.Stops[i].Request, p.Stops[i].Allocation.Stop)
				}
			}
		})
	}
}

// What could be lent now, and is not, for the lender's record is being written, takes nothing from what waits for what is
// guaranteed: since when that is wanted back stays.
func TestReclaim_SinceStaysBesideALoan(t *testing.T) {
	s := newStage(t, bigWorker)
	since := map[berth.TenantID]time.Time{"b": s.clock.Add(-20 * time.Second).UTC()}
	s.tellQuota("b", berth.Quota{Limits: cpu(1000), Guaranteed: cpu(0), Borrowed: berth.Loans{"a": cpu(300)}, Taken: cpu(300), Blocks: 1})
	s.tellBlock("b", "other", berth.Block{Block: cpu(300), Used: cpu(300)})
	s.tellQuota("c", berth.Quota{Limits: cpu(100), Guaranteed: cpu(100)})
	s.tellQuota("a", berth.Quota{
		Limits: cpu(1000), Guaranteed: cpu(300), Lent: berth.Loans{"b": cpu(300)}, Recalled: berth.Loans{"b": cpu(300)},
		RecalledSince: since, ReclaimAfterMS: new(int64(30_000)), Waits: map[berth.DaemonID]berth.LoanWait{"daemon": {Since: 1, Own: true}},
	})
	for i, n := 0, 0; n < 2; i++ {
		r := requestOf("a", berth.RequestID(fmt.Sprint("a", i)), []int64{300, 100}[n])
		if s.share.ofRequest(&r, "") == "daemon" {
			s.tell(requestKey(r.ID), &berth.Submission{Spec: r})
			n++
		}
	}
	s.flights.tenants["c"] = &flight{}
	for range 50 {
		p := s.pass(time.Second)
		if p == nil {
			break
		}
		for _, w := range p.Tenants {
			if q := w.Tenant.Pools[berth.DefaultPool]; w.ID == "a" && !q.RecalledSince["b"].Equal(since["b"]) {
				t.Fatalf("wanted back since %v, want %v: %+v", q.RecalledSince, since, q)
			}
		}
	}
}
