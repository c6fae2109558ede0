package worker

import (
	"fmt"
	"testing"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// While a transaction is in flight, all that comes is gathered for the next.
func TestAct_Gathers(t *testing.T) {
	w := &Worker{log: zap.NewNop(), opts: Options{Starts: 1}}
	e := newEpoch(w, &registered{epoch: 7}, &memoryRecords{id: "x"})
	allocation := func(s berth.State) *berth.Allocation { return &berth.Allocation{State: s, Epoch: 7} }
	for i := range 10 {
		id := berth.RequestID(fmt.Sprintf("r%d", i))
		task := &task{id: id, phase: phaseNone, allocation: allocation(berth.StatePlaced)}
		if i%2 == 0 {
			task.phase, task.allocation = phaseEnded, allocation(berth.StateRunning)
		}
		e.tasks[task.key()] = task
		e.mark(task)
		e.mark(task) // twice is once
	}
	gather := func() (b batch) {
		for _, key := range e.dirty.take() {
			e.act(e.tasks[key], &b)
		}
		return b
	}
	e.sending = true
	if b := gather(); len(b.fences)+len(b.reports) > 0 || len(e.dirty.order) != 10 {
		t.Fatalf("in flight: sends %d and %d, keeps %d of 10", len(b.fences), len(b.reports), len(e.dirty.order))
	}
	e.sending = false
	b := gather()
	if len(b.fences) != 5 || len(b.reports) != 5 || !e.dirty.empty() {
		t.Errorf("answered: sends %d and %d, want 5 each, keeps %d", len(b.fences), len(b.reports), len(e.dirty.order))
	}
	for i := range b.reports {
		if want := berth.RequestID(fmt.Sprintf("r%d", 2*i)); b.reports[i].id != want {
			t.Errorf("report %d is of %s, want %s: first come, first sent", i, b.reports[i].id, want)
		}
	}
}

// A new attempt is not fenced while a container of the former one may live.
func TestAct_FormerAttemptLives(t *testing.T) {
	e := newEpoch(&Worker{log: zap.NewNop()}, &registered{epoch: 7}, &memoryRecords{id: "x"})
	former := &task{id: "r", attempt: 1, phase: phaseStarting}
	next := &task{id: "r", attempt: 2, phase: phaseNone, former: former, allocation: &berth.Allocation{State: berth.StatePlaced, Attempt: 2, Epoch: 7}}
	e.tasks[next.key()] = next
	var b batch
	e.act(next, &b)
	if len(b.fences) > 0 || e.dirty.empty() {
		t.Fatal("fenced beside the former attempt, or forgotten")
	}
	former.phase = phaseEnded
	e.act(next, &b)
	if len(b.fences) != 1 {
		t.Error("not fenced after the former attempt's end")
	}
}
