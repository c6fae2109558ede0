package daemon

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
)

func counted(n int, cpu int64) *waiting {
	return &waiting{id: berth.RequestID(fmt.Sprint("r", n)), seq: berth.Revision(n), request: &berth.Request{
		Tenant: "a", Pool: "p", Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}},
	}}
}

func overQuota() *berth.Verdict {
	return &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonQuota, Detail: "cpu_milli", Want: 2, Best: 1, Total: 3}}}
}

// A class whose quota has no room is woken by no worker, whatever that has, and counts as
// one that waits for nothing here.
func TestQueue_OverQuota(t *testing.T) {
	r := &rooms{left: map[berth.WorkerID]berth.Quantities{"w": {CPUMilli: 10}}}
	q := newQueue(r)
	for i := range 3 {
		q.put(counted(i, 2))
	}
	q.put(counted(3, 5))
	q.block("r0", overQuota())
	q.block("r3", overQuota())
	q.wake("p", "w")
	if q.next() != nil || q.openCount() != 0 || q.blockedCount() != 4 {
		t.Errorf("next %v, %d open, %d blocked", q.next(), q.openCount(), q.blockedCount())
	}
	q.remove("r0")
	all := func(*waiting) bool { return true }
	of := account{"a", "p"}
	if c := q.firstOver(of, anything(), all); c == nil || c.members[0].id != "r1" {
		t.Fatalf("the first is %+v", c)
	}
	if c := q.firstOver(of, anything(), func(w *waiting) bool { return w.request.Resources.CPUMilli > 2 }); c.members[0].id != "r3" {
		t.Errorf("the first of the large ones is %s", c.members[0].id)
	}
	q.reopen(q.firstOver(of, anything(), all))
	if w := q.next(); w == nil || w.id != "r1" || q.openCount() != 2 || q.lines[of].count != 3 {
		t.Errorf("next %+v, %d open, %d of the account", w, q.openCount(), q.lines[of].count)
	}
	q.block("r1", &berth.Verdict{}) // and now for want of a worker
	q.wake("p", "w")
	if w := q.next(); w == nil || w.id != "r1" {
		t.Errorf("not woken by a worker: %+v", w)
	}
	for _, id := range []berth.RequestID{"r1", "r2", "r3"} {
		q.remove(id)
	}
	if len(q.over.of)+len(q.classes)+len(q.open)+q.count+q.idle != 0 {
		t.Errorf("something is left: %+v", q)
	}
}

// A class that waits for a worker, judged for fewer types of devices than it names, and that is told of its quota when somebody asks: it waits
// for that, and no more for other types.
func TestQueue_NarrowedToldOfItsQuota(t *testing.T) {
	q := newQueue(&rooms{})
	for i := range 2 {
		q.put(counted(i, 2))
	}
	q.block("r0", &berth.Verdict{})
	q.narrow("r0", &judgedFor{types: q.of["r0"].members[0].request})
	q.current("r1", 2, func(*waiting) *berth.Verdict { return overQuota() })
	q.put(counted(2, 2))
	if len(q.narrowed) > 0 || q.firstOver(account{"a", "p"}, anything(), func(*waiting) bool { return true }) == nil {
		t.Errorf("it waits for other types: %+v", q.narrowed)
	}
	for i := range 3 {
		q.remove(berth.RequestID(fmt.Sprint("r", i)))
	}
	if len(q.narrowed)+len(q.over.of)+len(q.classes) != 0 {
		t.Errorf("something is left: %+v", q)
	}
}

// What is parked is not asked for, comes and goes as anything else, and is opened by its answer.
func TestQueue_Parked(t *testing.T) {
	q := newQueue(&rooms{})
	for i := range 3 {
		q.put(counted(i, 2))
	}
	q.park(q.of["r0"], "a")
	q.put(counted(3, 2))
	q.remove("r0")
	if q.next() != nil || q.openCount() != 0 || q.len() != 3 {
		t.Errorf("next %v, %d of %d open", q.next(), q.openCount(), q.len())
	}
	q.release("b")
	q.release("a")
	if w := q.next(); w == nil || w.id != "r1" || q.openCount() != 3 {
		t.Errorf("next %+v, %d open", w, q.openCount())
	}
	q.park(q.of["r1"], "a")
	for i := 1; i < 4; i++ {
		q.remove(berth.RequestID(fmt.Sprint("r", i)))
	}
	if len(q.parked)+len(q.classes)+len(q.open)+q.count+q.idle != 0 {
		t.Errorf("something is left: %+v", q)
	}
}
