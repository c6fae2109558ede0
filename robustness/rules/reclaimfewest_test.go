package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Of several who have borrowed of a lender the fewest end that suffice, whoever they are; where as few suffice of those of whom it is wanted back
// already, these. No borrower has less than its own then.
func TestReclaim_FewestOfSeveral(t *testing.T) {
	for _, tt := range []struct {
		name  string
		has   string           // tenant and milli, one after the other
		own   map[string]int64 // guaranteed
		wants int64
		ends  string
	}{
		{name: "one of either", has: "b2000 c2000", wants: 2000, ends: "b2000-0"},
		{name: "a large one of the second", has: "b1000 c3000", wants: 2000, ends: "c3000-1"},
		{name: "which came first", has: "c3000 b1000", wants: 2000, ends: "c3000-0"},
		{name: "all of it", has: "b1000 c3000", wants: 3000, ends: "c3000-1"},
		{name: "both are needed", has: "b1000 c3000", wants: 4000, ends: "b1000-0 c3000-1"},
		{name: "a large one of the first", has: "b3000 c1000", wants: 2000, ends: "b3000-0"},
		{name: "one of the last for three", has: "b1000 c1000 d1000 e3000", wants: 3000, ends: "e3000-3"},
		{name: "two for three", has: "b1000 c1000 d1000 e2000", wants: 3000, ends: "d1000-2 e2000-3"},
		{name: "it has more than it has borrowed", has: "b1000 c1000 d3000", own: map[string]int64{"d": 2000}, wants: 2000, ends: "b1000-0 c1000-1"},
		{name: "some of it is its own", has: "b1000 c1000 d3000", own: map[string]int64{"d": 1000}, wants: 2000, ends: "d3000-2"},
	} {
		bubbleSub(t, tt.name, func(r *rig) {
			s := r.seen()
			ds, stop := r.several(1)
			defer stop()
			defer s.livesOf("w", 64000, 64<<30)()
			s.works(time.Second, nil)
			all := strings.Fields(tt.has)
			sum, own := int64(0), int64(0)
			for i, one := range all {
				sum += milliOf(one)
				if n := tt.own[one[:1]]; !slices.ContainsFunc(all[:i], func(o string) bool { return o[0] == one[0] }) {
					own += n
				}
			}
			s.reclaimsAfter(ds[0], "a", sum, sum-own, time.Second)
			for _, one := range all {
				s.guarantee(ds[0], berth.TenantID(one[:1]), sum, tt.own[one[:1]])
			}
			for i, one := range all {
				s.asks(ds[0], s.wants(fmt.Sprint(one, "-", i), berth.TenantID(one[:1]), milliOf(one), 0))
				s.works(time.Second, nil)
			}
			if there, _ := s.snapshot(); len(there) != len(all) {
				r.t.Fatalf("not all are placed: %s", s.where())
			}
			s.asks(ds[0], s.wants("m", "a", tt.wants, 0))
			s.works(20*time.Second, nil)
			_, told := s.snapshot()
			var ends []string
			for _, id := range slices.Sorted(maps.Keys(told)) {
				ends = append(ends, id)
				if told[id] > 1 {
					r.t.Errorf("%s ends %d times", id, told[id])
				}
			}
			if got := strings.Join(ends, " "); got != tt.ends || !s.has("m", 0) || s.faulty() != "" {
				r.t.Errorf("%q end, want %q: %s; %s", got, tt.ends, s.where(), s.faulty())
			}
		})
	}
}

// milliOf is what stands behind the first letter.
func milliOf(one string) (n int64) {
	_, _ = fmt.Sscan(one[1:], &n)
	return n
}
