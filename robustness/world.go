package robustness

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/berthd/berth/robustness/memetcd"
)

// prefix is the keyspace's, as it is by default.
const prefix = "/berth/"

// world is one run. All its fields belong to the controller's goroutine, run,
// but for the inbox, which actors write.
type world struct {
	plan   *Plan
	rng    *rand.Rand
	began  time.Time
	events eventHeap
	count  int64 // of events that were put
	steps  int64 // of events that were taken

	store    *memetcd.Store
	net      network
	actors   []*actor // by name
	machines map[string]*machine
	client   *client
	check    *checker
	tally    Tally
	trace    *trace // nil: not asked for
	stopped  bool   // faults, and what has not begun by now
	lasting  int    // outages that have begun and not ended

	bell  chan struct{} // written by arrive; one is enough to wake
	mu    sync.Mutex    // guards inbox
	inbox []*arrival
}

// event is something that happens at a moment. What belongs to a process does
// not happen while that is paused, and never after its end.
type event struct {
	at    time.Duration
	order int64
	of    *process // nil: of nobody
	do    func()
}

// arrival is something that a process has asked for since the last step.
type arrival struct {
	of     *process
	what   string        // orders what arrives together
	detail func() string // orders what is equal in that
	do     func()
}

func (w *world) now() time.Duration { return time.Since(w.began) }

// at puts an event. No two are at the same moment: a few nanoseconds keep their
// order, and timers of the code apart.
func (w *world) at(when time.Duration, of *process, do func()) {
	w.count++
	heap.Push(&w.events, event{at: max(when, w.now()+1) + time.Duration(w.rng.Int64N(997)), order: w.count, of: of, do: do})
}

func (w *world) after(d time.Duration, of *process, do func()) { w.at(w.now()+d, of, do) }

// soon is a delay as of a call within a machine or between two.
func (w *world) soon() time.Duration {
	d := 100*time.Microsecond + time.Duration(w.rng.Int64N(int64(1500*time.Microsecond)))
	if w.rng.IntN(40) == 0 {
		d += time.Duration(w.rng.Int64N(int64(60 * time.Millisecond)))
	}
	return d
}

// arrive is called by the actors' goroutines.
func (w *world) arrive(a *arrival) {
	w.mu.Lock()
	w.inbox = append(w.inbox, a)
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// run takes events until until says so, or a violation is found, and reports
// whether until did.
func (w *world) run(until func() bool) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		synctest.Wait()
		w.receive()
		if w.check.violated() {
			return false
		}
		if until() {
			return true
		}
		next := w.events[0]
		if wait := next.at - w.now(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-w.bell:
				continue
			case <-timer.C:
			}
			synctest.Wait() // for all that wakes at this very moment
			if w.pending() {
				continue // what arrived comes first
			}
		}
		heap.Pop(&w.events)
		w.take(next)
	}
}

func (w *world) pending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.inbox) > 0
}

func (w *world) take(e event) {
	w.steps++
	switch {
	case e.of == nil:
		e.do()
	case e.of.dead:
	case e.of.paused:
		e.of.held = append(e.of.held, e.do)
	default:
		e.do()
	}
}

// receive puts in one order what has arrived, and looks at it.
func (w *world) receive() {
	select {
	case <-w.bell:
	default:
	}
	w.mu.Lock()
	list := w.inbox
	w.inbox = nil
	w.mu.Unlock()
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b *arrival) int {
			if c := cmp.Or(cmp.Compare(a.of.name, b.of.name), cmp.Compare(a.of.life, b.of.life), cmp.Compare(a.what, b.what)); c != 0 {
				return c
			}
			return cmp.Compare(a.detail(), b.detail())
		})
	}
	for _, a := range list {
		if w.trace != nil {
			w.note(a.of.name, arriving+a.what+" "+fmt.Sprintf("%.300q", a.detail()))
		}
		w.take(event{of: a.of, do: a.do})
	}
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].order, h[j].order)) < 0
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) } //nolint:errcheck // only event is pushed
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}
