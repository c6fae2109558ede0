package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

var tenantsOfTest = []berth.TenantID{"a", "b", "c"}

// Tenants take turns, however what they hold changes: placed is what would be if, after each
// placement, all that waits were looked at again, in the order of the turns as they are
// then.
func TestQueue_TurnsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := []berth.WorkerID{"a", "b", "c"}
		r := &rooms{left: make(map[berth.WorkerID]berth.Quantities), labels: map[berth.WorkerID]map[string]string{"a": {"zone": "x"}}, held: make(map[account]int)}
		q := newQueue(r)
		all := make(map[berth.RequestID]*waiting)
		seq := berth.Revision(0)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				seq++
				w := drawWaiting(t, seq)
				w.request.Tenant = rapid.SampledFrom(tenantsOfTest).Draw(t, "tenant")
				if rapid.Bool().Draw(t, "usual") { // of a shape that others ask for, too
					w.request.Resources.Quantities, w.request.Constraints = berth.Quantities{CPUMilli: 2, MemoryBytes: 1}, nil
				}
				all[w.id] = w
				q.put(w)
			},
			"remove": func(t *rapid.T) {
				id := berth.RequestID(fmt.Sprint("r", rapid.IntRange(0, 20).Draw(t, "id")))
				q.remove(id)
				delete(all, id)
			},
			"free": func(t *rapid.T) {
				w := rapid.SampledFrom(ws).Draw(t, "worker")
				r.left[w] = berth.Quantities{CPUMilli: rapid.Int64Range(0, 6).Draw(t, "cpu"), MemoryBytes: rapid.Int64Range(0, 6).Draw(t, "memory")}
				q.wake("p", w)
			},
			"close": func(t *rapid.T) {
				delete(r.left, rapid.SampledFrom(ws).Draw(t, "worker"))
			},
			"hold": func(t *rapid.T) {
				of := account{rapid.SampledFrom(tenantsOfTest).Draw(t, "tenant"), "p"}
				r.held[of] = rapid.IntRange(0, 6).Draw(t, "holds")
				q.turned(of)
			},
			"admit": func(t *rapid.T) {
				want := r.inTurns(maps.Clone(all))
				got := r.admit(q)
				for _, id := range got {
					delete(all, id)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("placed %v, want %v", got, want)
				}
				if q.blockedCount() != len(all) {
					t.Fatalf("%d are blocked of %d that wait", q.blockedCount(), len(all))
				}
			},
			"": func(t *rapid.T) { checkQueue(t, q, all) },
		})
	})
}

// inTurns is what would be placed of what waits.
func (r *rooms) inTurns(all map[berth.RequestID]*waiting) (placed []berth.RequestID) {
	plain := &rooms{left: maps.Clone(r.left), labels: r.labels, held: maps.Clone(r.held)}
	for more := true; more; {
		more = false
		for _, w := range slices.SortedFunc(maps.Values(all), func(a, b *waiting) int {
			return cmp.Or(plain.turn(accountOf(a.request)).Compare(plain.turn(accountOf(b.request))), cmp.Compare(b.priority, a.priority), cmp.Compare(a.seq, b.seq))
		}) {
			if plain.take(w) != "" {
				placed = append(placed, w.id)
				delete(all, w.id)
				plain.held[accountOf(w.request)]++
				more = true
				break
			}
		}
	}
	return placed
}

// checkQueue looks at what must be true of a queue whatever has happened to it.
func checkQueue(t *rapid.T, q *queue, all map[berth.RequestID]*waiting) {
	if q.len() != len(all) {
		t.Fatalf("%d wait, want %d", q.len(), len(all))
	}
	n, classes, open := 0, 0, 0
	for of, g := range q.lines {
		n += g.count
		classes += g.classes
		_, stale := q.stale[g]
		if g.of != of || len(q.lines) > 1 && !stale && g.turn != q.workers.turn(of) || (g.at >= 0) != (len(g.open) > 0) {
			t.Fatalf("line %+v", g)
		}
		open += len(g.open)
	}
	if n != len(all) || classes != len(q.classes) {
		t.Fatalf("lines count %d requests in %d classes, of %d in %d", n, classes, len(all), len(q.classes))
	}
	for shape, s := range q.shapes {
		open -= len(s.open)
		blocked := 0
		for key, c := range q.classes {
			if key.shape == shape && c.verdict != nil {
				blocked++
			}
		}
		if blocked != s.blocked || (s.verdict != nil) != (blocked > 0) {
			t.Fatalf("of shape %s %d classes are blocked, counted are %d", shape, blocked, s.blocked)
		}
	}
	if open != 0 {
		t.Fatalf("%d classes more are open than are counted by shape", open)
	}
}

// A slot that is freed is the neediest tenant's, and few are judged for it, however many
// tenants wait.
func TestQueue_TurnsJudgeFew(t *testing.T) {
	t.Parallel()
	r := &rooms{left: map[berth.WorkerID]berth.Quantities{"w": {CPUMilli: 1}}, held: make(map[account]int)}
	q := newQueue(r)
	const tenants = 1000
	for i := range 10 * tenants {
		spec := &berth.Request{ID: berth.RequestID(fmt.Sprintf("r%06d", i)), Pool: "p", Tenant: berth.TenantID(fmt.Sprintf("t%04d", i%tenants))}
		spec.Resources.CPUMilli = int64(100 + i/tenants)
		if i%3 == 0 {
			spec.Resources.MemoryBytes = 1 << 40 // of which no worker has so much
		}
		r.held[accountOf(spec)] = 1
		q.put(&waiting{id: spec.ID, request: spec, seq: berth.Revision(i + 1)})
	}
	r.admit(q)
	if q.blockedCount() != 10*tenants || len(q.lines) != tenants {
		t.Fatalf("%d are blocked, of %d tenants", q.blockedCount(), len(q.lines))
	}
	r.judged = 0
	got := make(map[berth.TenantID]int)
	for range tenants {
		r.left["w"] = berth.Quantities{CPUMilli: 199}
		q.wake("p", "w")
		w := q.next()
		if w == nil {
			t.Fatal("nobody is woken")
		}
		for _, id := range r.admit(q) {
			if id != w.id {
				t.Errorf("%s is placed beside %s", id, w.id)
			}
		}
		got[w.request.Tenant]++
	}
	if len(got) != tenants {
		t.Errorf("%d of %d tenants got a slot", len(got), tenants)
	}
	if r.judged > 5*tenants {
		t.Errorf("%d were judged for %d slots", r.judged, tenants)
	}
}

// Many slots that are freed at once go round the tenants, and little is asked for each, however
// many others are free, and whatever waits before all that fits.
func TestQueue_TurnsOfManySlots(t *testing.T) {
	t.Parallel()
	const tenants, slots = 200, 300
	r, q := slotsBeforeTenants(tenants)
	r.free(q, slots)
	r.judged, r.asked = 0, 0
	got := make(map[berth.TenantID]int)
	for _, id := range r.admit(q) {
		got[berth.TenantID(id[:5])]++
	}
	for of, n := range got {
		if n > slots/tenants+1 {
			t.Errorf("%s got %d slots", of, n)
		}
	}
	if len(got) != tenants || r.judged > 3*slots || r.asked > 5*slots {
		t.Errorf("%d tenants got some; %d judged, %d asked for %d slots", len(got), r.judged, r.asked, slots)
	}
}

// However often a turn changes while nobody asks who is next, and however much waits, one line
// gets another place, once.
func TestQueue_TurnsChangeOnce(t *testing.T) {
	t.Parallel()
	r, q := slotsBeforeTenants(100)
	of := account{"t0007", "p"}
	q.next()
	r.turns = 0
	for n := range 1000 {
		r.held[of] = n
		q.turned(of)
	}
	if q.next(); r.turns != 1 || q.lines[of].turn.Share != 999 {
		t.Errorf("%d turns are asked for, its share is %v", r.turns, q.lines[of].turn.Share)
	}
}

// slotsBeforeTenants is a queue in which each of so many tenants has 20 shapes that would fit
// on a worker, when it is free; and one that waits first of all, and wants more than there is.
func slotsBeforeTenants(tenants int) (*rooms, *queue) {
	r := &rooms{left: make(map[berth.WorkerID]berth.Quantities), held: make(map[account]int)}
	q := newQueue(r)
	for i := range 20 * tenants {
		q.put(slotOf(i%tenants, i/tenants, int64(i)))
	}
	large := slotOf(tenants, 0, 0)
	large.request.Resources.CPUMilli = 10_000
	q.put(large)
	for _, g := range q.lines {
		r.held[g.of] = 1
	}
	r.held[accountOf(large.request)] = 0
	r.admit(q)
	return r, q
}

func slotOf(tenant, shape int, seq int64) *waiting {
	of := fmt.Sprintf("t%04d", tenant)
	spec := &berth.Request{ID: berth.RequestID(fmt.Sprintf("%s-%06d", of, seq)), Pool: "p", Tenant: berth.TenantID(of)}
	spec.Resources.CPUMilli = int64(100 + shape)
	return &waiting{id: spec.ID, request: spec, seq: berth.Revision(seq + 1)}
}

// free gives so many workers room for one request each.
func (r *rooms) free(q *queue, workers int) {
	for i := range workers {
		w := berth.WorkerID(fmt.Sprintf("w%04d", i))
		r.left[w] = berth.Quantities{CPUMilli: 199}
		q.wake("p", w)
	}
}

// BenchmarkQueue_TurnsOfMany is one of 100 slots that are freed at once.
func BenchmarkQueue_TurnsOfMany(b *testing.B) {
	for _, tenants := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			r, q := slotsBeforeTenants(tenants)
			r.judged = 0
			again := int64(1_000_000)
			for i := 0; b.Loop(); i++ {
				if i%100 == 0 {
					r.free(q, 100)
				}
				w := q.next()
				if w == nil {
					b.Fatal("nobody is woken")
				}
				for r.take(w) == "" {
					q.block(w.id, &berth.Verdict{})
					w = q.next()
				}
				q.remove(w.id)
				r.gets(q, w, 1)
				var tenant int
				if _, err := fmt.Sscanf(string(w.id), "t%d-", &tenant); err != nil {
					b.Fatal(err)
				}
				again++
				q.put(slotOf(tenant, int(w.request.Resources.CPUMilli-100), again))
			}
			b.ReportMetric(float64(r.judged)/float64(b.N), "judged/slot")
		})
	}
}

// BenchmarkQueue_Turns is one freed slot, which is the neediest of so many tenants', each
// with 100 shapes that wait.
func BenchmarkQueue_Turns(b *testing.B) {
	for _, tenants := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			r := &rooms{left: make(map[berth.WorkerID]berth.Quantities), held: make(map[account]int)}
			q := newQueue(r)
			put := func(i int, seq berth.Revision) {
				spec := &berth.Request{ID: berth.RequestID(fmt.Sprintf("r%06d", i)), Pool: "p", Tenant: berth.TenantID(fmt.Sprintf("t%04d", i%tenants))}
				spec.Resources.CPUMilli = int64(100 + i/tenants%100)
				q.put(&waiting{id: spec.ID, request: spec, seq: seq})
			}
			for i := range 100 * tenants {
				put(i, berth.Revision(i+1))
			}
			r.admit(q)
			r.judged = 0
			for i := 0; b.Loop(); i++ {
				r.left["w"] = berth.Quantities{CPUMilli: 199}
				q.wake("p", "w")
				for _, id := range r.admit(q) {
					var n int
					if _, err := fmt.Sscanf(string(id), "r%d", &n); err != nil {
						b.Fatal(err)
					}
					put(n, berth.Revision(1_000_000+i))
				}
			}
			b.ReportMetric(float64(r.judged)/float64(b.N), "judged/slot")
		})
	}
}
