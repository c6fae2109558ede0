package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

var (
	allHeirs   = []heir{heirNone, heirWaiting, heirStarting, heirRunning, heirLeaving}
	allOrigins = []origin{originUnknown, originHere, originStopping, originDropped, originHanded, originWaiting, originEnded}
)

func TestMoveOf(t *testing.T) {
	for h, want := range map[heir][2]move{ // before the deadline, after it
		heirNone:     {moveSubmit, moveStop},
		heirWaiting:  {moveWait, moveWait}, // the successor ends first
		heirStarting: {moveWait, moveHand},
		heirRunning:  {moveHand, moveHand},
		heirLeaving:  {moveWait, moveStop},
	} {
		if got := [2]move{moveOf(h, false), moveOf(h, true)}; got != want {
			t.Errorf("%q: %v, want %v", h, got, want)
		}
	}
}

// The whole table: when a successor that stands so is cancelled.
func TestOrphaned(t *testing.T) {
	started := map[heir]bool{heirStarting: true, heirRunning: true}
	for _, o := range allOrigins {
		for _, h := range allHeirs {
			for _, drained := range []bool{false, true} {
				for _, late := range []bool{false, true} {
					want := false
					switch o {
					case originDropped, originEnded:
						want = true
					case originWaiting:
						want = !started[h]
					case originHere:
						want = !drained || late && (h == heirNone || h == heirWaiting)
					}
					if got := orphaned(o, h, drained, late); got != want {
						t.Errorf("original %s, successor %q, drained %v, late %v: %v", o, h, drained, late, got)
					}
				}
			}
		}
	}
}

// From one view, never are both ended: who is handed over to is not cancelled.
func TestSuccession_NeverBoth(t *testing.T) {
	for _, h := range allHeirs {
		for _, late := range []bool{false, true} {
			if moveOf(h, late) == moveHand && orphaned(originHere, h, true, late) {
				t.Errorf("successor %q, late %v: handed over to, and cancelled", h, late)
			}
		}
	}
	// And a wait never lasts for ever past the deadline: what is waited for ends.
	for _, h := range allHeirs {
		if moveOf(h, true) == moveWait && !orphaned(originHere, h, true, true) {
			t.Errorf("successor %q: waited for past the deadline, and not cancelled", h)
		}
	}
}

var tenth = berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}

// pair is an original on w, which is drained, and its successor on v.
type pair struct {
	t *testing.T
	l *loop
	n berth.Revision
}

func newPair(t *testing.T, in *berth.Intent) *pair {
	t.Helper()
	facts := running("web")
	sub, ok := facts[2].Record.(*berth.Submission)
	if !ok {
		t.Fatal("no submission")
	}
	sub.Spec = berth.Request{ID: "web", Command: []string{"true"}, OnDrain: berth.OnDrainReplace, PendingLimitMS: 1_000_000}.Normalize()
	sub.SubmittedAt = time.Unix(1000, 0).UTC()
	l := loopWith(t, append(facts,
		berth.Fact{Key: workerKey("v"), Record: &berth.Worker{Pool: "default"}}, // the sixth: its epoch is 6
		berth.Fact{Key: ledgerKey("v"), Record: &berth.Ledger{Epoch: 6, Count: 1, Reserved: tenth}},
		berth.Fact{Key: intentKey("w"), Record: in})...)
	l.view.passed(100)
	return &pair{t, l, 100}
}

func (p *pair) put(k berth.Key, record any) {
	p.n++
	p.l.takeFact(berth.Fact{Key: k, Record: record, Create: p.n, Mod: p.n})
	p.l.view.passed(p.n)
}

// look plans what is due, as the next step would.
func (p *pair) look(now time.Time) *builder {
	b := newBuilder(p.l, now)
	p.l.timers.due(now, p.l.due.add)
	for k, ok := p.l.due.pop(); ok; k, ok = p.l.due.pop() {
		p.l.look(k, b)
	}
	return b
}

// successor stands in the store, its allocation in a state: empty for none.
func (p *pair) successor(state berth.State) {
	o, _ := p.l.view.submission("web")
	spec := o.Spec.Successor("web.r2")
	p.put(requestKey("web.r2"), &berth.Submission{SubmittedAt: o.SubmittedAt.Add(time.Minute), Spec: spec})
	if state == "" {
		return
	}
	epoch := berth.Epoch(p.l.view.fact(workerKey("v")).Create)
	p.put(stateKey("web.r2"), &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "v", Epoch: epoch})
	p.put(allocationKey("v", "web.r2"), &berth.Allocation{State: state, Attempt: 1, Epoch: epoch, StartTimeoutMS: 10_000, Share: tenth})
}

var drainIntent = berth.Intent{Cordon: true, Drain: true}

func TestReplace_Submits(t *testing.T) {
	for name, in := range map[string]berth.Intent{
		"at once": drainIntent,
		"paced":   {Cordon: true, Drain: true, Parallel: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, &in)
			b := p.look(time.Now())
			if len(b.plan.Submits) != 1 || len(b.plan.Stops) != 0 {
				t.Fatalf("%+v", b.plan)
			}
			s := b.plan.Submits[0].Spec
			if s.ID != "web.r2" || s.Replaces != "web" || s.OnDrain != berth.OnDrainReplace || s.PendingLimitMS != 0 || s.Validate() != nil {
				t.Errorf("%+v %v", s, s.Validate())
			}
			mod := p.l.view.mod(allocationKey("w", "web"))
			if diff := cmp.Diff([]berth.Guard{{Key: allocationKey("w", "web"), Was: mod}}, b.plan.Guards); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReplace_HandsOver(t *testing.T) {
	p := newPair(t, &drainIntent)
	p.successor(berth.StateStarting)
	if b := p.look(time.Now()); !b.plan.Empty() {
		t.Errorf("before it runs: %+v", b.plan)
	}
	a, _ := p.l.view.allocation("v", "web.r2")
	runs := *a
	runs.State = berth.StateRunning
	p.put(allocationKey("v", "web.r2"), &runs)
	b := p.look(time.Now())
	if len(b.plan.Stops) != 1 || b.plan.Stops[0].Request != "web" || b.plan.Stops[0].Allocation.Stop.ReplacedBy != "web.r2" {
		t.Fatalf("%+v", b.plan)
	}
	if diff := cmp.Diff([]berth.Guard{{Key: allocationKey("v", "web.r2"), Was: p.n}}, b.plan.Guards); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	handed := b.plan.Stops[0].Allocation
	v := judge(ending{
		id: "web", allocation: &handed, cause: causeGone,
		progress: &berth.Progress{Attempt: 1}, submission: &berth.Submission{Spec: berth.Request{}.Normalize()},
	})
	if v.state != berth.StateCancelled || v.reason != berth.EndReplaced || v.replacedBy != "web.r2" {
		t.Errorf("its end: %+v", v)
	}
}

// A drain that waits for a successor tells so, not that something stops, and how that one is.
func TestReplace_TellsWhatItWaitsFor(t *testing.T) {
	for state, want := range map[berth.State]berth.State{"": berth.StatePending, berth.StatePlaced: berth.StatePlaced, berth.StateRunning: berth.StateRunning} {
		p := newPair(t, &drainIntent)
		p.successor(state)
		s, _ := p.l.status("web")
		if s.ReplacedBy != "web.r2" || s.Replacement != want {
			t.Errorf("a successor that is %q: %q is %q", state, s.ReplacedBy, s.Replacement)
		}
		w, _ := p.l.workerStatus("w")
		unplaced := len(w.Unplaced) == 1 && w.Unplaced[0] == "web.r2"
		if w.Stopping != 0 || w.Replacing != 1 || unplaced != (state == "") {
			t.Errorf("a successor that is %q: %d stop, %d are replaced, %v have no place", state, w.Stopping, w.Replacing, w.Unplaced)
		}
	}
	if s, _ := newPair(t, &drainIntent).l.status("web"); s.Replacement != "" {
		t.Errorf("without a successor: %q", s.Replacement)
	}
}

// One that lives yet, and took the place of a request of the same id before, is not taken for the successor of that
// which has the id now, in whichever order they are learned of.
func TestReplace_YoungestSuccessor(t *testing.T) {
	for _, order := range [][]berth.Revision{{150, 160}, {160, 150}} {
		p := newPair(t, &drainIntent)
		o, _ := p.l.view.submission("web")
		for _, at := range order {
			id := berth.RequestID(fmt.Sprint("web.r", at))
			p.l.takeFact(berth.Fact{Key: requestKey(id), Create: at, Mod: at, Record: &berth.Submission{SubmittedAt: o.SubmittedAt.Add(time.Duration(at-155) * time.Minute), Spec: o.Spec.Successor(id)}})
		}
		if by, h := p.l.heirOf(o); by != "web.r160" || h != heirWaiting {
			t.Errorf("%v: %q is %q", order, by, h)
		}
	}
}

// At each point: what is planned about a successor that is not needed.
func TestReplace_CancelsSuccessor(t *testing.T) {
	now := time.Now()
	late := berth.Intent{Cordon: true, Drain: true, Deadline: now.Add(-time.Second)}
	for _, tt := range []struct {
		name  string
		in    berth.Intent
		heir  berth.State
		edit  func(p *pair)
		waits bool // archived as it waits
		ends  bool // its allocation that has not started
		stops bool // told to stop
	}{
		{"it waits past the deadline", late, "", nil, true, false, false},
		{"it waits past the deadline of a paced drain", berth.Intent{Cordon: true, Drain: true, Parallel: 1, Deadline: late.Deadline}, "", nil, true, false, false},
		{"placed past the deadline", late, berth.StatePlaced, nil, false, true, false},
		{"it runs, and its worker was uncordoned", berth.Intent{}, berth.StateRunning, nil, false, false, true},
		{"it waits, and its worker was uncordoned", berth.Intent{}, "", nil, true, false, false},
		{"the original was cancelled", drainIntent, berth.StateRunning, func(p *pair) {
			a, _ := p.l.view.allocation("w", "web")
			next := *a
			next.Stop = &berth.StopOrder{Reason: berth.StopCancel}
			p.put(allocationKey("w", "web"), &next)
		}, false, false, true},
		{"the original ended by itself", drainIntent, berth.StateRunning, func(p *pair) {
			p.put(allocationKey("w", "web"), nil)
			p.put(requestKey("web"), nil)
			p.put(stateKey("web"), nil)
			p.put(archiveKey("web"), &berth.Archive{State: berth.StateSucceeded, SubmittedAt: time.Unix(1000, 0), EndedAt: now})
		}, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t, &tt.in)
			p.successor(tt.heir)
			if tt.edit != nil {
				tt.edit(p)
			}
			b := p.look(now)
			waits, ends, stops := false, false, false
			for _, c := range b.plan.Cancels {
				waits = waits || c.Request == "web.r2" && c.Archive.State == berth.StateCancelled
			}
			for _, e := range b.plan.Ends {
				ends = ends || e.Request == "web.r2" && e.Archive != nil && e.Archive.State == berth.StateCancelled
			}
			for _, s := range b.plan.Stops {
				stops = stops || s.Request == "web.r2" && s.Allocation.Stop.Reason == berth.StopCancel
				if s.Request == "web" {
					t.Errorf("the original too: %+v", s)
				}
			}
			if waits != tt.waits || ends != tt.ends || stops != tt.stops {
				t.Errorf("waits %v ends %v stops %v: %+v", waits, ends, stops, b.plan)
			}
			if a, _ := p.l.view.allocation("w", "web"); a == nil {
				return
			}
			for k, why := range map[berth.Key]string{
				allocationKey("w", "web"): "the original as it was seen, for it may have been handed over since",
				intentKey("w"):            "the drain as it was seen, for it may have begun, or its deadline have moved",
			} {
				if !slices.Contains(b.plan.Guards, berth.Guard{Key: k, Was: p.l.view.mod(k)}) {
					t.Errorf("guards %+v: want %s", b.plan.Guards, why)
				}
			}
		})
	}
}

// An original that waits for its next attempt ends for a successor that runs, and
// is not placed again.
func TestReplace_WaitingOriginalEnds(t *testing.T) {
	p := newPair(t, &drainIntent)
	p.successor(berth.StateRunning)
	p.put(allocationKey("w", "web"), nil)
	p.put(stateKey("web"), &berth.Progress{State: berth.StatePending, Attempt: 2})
	b := p.look(time.Now())
	if len(b.plan.Cancels) != 1 || b.plan.Cancels[0].Archive.ReplacedBy != "web.r2" || len(b.plan.Guards) != 1 || p.l.queue.len() != 0 {
		t.Errorf("%+v, %d queued", b.plan, p.l.queue.len())
	}
}

// Who submits the original's id again, long after it was replaced, does not
// disturb the one that took its place.
func TestReplace_IDAgain(t *testing.T) {
	p := newPair(t, &drainIntent)
	p.successor(berth.StateRunning)
	again := &berth.Submission{SubmittedAt: time.Unix(1_000_000, 0), Spec: berth.Request{ID: "web", Command: []string{"true"}}.Normalize()}
	p.put(allocationKey("w", "web"), nil)
	p.put(stateKey("web"), nil)
	p.put(requestKey("web"), nil)
	p.put(requestKey("web"), again)
	b := p.look(time.Now())
	if !b.plan.Empty() || p.l.queue.len() != 1 {
		t.Errorf("%+v, %d queued", b.plan, p.l.queue.len())
	}
}
