package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// rooms are workers that have room left, and labels.
type rooms struct {
	left   map[berth.WorkerID]berth.Quantities
	labels map[berth.WorkerID]map[string]string
	held   map[account]int // requests of each; nil: all turns are equal
	judged int
	asked  int // for what is left of one
	turns  int // asked for
}

func (r *rooms) turn(of account) scheduler.Turn {
	if r.held == nil {
		return scheduler.Turn{}
	}
	r.turns++
	return scheduler.Turn{Share: float64(r.held[of]), Served: int64(scheduler.Hash(string(of.tenant)) >> 1)}
}

func (r *rooms) room(of berth.WorkerID) (need, map[string]string, bool) {
	r.asked++
	q, ok := r.left[of]
	return needOf(&berth.Demand{Quantities: q}), r.labels[of], ok
}

func (r *rooms) shape(of *berth.Request) string { return scheduler.Shape(of) }

func (r *rooms) fits(w *waiting, by berth.WorkerID) bool {
	r.judged++
	return r.has(w, by)
}

func (r *rooms) has(w *waiting, by berth.WorkerID) bool {
	return needOf(&w.request.Resources).within(needOf(&berth.Demand{Quantities: r.left[by]})) && berth.Selector{}.Add(w.request.Constraints).Allows(r.labels[by])
}

// take is the first worker that has room, or none.
func (r *rooms) take(w *waiting) berth.WorkerID {
	for _, by := range slices.Sorted(maps.Keys(r.left)) {
		if r.has(w, by) {
			left := r.left[by]
			left.CPUMilli -= w.request.Resources.CPUMilli
			left.MemoryBytes -= w.request.Resources.MemoryBytes
			r.left[by] = left
			return by
		}
	}
	return ""
}

// admit places what fits, in the queue's order, as the loop does.
func (r *rooms) admit(q *queue) (placed []berth.RequestID) {
	for w := q.next(); w != nil; w = q.next() {
		if r.take(w) == "" {
			q.block(w.id, &berth.Verdict{})
			continue
		}
		q.remove(w.id)
		placed = append(placed, w.id)
		r.gets(q, w, 1)
	}
	return placed
}

// gets counts what a tenant has been given.
func (r *rooms) gets(q *queue, w *waiting, n int) {
	if r.held != nil {
		of := accountOf(w.request)
		r.held[of] += n
		q.turned(of)
	}
}

// Whatever waits, and whatever is freed: placed is what would be if all that waits
// were tried again, in the same order.
func TestQueue_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rooms{left: make(map[berth.WorkerID]berth.Quantities), labels: map[berth.WorkerID]map[string]string{"a": {"zone": "x"}}}
		q := newQueue(r)
		all := make(map[berth.RequestID]*waiting)
		seq := berth.Revision(0)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				seq++
				w := drawWaiting(t, seq)
				all[w.id] = w
				q.put(w)
			},
			"remove": func(t *rapid.T) {
				id := berth.RequestID(fmt.Sprint("r", rapid.IntRange(0, 20).Draw(t, "id")))
				q.remove(id)
				delete(all, id)
			},
			"free": func(t *rapid.T) {
				w := rapid.SampledFrom([]berth.WorkerID{"a", "b", "c"}).Draw(t, "worker")
				r.left[w] = berth.Quantities{CPUMilli: rapid.Int64Range(0, 6).Draw(t, "cpu"), MemoryBytes: rapid.Int64Range(0, 6).Draw(t, "memory")}
				q.wake("p", w)
			},
			"close": func(t *rapid.T) {
				delete(r.left, rapid.SampledFrom([]berth.WorkerID{"a", "b", "c"}).Draw(t, "worker"))
			},
			"admit": func(t *rapid.T) {
				plain := &rooms{left: maps.Clone(r.left), labels: r.labels}
				var want []berth.RequestID
				for _, w := range slices.SortedFunc(maps.Values(all), func(a, b *waiting) int {
					return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.seq, b.seq))
				}) {
					if plain.take(w) != "" {
						want = append(want, w.id)
						delete(all, w.id)
					}
				}
				if got := r.admit(q); !slices.Equal(got, want) {
					t.Fatalf("placed %v, want %v", got, want)
				}
				if q.blockedCount() != len(all) {
					t.Fatalf("%d are blocked of %d that wait", q.blockedCount(), len(all))
				}
			},
			"": func(t *rapid.T) {
				if q.len() != len(all) {
					t.Fatalf("%d wait, want %d", q.len(), len(all))
				}
			},
		})
	})
}

func drawWaiting(t *rapid.T, seq berth.Revision) *waiting {
	r := &berth.Request{ID: berth.RequestID(fmt.Sprint("r", rapid.IntRange(0, 20).Draw(t, "id"))), Pool: "p"}
	r.Resources.CPUMilli = rapid.Int64Range(0, 4).Draw(t, "cpu")
	r.Resources.MemoryBytes = rapid.Int64Range(0, 4).Draw(t, "memory")
	if rapid.Bool().Draw(t, "constrained") {
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "zone")}}}
	}
	return &waiting{id: r.ID, request: r, seq: seq, priority: int32(rapid.IntRange(0, 2).Draw(t, "priority"))}
}

// crowdedQueue has n requests of as many shapes, all blocked: half want more memory
// than any worker has, a quarter a label that none has.
func crowdedQueue(tb testing.TB, r *rooms, n int) *queue {
	tb.Helper()
	q := newQueue(r)
	for i := range n {
		spec := &berth.Request{ID: berth.RequestID(fmt.Sprintf("r%06d", i)), Pool: "p"}
		spec.Resources.CPUMilli, spec.Resources.MemoryBytes = int64(100+i%1000), int64(1000+i)
		switch i % 4 {
		case 0, 1:
			spec.Resources.MemoryBytes = int64(1_000_000_000 + i)
		case 2:
			spec.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"y"}}}
		}
		q.put(&waiting{id: spec.ID, request: spec, seq: berth.Revision(i + 1)})
	}
	r.admit(q)
	if q.blockedCount() != n {
		tb.Fatalf("%d are blocked, want %d", q.blockedCount(), n)
	}
	return q
}

// A slot that is freed wakes the request that it is for, and no other is judged, how
// many there may be.
func TestQueue_WakeJudgesFew(t *testing.T) {
	t.Parallel()
	r := &rooms{left: map[berth.WorkerID]berth.Quantities{"a": {CPUMilli: 1, MemoryBytes: 1}}}
	q := crowdedQueue(t, r, 20_000)
	r.judged = 0
	for range 100 {
		r.left["a"] = berth.Quantities{CPUMilli: 1200, MemoryBytes: 500_000}
		q.wake("p", "a")
		if placed := r.admit(q); len(placed) == 0 {
			t.Fatal("nothing was placed in a slot that is large enough for any")
		}
	}
	if r.judged > 500 {
		t.Errorf("%d were judged for 100 slots", r.judged)
	}
}

// BenchmarkQueue_Wake is one freed slot, before 100,000 requests of as many shapes.
func BenchmarkQueue_Wake(b *testing.B) {
	r := &rooms{left: make(map[berth.WorkerID]berth.Quantities)}
	q := crowdedQueue(b, r, 100_000)
	r.judged = 0
	spec := berth.Request{Pool: "p"}
	for i := 0; b.Loop(); i++ {
		r.left["a"] = berth.Quantities{CPUMilli: 1200, MemoryBytes: 500_000}
		q.wake("p", "a")
		for _, id := range r.admit(q) {
			again := spec
			again.ID = id
			again.Resources.CPUMilli, again.Resources.MemoryBytes = int64(100+i%1000), int64(1000+i%100_000)
			q.put(&waiting{id: id, request: &again, seq: berth.Revision(1_000_000 + i)})
			q.block(id, &berth.Verdict{})
		}
	}
	b.ReportMetric(float64(r.judged)/float64(b.N), "judged/slot")
}

// Two demands of a request may share a device: a worker with one that is freed wakes it.
func TestQueue_DemandsOfOneDevice(t *testing.T) {
	capacity := berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 400, MemoryBytes: 1 << 30},
		Devices:    []berth.Device{{Name: "gpu0", Type: "a"}},
	}
	full := berth.Share{Devices: []berth.DeviceShare{{Name: "gpu0", Milli: berth.WholeDevice}}}
	l := loopWith(t,
		berth.Fact{Key: workerKey("w"), Record: &berth.Worker{Pool: "default", Capacity: capacity}},
		berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Capacity: capacity, Reserved: full, Count: 1}},
	)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	r := berth.Request{ID: "r", Command: []string{"true"}, Resources: berth.Demand{
		Devices: []berth.DeviceDemand{{Count: 1, Milli: 300}, {Count: 1, Milli: 300}},
	}}.Normalize()
	l.queue.put(&waiting{id: "r", request: &r})
	l.admit(newBuilder(l, time.Now()))
	if l.queue.blockedCount() != 1 {
		t.Fatal("not blocked by a full device")
	}
	l.takeFact(berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Capacity: capacity}, Mod: 9})
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	if l.queue.next() == nil {
		t.Error("it fits, and is still blocked")
	}
}
