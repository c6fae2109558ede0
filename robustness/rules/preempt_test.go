package rules

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// sized is a request for so much of a worker's 1,000 thousandths, that is not taken back.
func sized(cpu int64, priority int32) func(*berth.Request) {
	return func(r *berth.Request) {
		r.Resources.CPUMilli, r.Priority = cpu, priority
		r.StartTimeoutMS, r.StopTimeoutMS = 3_600_000, 5000
	}
}

func urgent(cpu int64, priority int32) func(*berth.Request) {
	return func(r *berth.Request) {
		sized(cpu, priority)(r)
		r.Preemption = berth.PreemptionLower
	}
}

// full is a worker with two requests of low priority that run on it.
func (r *rig) full(d *daemon.Daemon) {
	r.t.Helper()
	r.joins("w")
	for _, id := range []string{"a", "b"} {
		r.run(d, id, sized(500, 0))
		r.runs("w", id)
	}
}

func (r *rig) exits(w, id string) {
	r.t.Helper()
	r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Code: 143, Signal: "SIGTERM", At: time.Now().UTC()})
}

// waitsFor says how many a request waits for, by its verdict; -1: not for that.
func (r *rig) waitsFor(d *daemon.Daemon, id berth.RequestID) int64 {
	r.t.Helper()
	s, err := d.Get(r.t.Context(), id)
	r.ok(err)
	if s.Verdict == nil || s.Verdict.Reasons[0].Code != berth.ReasonClaim {
		return -1
	}
	return s.Verdict.Reasons[0].Want
}

func (r *rig) noClaims(w berth.WorkerID) {
	r.t.Helper()
	if l, _ := r.ledger(w); len(l.Claims) > 0 || !l.Held.IsZero() {
		r.t.Errorf("claims are left on %s: %+v, held %+v", w, l.Claims, l.Held)
	}
}

// Stops and claim are one transaction; each end goes into the claim; the last one and
// the placement are one transaction.
func TestPreempt_Transactions(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		ledger, state := r.mod("ledgers/w"), r.mod("states/now")
		if a, b := r.mod("allocations/w/a"), r.mod("allocations/w/b"); a != ledger || b != ledger || state != ledger {
			t.Errorf("stops at %d and %d, the claim at %d, its state at %d: want one transaction", a, b, ledger, state)
		}
		for _, id := range []string{"a", "b"} {
			a, _ := r.allocation("w", id)
			if a.Stop == nil || a.Stop.Reason != berth.StopPreempt || time.Until(a.Stop.Deadline) != 5*time.Second {
				t.Errorf("%s is told %+v", id, a.Stop)
			}
		}
		if n := r.waitsFor(d, "now"); n != 2 {
			t.Errorf("waits for %d", n)
		}
		r.exits("w", "a")
		if l, _ := r.ledger("w"); l.Held.CPUMilli != 500 || len(l.Claims) != 1 || len(l.Claims[0].Victims) != 1 || r.kv("allocations/w/now") != nil {
			t.Errorf("after the first end: %+v", l.Claims)
		}
		if n := r.waitsFor(d, "now"); n != 1 {
			t.Errorf("waits for %d", n)
		}
		r.run(d, "other", sized(100, 0)) // finds no room in what is held
		r.exits("w", "b")
		if placed := r.kv("allocations/w/now"); placed == nil || berth.Revision(placed.CreateRevision) != r.mod("states/b") {
			t.Errorf("placed by %+v, the last ended at %d", placed, r.mod("states/b"))
		}
		r.noClaims("w")
		stop()
	})
}

// Two claims on one worker wait for different ones, and each gets what its own give back.
func TestPreempt_TwoOnOneWorker(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			r.run(d, id, sized(250, 0))
			r.runs("w", id)
		}
		r.run(d, "first", urgent(500, 50))
		r.run(d, "second", urgent(500, 60))
		l, _ := r.ledger("w")
		if len(l.Claims) != 2 || len(l.Claims[0].Victims) != 2 || len(l.Claims[1].Victims) != 2 {
			t.Fatalf("claims %+v", l.Claims)
		}
		of := map[berth.RequestID]string{}
		for _, c := range l.Claims {
			for _, v := range c.Victims {
				of[v] = string(c.Request)
			}
		}
		left := map[string]int{"first": 2, "second": 2}
		for _, id := range ids {
			r.exits("w", id)
			by := of[berth.RequestID(id)]
			if left[by]--; (left[by] == 0) != (r.kv("allocations/w/"+by) != nil) {
				t.Errorf("%s waits for %d, and is placed: %t", by, left[by], r.kv("allocations/w/"+by) != nil)
			}
		}
		r.noClaims("w")
		stop()
	})
}

// Who plans a preemption does not matter thereafter: another daemon goes on.
func TestPreempt_AnotherDaemonGoesOn(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		stop()
		r.exits("w", "b")
		d, stop = r.daemon()
		synctest.Wait()
		if n := r.waitsFor(d, "now"); n != 1 {
			t.Errorf("waits for %d", n)
		}
		r.exits("w", "a")
		if r.kv("allocations/w/now") == nil {
			t.Error("not placed")
		}
		r.noClaims("w")
		stop()
	})
}

// A claim whose request was cancelled is given up; what leaves all the same is waited
// for by the next that needs room.
func TestPreempt_CancelledMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		_, err := d.Cancel(r.t.Context(), "now", "")
		r.ok(err)
		synctest.Wait()
		r.noClaims("w")
		r.run(d, "after", urgent(1000, 60)) // takes what leaves anyway
		if n := r.waitsFor(d, "after"); n != 2 {
			t.Errorf("waits for %d", n)
		}
		r.exits("w", "a")
		r.exits("w", "b")
		if r.kv("allocations/w/after") == nil {
			t.Error("not placed")
		}
		stop()
	})
}

// A worker that takes nothing any more does not get the request, which may have others
// make room elsewhere.
func TestPreempt_WorkerClosed(t *testing.T) {
	for name, shut := range map[string]func(*rig, *daemon.Daemon){
		"cordon": func(r *rig, d *daemon.Daemon) {
			_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Cordon: true})
			r.ok(err)
		},
		"drain": func(r *rig, d *daemon.Daemon) {
			_, err := d.SetIntent(r.t.Context(), "w", daemon.Wish{Drain: true})
			r.ok(err)
		},
		"taint": func(r *rig, d *daemon.Daemon) {
			_, err := d.SetTaints(r.t.Context(), "w", func([]berth.Taint) []berth.Taint { return []berth.Taint{{Key: "sick", Effect: berth.EffectNoPlace}} })
			r.ok(err)
		},
		"lost": func(r *rig, _ *daemon.Daemon) { r.remove("workers/w") },
	} {
		bubbleSub(t, name, func(r *rig) {
			d, stop := r.daemon()
			r.full(d)
			r.run(d, "now", urgent(1000, 50))
			if n := r.waitsFor(d, "now"); n != 2 {
				t.Fatalf("waits for %d", n)
			}
			shut(r, d)
			r.passes(time.Second)
			r.noClaims("w")
			if n := r.waitsFor(d, "now"); n >= 0 {
				t.Errorf("waits for %d on a closed worker", n)
			}
			r.joins("v")
			synctest.Wait()
			if r.kv("allocations/v/now") == nil {
				t.Error("not placed on another worker")
			}
			stop()
		})
	}
}

// Where it finds a place elsewhere before, its claim is given up.
func TestPreempt_PlacedElsewhere(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		r.joins("v")
		r.passes(time.Second)
		if r.kv("allocations/v/now") == nil {
			t.Error("not placed where there is room")
		}
		r.noClaims("w")
		r.exits("w", "a")
		r.exits("w", "b")
		if r.kv("allocations/w/now") != nil {
			t.Error("placed twice")
		}
		stop()
	})
}

// A victim that starts before it is taken back is told to stop instead.
func TestPreempt_StartsMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.joins("w")
		r.run(d, "a", sized(1000, 0))
		side := r.side()
		var started atomic.Bool
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "allocations/w/now") && !started.Swap(true) {
				side.reportedBeside("w", "a")
			}
			return apply()
		})
		r.run(d, "now", urgent(1000, 50))
		<-time.After(time.Second)
		synctest.Wait()
		a, _ := r.allocation("w", "a")
		if !started.Load() || a == nil || a.Stop == nil || a.Stop.Reason != berth.StopPreempt || r.kv("allocations/w/now") != nil {
			t.Fatalf("the victim started: %t, it is %+v", started.Load(), a)
		}
		r.exits("w", "a")
		if r.kv("allocations/w/now") == nil {
			t.Error("not placed")
		}
		stop()
	})
}

// reportedBeside fences a start without waiting for anybody.
func (r *rig) reportedBeside(w, id string) {
	r.t.Helper()
	a, mod := r.allocation(w, id)
	a.State = berth.StateStarting
	res, err := r.StartAllocations(r.t.Context(), berth.WorkerID(w), a.Epoch, []etcdstore.StartItem{{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a}})
	r.ok(err)
	if !res[0].Fenced {
		r.t.Errorf("%s is not fenced", id)
	}
}

// While the pool's brake is engaged nobody has to make room.
func TestPreempt_Braked(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.full(d)
		for i := range 3 {
			w := fmt.Sprintf("v%d", i)
			r.joins(berth.WorkerID(w))
			r.run(d, "on-"+w, sized(1000, 90))
			r.runs(w, "on-"+w)
		}
		for i := range 3 {
			r.remove(fmt.Sprintf("workers/v%d", i))
		}
		<-time.After(time.Second)
		synctest.Wait()
		if r.kv("brakes/default") == nil {
			t.Fatal("no brake")
		}
		r.run(d, "now", urgent(1000, 50))
		if a, _ := r.allocation("w", "a"); a.Stop != nil || r.waitsFor(d, "now") >= 0 {
			t.Error("told to make room during a mass loss")
		}
		_, err := d.SetBrake(r.t.Context(), "default", daemon.BrakeWord{Release: true})
		r.ok(err)
		<-time.After(time.Second)
		synctest.Wait()
		if n := r.waitsFor(d, "now"); n != 2 {
			t.Errorf("when the brake has let go it waits for %d", n)
		}
		stop()
	})
}

// room puts a claim of "pending" on w, for which "placed" is to make room.
func (r *rig) room() *berth.Plan {
	r.t.Helper()
	p := &berth.Plan{ID: r.NewTxnID()}
	l, was := r.ledger("w")
	next, err := l.WithClaim(berth.Claim{Request: "pending", Attempt: 1, Wants: share, Victims: []berth.RequestID{"placed"}}, func(berth.RequestID) berth.Share { return share })
	r.ok(err)
	a, mod := r.allocation("w", "placed")
	a.Stop = &berth.StopOrder{Reason: berth.StopPreempt, Deadline: time.Now().UTC()}
	p.Ledgers = []berth.LedgerWrite{{Worker: "w", Was: was, Alive: l.Epoch, Ledger: next}}
	p.Stops = []berth.StopWrite{{Request: "placed", Worker: "w", AllocationWas: mod, Allocation: *a}}
	p.Claims = []berth.ClaimWrite{{
		Request: "pending", RequestWas: r.mod("requests/pending"), StateWas: r.mod("states/pending"),
		State: berth.Progress{State: berth.StatePending, Attempt: 1, ClaimOn: "w"},
	}}
	return p
}

// released takes it off again.
func (r *rig) released() *berth.Plan {
	r.t.Helper()
	p := &berth.Plan{ID: r.NewTxnID()}
	l, was := r.ledger("w")
	next, err := l.WithoutClaim("pending")
	r.ok(err)
	p.Ledgers = []berth.LedgerWrite{{Worker: "w", Was: was, Ledger: next}}
	return p
}

var (
	claims = plan((*rig).room)
	// gives a claim up that counts, and one that does not.
	givesUp = plan(func(r *rig) *berth.Plan {
		r.commit(r.room())
		p := r.released()
		p.Claims = []berth.ClaimWrite{{
			Request: "pending", RequestWas: r.mod("requests/pending"), StateWas: r.mod("states/pending"),
			State: berth.Progress{State: berth.StatePending, Attempt: 1},
		}}
		return p
	})
	forgets = plan(func(r *rig) *berth.Plan {
		r.commit(r.room())
		p := r.released()
		p.Guards = []berth.Guard{{Key: berth.Key{Kind: berth.KindState, ID: "pending"}, Was: r.mod("states/pending")}}
		return p
	})
	claimClauses = []clause{
		{"preempt", "victim", claims, touched("allocations/w/placed")},
		{"preempt", "victim exists", claims, gone("allocations/w/placed")},
		{"preempt", "ledger", claims, touched("ledgers/w")},
		{"preempt", "worker epoch", claims, anew("workers/w")},
		{"preempt", "worker alive", claims, gone("workers/w")},
		{"preempt", "state", claims, func(r *rig) {
			r.put("states/pending", `{"version":1,"txn":"x-1","state":"PENDING","attempt":2,"used_attempts":1}`)
		}},
		{"preempt", "request exists", claims, gone("requests/pending")},
		{"preempt", "request of another life", claims, anew("requests/pending")},
		{"give a claim up", "ledger", givesUp, touched("ledgers/w")},
		{"give a claim up", "state", givesUp, touched("states/pending")},
		{"give a claim up", "request of another life", givesUp, anew("requests/pending")},
		{"forget a claim", "ledger", forgets, touched("ledgers/w")},
		{"forget a claim", "state", forgets, touched("states/pending")},
	}
)

// Who waits for room is told for whom, and until when; who had to make room, for whom and
// since when it waits again: now, and of the past.
func TestPreempt_Explained(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		defer stop()
		r.full(d)
		r.run(d, "now", urgent(1000, 50))
		e, err := d.Explain(r.t.Context(), "now")
		r.ok(err)
		if len(e.Victims) != 2 {
			t.Fatalf("victims %+v", e.Victims)
		}
		for _, v := range e.Victims {
			if v.Stop == nil || v.Stop.Reason != berth.StopPreempt || time.Until(v.Stop.Deadline) != 5*time.Second {
				t.Errorf("%s is told %+v", v.ID, v.Stop)
			}
		}
		then, err := d.ExplainAt(r.t.Context(), "now", daemon.Moment{Revision: e.Verdict.At})
		r.ok(err)
		if diff := cmp.Diff(e.Victims, then.Victims); diff != "" {
			t.Errorf("of the past (-now +then):\n%s", diff)
		}
		r.passes(3 * time.Second)
		ended := time.Now()
		r.exits("w", "a")
		r.exits("w", "b")
		r.passes(7 * time.Second)
		if e, err = d.Explain(r.t.Context(), "a"); err != nil || e.Former == nil {
			t.Fatalf("%+v, %v", e, err)
		}
		if f := e.Former; f.Worker != "w" || f.Stop == nil || f.Stop.Message != "makes room for now" || f.Revision != r.mod("states/a") {
			t.Errorf("%+v", f)
		}
		if off := e.Since.Sub(ended); off < 0 || off > 2*time.Second {
			t.Errorf("waits since %s after its attempt ended", off)
		}
		if then, err = d.ExplainAt(r.t.Context(), "a", daemon.Moment{Revision: e.Verdict.At}); err != nil || !then.Since.Equal(e.Since) {
			t.Errorf("of the past since %s, now since %s, %v", then.Since, e.Since, err)
		}
		if diff := cmp.Diff(e.Former, then.Former); diff != "" {
			t.Errorf("of the past (-now +then):\n%s", diff)
		}
	})
}

// TestPreempt_ClaimedFromIsTold: who could have what others free for a request of lower priority is told that this comes first there, not
// that no end of others would do: and gets it then.
func TestPreempt_ClaimedFromIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		d, stop := r.alone()
		defer stop()
		r.run(d, "v", sized(1000, 0))
		r.runs("w", "v")
		r.run(d, "p", urgent(1000, 5))
		r.run(d, "pp", urgent(1000, 9))
		r.run(d, "large", urgent(1001, 9))
		r.passes(time.Second)
		for id, want := range map[berth.RequestID]berth.Vain{"pp": berth.VainClaimed, "large": ""} {
			e, err := d.Explain(r.t.Context(), id)
			r.ok(err)
			got := berth.Vain("")
			for _, reason := range e.Verdict.Reasons {
				if reason.Code == berth.ReasonPreemption {
					got = berth.Vain(reason.Detail)
				}
			}
			if got != want {
				t.Errorf("%s: nobody makes room for it: %q, want %q: %+v", id, got, want, e.Verdict)
			}
		}
		r.exits("w", "v")
		r.passes(100 * time.Millisecond)
		if r.are("pp") != 1 {
			t.Errorf("held: %v", r.held())
		}
	})
}
