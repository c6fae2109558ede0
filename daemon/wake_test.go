package daemon

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// company are workers on which a request may fit only beside another one.
type company struct {
	rooms
	beside map[berth.RequestID]berth.RequestID
	here   map[berth.RequestID]bool
}

func (c *company) fits(w *waiting, by berth.WorkerID) bool {
	other := c.beside[w.id]
	return (other == "" || c.here[other]) && c.rooms.fits(w, by)
}

// admit places what the queue gives, without an answer that would open who has waited for it.
func (c *company) admit(q *queue) (placed []berth.RequestID) {
	for w := q.next(); w != nil; w = q.next() {
		by := berth.WorkerID("")
		if other := c.beside[w.id]; other == "" || c.here[other] {
			by = c.take(w)
		}
		if by == "" {
			q.block(w.id, &berth.Verdict{})
			continue
		}
		q.remove(w.id)
		c.here[w.id] = true
		placed = append(placed, w.id)
	}
	return placed
}

// companyOf is a queue in which all of the requests are blocked.
func companyOf(beside map[berth.RequestID]berth.RequestID, requests ...*berth.Request) (*company, *queue) {
	c := &company{rooms: rooms{left: make(map[berth.WorkerID]berth.Quantities), labels: map[berth.WorkerID]map[string]string{"w": {"zone": "x"}}}, beside: beside, here: make(map[berth.RequestID]bool)}
	q := newQueue(c)
	for i, r := range requests {
		q.put(&waiting{id: r.ID, request: r, seq: berth.Revision(i + 1)})
	}
	c.admit(q)
	return c, q
}

func wanting(id berth.RequestID, pool berth.PoolID, cpu int64, zones ...string) *berth.Request {
	r := &berth.Request{ID: id, Pool: pool}
	r.Resources.CPUMilli = cpu
	if len(zones) > 0 {
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: zones}}
	}
	return r
}

// Who else has been looked at before one is found decides who is found when that one is placed:
// the same each time. With maps in their order, it was one of two.
func TestQueue_GivesAlikeEachTime(t *testing.T) {
	t.Parallel()
	for range 64 {
		c, q := companyOf(map[berth.RequestID]berth.RequestID{"second": "first"},
			wanting("first", "p", 2), wanting("second", "p", 1, "x"))
		c.left["w"] = berth.Quantities{CPUMilli: 4}
		q.wake("p", "w")
		if got := c.admit(q); !slices.Equal(got, []berth.RequestID{"first", "second"}) {
			t.Fatalf("placed %v", got)
		}
	}
}

// A pool of which nothing was found has no givers left only where all of it was looked at: after
// what was found in another pool, not all is.
func TestQueue_PoolsAlikeEachTime(t *testing.T) {
	t.Parallel()
	for range 64 {
		c, q := companyOf(map[berth.RequestID]berth.RequestID{"z2": "a1"}, wanting("a1", "a", 2), wanting("z2", "z", 1))
		c.left["w"] = berth.Quantities{CPUMilli: 4}
		q.wake("a", "w")
		q.wake("z", "w")
		if got := c.admit(q); !slices.Equal(got, []berth.RequestID{"a1"}) {
			t.Fatalf("placed %v", got)
		}
	}
}

// Whatever depends on what: two queues to which the same has happened give the same.
func TestQueue_SameInputSameOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		requests, beside := drawCompany(t)
		var want []berth.RequestID
		for i := range 8 {
			c, q := companyOf(maps.Clone(beside), requests...)
			var got []berth.RequestID
			for j, cpu := range []int64{3, 2, 6, 9} {
				w := []berth.WorkerID{"v", "w"}[j%2]
				c.left[w] = berth.Quantities{CPUMilli: cpu}
				q.wake([]berth.PoolID{"a", "b"}[j/2], w)
				q.wake("a", w)
				got = append(append(got, c.admit(q)...), "")
			}
			if i == 0 {
				want = got
			} else if !slices.Equal(got, want) {
				t.Fatalf("placed %q, and then %q", want, got)
			}
		}
	})
}

func drawCompany(t *rapid.T) (requests []*berth.Request, beside map[berth.RequestID]berth.RequestID) {
	beside = make(map[berth.RequestID]berth.RequestID)
	for i := range 12 {
		id := berth.RequestID(fmt.Sprint("r", i))
		r := wanting(id, rapid.SampledFrom([]berth.PoolID{"a", "b"}).Draw(t, "pool"), rapid.Int64Range(1, 3).Draw(t, "cpu"))
		if zone := rapid.SampledFrom([]string{"", "x", "y x", "z x"}).Draw(t, "zone"); zone != "" {
			r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{zone, "x"}}}
		}
		r.Tenant = rapid.SampledFrom(tenantsOfTest).Draw(t, "tenant")
		if rapid.Bool().Draw(t, "related") {
			beside[id] = berth.RequestID(fmt.Sprint("r", rapid.IntRange(0, 11).Draw(t, "beside")))
		}
		requests = append(requests, r)
	}
	return requests, beside
}
