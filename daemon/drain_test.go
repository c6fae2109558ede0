package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
)

func TestPaceOf(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	for _, tt := range []struct {
		name   string
		in     berth.Intent
		moving int
		want   pace
	}{
		{"nothing asked for: all at once", berth.Intent{}, 0, pace{all: true}},
		{"a deadline alone: nothing before it", berth.Intent{Deadline: at(9)}, 0, pace{at: at(9)}},
		{"the deadline: all", berth.Intent{Deadline: at(0), Parallel: 1}, 5, pace{all: true, late: true}},
		{"room for two of three", berth.Intent{Parallel: 3}, 1, pace{may: 2}},
		{"no room, until the deadline", berth.Intent{Parallel: 3, Deadline: at(9)}, 3, pace{at: at(9)}},
		{"more than the bound, after it was lowered", berth.Intent{Parallel: 3}, 7, pace{}},
		{"the first of a rate", berth.Intent{PerMinute: 6}, 9, pace{may: 1, at: at(10)}},
		{"the rate waits", berth.Intent{PerMinute: 6, LastStopAt: at(-4)}, 0, pace{at: at(6)}},
		{"the rate goes on, one at a time, however late", berth.Intent{PerMinute: 6, LastStopAt: at(-400)}, 0, pace{may: 1, at: at(10)}},
		{"a clock that is ahead holds up one interval", berth.Intent{PerMinute: 6, LastStopAt: at(4000)}, 0, pace{at: at(10)}},
		{"rate and number: the lesser", berth.Intent{PerMinute: 6, Parallel: 2}, 2, pace{at: at(10)}},
		{"the deadline before the rate", berth.Intent{PerMinute: 1, LastStopAt: at(-4), Deadline: at(5)}, 0, pace{at: at(5)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Drain = true
			if diff := cmp.Diff(tt.want, paceOf(&tt.in, tt.moving, now), cmp.AllowUnexported(pace{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// draining is a worker with three containers that run, under an intent.
func draining(t *testing.T, in *berth.Intent) *loop {
	t.Helper()
	facts := []berth.Fact{{Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}}}
	for i, id := range []berth.RequestID{"old", "new", "urgent"} {
		own := running(id)[2:]
		a, okA := own[2].Record.(*berth.Allocation)
		sub, okS := own[0].Record.(*berth.Submission)
		if !okA || !okS {
			t.Fatal("no allocation")
		}
		a.StartedAt = time.Unix(int64(i), 0)
		if id == "urgent" {
			sub.Spec.Priority = 5
		}
		facts = append(facts, own...)
	}
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 300}}
	facts = append(facts, berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Count: 3, Reserved: share}})
	l := loopWith(t, append(facts, berth.Fact{Key: intentKey("w"), Record: in})...)
	l.view.passed(100)
	return l
}

func (b *builder) stopped() []berth.RequestID {
	var ids []berth.RequestID
	for _, s := range b.plan.Stops {
		ids = append(ids, s.Request)
	}
	return ids
}

// What matters least goes first, then what loses least; one write of the intent
// goes with the stops.
func TestLookDrain_Order(t *testing.T) {
	for _, tt := range []struct {
		parallel int64
		want     []berth.RequestID
	}{{1, []berth.RequestID{"new"}}, {2, []berth.RequestID{"new", "old"}}, {9, []berth.RequestID{"new", "old", "urgent"}}} {
		l := draining(t, &berth.Intent{Cordon: true, Drain: true, Parallel: tt.parallel, Message: "disk swap"})
		now := time.Now()
		b := newBuilder(l, now)
		l.look(workerKey("w"), b)
		if diff := cmp.Diff(tt.want, b.stopped()); diff != "" {
			t.Errorf("parallel %d: -want +got\n%s", tt.parallel, diff)
		}
		if len(b.plan.Intents) != 1 || !b.plan.Intents[0].Intent.LastStopAt.Equal(now) {
			t.Errorf("%+v", b.plan.Intents)
		}
		if s := b.plan.Stops[0].Allocation.Stop; s.Reason != berth.StopDrain || s.Message != "disk swap" {
			t.Errorf("%+v", s)
		}
	}
}

// A view that may lack another daemon's stop orders nothing: the intent is newer
// than what the watch has told.
func TestLookDrain_ViewBehind(t *testing.T) {
	l := draining(t, &berth.Intent{Cordon: true, Drain: true, Parallel: 1})
	l.takeFact(berth.Fact{Key: intentKey("w"), Record: &berth.Intent{Cordon: true, Drain: true, Parallel: 1, LastStopAt: time.Now()}, Mod: 150})
	b := newBuilder(l, time.Now())
	l.look(workerKey("w"), b)
	if !b.plan.Empty() {
		t.Errorf("planned from a view that may lack a stop: %+v", b.plan)
	}
	l.view.passed(150)
	l.look(workerKey("w"), b)
	if len(b.plan.Stops) != 1 {
		t.Errorf("not ordered, though the watch has passed it: %+v", b.plan)
	}
}

// A worker is removed when nothing is left and no agent lives, and not before.
func TestLookRemoved(t *testing.T) {
	remove := &berth.Intent{Cordon: true, Drain: true, Remove: true}
	ledger := berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1}}
	for _, tt := range []struct {
		name  string
		facts []berth.Fact
		want  int
	}{
		{"empty and gone", []berth.Fact{ledger, {Key: intentKey("w"), Record: remove}}, 1},
		{"never opened", []berth.Fact{{Key: intentKey("w"), Record: remove}}, 1},
		{"its agent lives", []berth.Fact{ledger, {Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}}, {Key: intentKey("w"), Record: remove}}, 0},
		{"holds something", []berth.Fact{{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Count: 1}}, {Key: intentKey("w"), Record: remove}}, 0},
		{"only drained", []berth.Fact{ledger, {Key: intentKey("w"), Record: &berth.Intent{Cordon: true, Drain: true}}}, 0},
		{"nothing asked for", []berth.Fact{ledger}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loopWith(t, tt.facts...)
			b := newBuilder(l, time.Now())
			l.look(workerKey("w"), b)
			if len(b.plan.Removes) != tt.want {
				t.Errorf("%+v, want %d", b.plan.Removes, tt.want)
			}
		})
	}
}
