package rules

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// borrower is a tenant of which something always waits.
type borrower struct {
	most, own int64 // its limit, and what of it is guaranteed
	each      int64 // cores of its small ones
	many      int   // of these wait at least
	from      int   // the first step in which they do
}

// lent is how much one tenant, of which nothing waits, lends to all borrowers.
const lent = 300

func drawBorrower(t *rapid.T) borrower {
	b := borrower{own: rapid.SampledFrom([]int64{0, 0, 50, 100}).Draw(t, "own"), many: rapid.SampledFrom([]int{0, 1, 2, 2}).Draw(t, "many"), from: rapid.IntRange(0, 20).Draw(t, "from")}
	b.most = rapid.Int64Range(max(b.own, 100), 500).Draw(t, "most")
	b.each = rapid.Int64Range(20, min(b.reach(), 150)).Draw(t, "each")
	return b
}

// reach is the most that one of it may ask for to be placed by a loan, whatever the others use.
func (b *borrower) reach() int64 { return min(b.most, b.own+lent) }

// loanStream is what happens.
type loanStream struct {
	daemons   int
	borrowers []borrower
	large     []largeOne // each of the borrower of its number, by turns
	every     time.Duration
	restart   int
}

func drawLoanStream(t *rapid.T) loanStream {
	s := loanStream{
		daemons: rapid.IntRange(1, 3).Draw(t, "daemons"), borrowers: rapid.SliceOfN(rapid.Custom(drawBorrower), 2, 3).Draw(t, "borrowers"),
		every: rapid.SampledFrom([]time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second, 12 * time.Second}).Draw(t, "every"), restart: rapid.IntRange(0, 120).Draw(t, "restart"),
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "many") {
		b := &s.borrowers[i%len(s.borrowers)]
		s.large = append(s.large, largeOne{
			members: rapid.SampledFrom([]int64{0, 2, 3}).Draw(t, "members"), cores: rapid.Int64Range(60, b.reach()).Draw(t, "cores"),
			priority: rapid.SampledFrom([]int32{0, 0, 1}).Draw(t, "priority"), at: rapid.IntRange(0, 40).Draw(t, "at"),
		})
	}
	return s
}

// Whatever small ones of tenants that borrow follow each other without a break, and whatever they ask for beside in one
// piece: everything starts within a bound that what another has idle is enough for. The invariants hold at every revision.
func TestLoan_StreamsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawLoanStream(rt)
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = s.model(t) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// What the model has found.
func TestLoan_StreamsFound(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   loanStream
	}{
		// What was borrowed for a group went to small ones behind it, for a lender wanted its part back at the same moment.
		{"lender wants its part back", loanStream{
			daemons: 1, every: time.Second, restart: 17,
			borrowers: []borrower{{most: 388, each: 22, many: 2, from: 6}, {most: 153, own: 50, each: 83, many: 1, from: 17}},
			large:     []largeOne{{3, 70, 1, 14}, {2, 137, 0, 17}, {2, 300, 1, 27}, {0, 63, 0, 26}},
		}},
		// Each small one waits for a while, and is placed by an end of its own tenant's: so that had the first turn for ever.
		{"slow ones are served by their own", loanStream{
			daemons: 1, every: 12 * time.Second, restart: 42,
			borrowers: []borrower{{most: 100, own: 50, each: 25, from: 7}, {most: 218, each: 104, many: 2, from: 1}, {most: 298, each: 88, many: 2, from: 1}},
			large:     []largeOne{{0, 77, 1, 14}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if wrong := tt.of.model(t); wrong != "" {
					t.Error(wrong)
				}
			})
		})
	}
}

func (s *loanStream) tenant(i int) berth.TenantID {
	return berth.TenantID("b" + fmt.Sprint(i%len(s.borrowers)))
}

// model does all of it, and says what is wrong then.
func (s *loanStream) model(t *testing.T) (wrong string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := newModelled(ctx, t)
	defer m.expire(cancel)
	checked := m.checkedInto(&wrong)
	workers := m.smallOnes(nil, 0)
	for i := range s.daemons {
		m.ds, m.stops = append(m.ds, nil), append(m.stops, nil)
		m.begin(i)
	}
	m.guarantee(m.ds[0], "a", lent, lent)
	var crowds []*smallOnes
	for i, b := range s.borrowers {
		m.guarantee(m.ds[0], s.tenant(i), b.most, b.own)
		crowds = append(crowds, &smallOnes{rig: m.rig, ds: m.ds, each: b.each, of: s.tenant(i)})
	}
	// Each waits for its turn among the others, and lets others go first meanwhile; of what runs of each tenant one ends in each step.
	most := 80 + (len(s.large)+len(s.borrowers))*(int(4*time.Minute/s.every)+40)
	since, waits := make(map[string]int), make(map[int]int)
	for step := 0; step < 80 || len(waits) > 0 && wrong == ""; step++ {
		if step == s.restart {
			m.stops[0]()
			m.begin(0)
		}
		for i, l := range s.large {
			if l.at == step {
				s.comes(m, i)
				waits[i] = step
			}
		}
		m.passes(s.every)
		for i, b := range s.borrowers {
			c := crowds[i]
			if c.endOne(); step >= b.from {
				c.more(max(b.many-len(c.ids)+c.placed(), 0))
			}
			for _, id := range c.ids {
				if m.located(id) > 0 {
					delete(since, id)
				} else if was, known := since[id]; !known {
					since[id] = step
				} else if step-was > most {
					wrong = fmt.Sprintf("%s waits after %d steps of %v: %+v: %s", id, step-was, s.every, *s, m.dump())
				}
			}
		}
		for i, at := range waits {
			if m.arrived(i, s.large[i]) {
				delete(waits, i)
			} else if step-at > most {
				wrong = fmt.Sprintf("large%d waits after %d steps of %v: %+v: %s", i, step-at, s.every, *s, m.dump())
			}
		}
	}
	for _, stop := range m.stops {
		stop()
	}
	workers.stop()
	checked()
	return wrong
}

func (s *loanStream) comes(m *modelled, i int) {
	l := s.large[i]
	m.run(m.ds[i%len(m.ds)], fmt.Sprint("large", i), func(q *berth.Request) {
		some(s.tenant(i), l.cores)(q)
		if q.Priority = l.priority; l.members > 0 {
			q.Resources.CPUMilli = l.cores / l.members
			q.Group = &berth.Membership{Size: l.members, MinCount: l.members}
			*q = q.Normalize()
		}
	})
}
