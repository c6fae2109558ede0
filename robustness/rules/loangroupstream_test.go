package rules

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
)

// Tenants that only borrow what another has idle, one for groups and one for single requests, of which some always wait, come to hold about as much
// as each other, though the workers are full of the single ones: room comes as the loan does.
func TestLoan_GroupsBesideSingles(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		for _, first := range []berth.TenantID{"a", "b"} { // who has borrowed all when the other comes
			t.Run(fmt.Sprintf("%d daemons, %s first", daemons, first), func(t *testing.T) {
				bubble(t, func(r *rig) {
					for _, w := range []berth.WorkerID{"v", "w"} {
						r.lives(w)
					}
					checked := r.checked()
					ds, stop := r.several(daemons)
					const each = 333 // three of them fill a worker
					r.guarantee(ds[0], "lender", 6*each, 6*each)
					for _, of := range []berth.TenantID{"a", "b"} {
						r.guarantee(ds[0], of, 6*each, 0)
					}
					s := &lasting{rig: r, ds: ds, runs: time.Second, each: each, size: map[berth.TenantID]int64{"a": 2}}
					fill := func(of berth.TenantID) {
						for range 20 {
							s.submit(of)
						}
					}
					second := map[berth.TenantID]berth.TenantID{"a": "b", "b": "a"}[first]
					fill(first)
					s.passes(5 * time.Second)
					fill(second)
					s.passes(40 * time.Second)
					held := s.passes(80 * time.Second)
					if held["a"] < 1.1 || held["b"] < 2 || held["a"]+held["b"] < 5 {
						t.Errorf("groups of two hold %.2f of 6 on average, single requests %.2f: a %s, b %s", held["a"], held["b"], r.record("a"), r.record("b"))
					}
					stop()
					checked()
				})
			})
		}
	}
}

// Two tenants that only borrow what another has idle, both for groups of two, hold as much as each other, though that is for an odd number of groups: the
// odd one is theirs by turns.
func TestLoan_GroupsBesideGroups(t *testing.T) {
	for daemons := 1; daemons <= 3; daemons++ {
		for _, slots := range []int64{3, 5} {
			for _, first := range []berth.TenantID{"a", "b"} { // who has borrowed all when the other comes
				t.Run(fmt.Sprintf("%d daemons, %d groups, %s first", daemons, slots, first), func(t *testing.T) {
					bubble(t, func(r *rig) {
						for i := range slots {
							r.lives(berth.WorkerID(fmt.Sprint("w", i)))
						}
						checked := r.checked()
						ds, stop := r.several(daemons)
						const each = 333
						r.guarantee(ds[0], "lender", 2*slots*each, 2*slots*each)
						for _, of := range []berth.TenantID{"a", "b"} {
							r.guarantee(ds[0], of, 2*slots*each, 0)
						}
						s := &lasting{rig: r, ds: ds, runs: time.Second, more: time.Second, each: each, size: map[berth.TenantID]int64{"a": 2, "b": 2}}
						fill := func(of berth.TenantID) {
							for range 20 {
								s.submit(of)
							}
						}
						second := map[berth.TenantID]berth.TenantID{"a": "b", "b": "a"}[first]
						fill(first)
						s.passes(5 * time.Second)
						fill(second)
						s.passes(40 * time.Second)
						held := s.passes(80 * time.Second)
						if held["a"] < float64(slots)-.5 || held["b"] < float64(slots)-.5 {
							t.Errorf("a holds %.2f of %d on average, b %.2f: a %s, b %s", held["a"], 2*slots, held["b"], r.record("a"), r.record("b"))
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// Groups of three tenants follow each other with as many daemons: what waits for its daemon's part of a loan that is there has no turn of another, which
// would come and go for ever.
func TestLoan_GroupsOfThreeRest(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, w := range []berth.WorkerID{"u", "v", "w", "x"} {
			r.lives(w)
		}
		ds, stop := r.several(3)
		var calls atomic.Int64
		r.conn.between(func(_ proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if calls.Add(1) > 50000 {
				panic("it does not come to rest")
			}
			return apply()
		})
		const each = 333
		r.guarantee(ds[0], "lender", 10*each, 10*each)
		s := &lasting{rig: r, ds: ds, runs: time.Second, more: time.Second, each: each, size: map[berth.TenantID]int64{"a": 2, "b": 2, "c": 2}}
		for of := range s.size {
			r.guarantee(ds[0], of, 10*each, 0)
		}
		for _, of := range []berth.TenantID{"a", "b", "c"} {
			for range 20 {
				s.submit(of)
			}
			s.passes(5 * time.Second)
		}
		s.passes(100 * time.Second)
		if held := s.passes(120 * time.Second); held["a"] < 2.3 || held["b"] < 2.3 || held["c"] < 2.3 {
			t.Errorf("they hold %v of 10 on average", held)
		}
		stop()
	})
}
