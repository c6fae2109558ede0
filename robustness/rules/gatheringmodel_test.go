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

// largeOne asks for much of its tenant's quota in one piece.
type largeOne struct {
	members  int64 // 0: it is no group
	cores    int64 // of all
	priority int32
	at       int // the step in which it comes
}

func drawLarge(t *rapid.T) largeOne {
	return largeOne{
		members: rapid.SampledFrom([]int64{0, 2, 3, 4}).Draw(t, "members"), cores: rapid.Int64Range(110, 400).Draw(t, "cores"),
		priority: rapid.SampledFrom([]int32{0, 0, 1}).Draw(t, "priority"), at: rapid.IntRange(0, 40).Draw(t, "at"),
	}
}

// crowd is what happens beside the large ones.
type crowd struct {
	daemons int
	each    []int64 // cores of the small ones, by turns
	every   time.Duration
	restart int   // the step in which the first daemon does
	own     int64 // of the limit, guaranteed; what is not is lent by another tenant. 0: all is its own
}

func drawCrowd(t *rapid.T) crowd {
	return crowd{
		daemons: rapid.IntRange(1, 3).Draw(t, "daemons"), each: rapid.SliceOfN(rapid.Int64Range(20, 100), 1, 3).Draw(t, "each"),
		every: rapid.SampledFrom([]time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second}).Draw(t, "every"), restart: rapid.IntRange(0, 120).Draw(t, "restart"),
	}
}

// Whatever asks for in one piece, however large, of a quota that has room for it, is placed when what is used has ended a few times,
// whatever small requests of its tenant wait with whichever daemon. The invariants hold at every revision.
func TestGathering_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, large := drawCrowd(rt), rapid.SliceOfN(rapid.Custom(drawLarge), 1, 3).Draw(rt, "large")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = gatheringModel(t, c, large) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// The same where a part of the quota alone is guaranteed, and the rest can be borrowed of another tenant's, as small requests do.
func TestGathering_LoansModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, large := drawCrowd(rt), rapid.SliceOfN(rapid.Custom(drawLarge), 1, 3).Draw(rt, "large")
		c.own = rapid.Int64Range(1, 390).Draw(rt, "own")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = gatheringModel(t, c, large) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// Whenever there is enough for a group, a small request of the same daemon is faster. Quota is gathered for the group all the
// same when it has waited for long: to be tried in vain is no end of its wait. The model found it.
func TestGathering_OthersAreFaster(t *testing.T) {
	c := crowd{daemons: 3, each: []int64{67}, every: 3 * time.Second, restart: -1}
	synctest.Test(t, func(t *testing.T) {
		if wrong := gatheringModel(t, c, []largeOne{{members: 3, cores: 115, at: 39}}); wrong != "" {
			t.Error(wrong)
		}
	})
}

// gatheringModel does all of it, and says what is wrong then.
func gatheringModel(t *testing.T, c crowd, large []largeOne) (wrong string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := newModelled(ctx, t)
	defer m.expire(cancel)
	checked := m.checkedInto(&wrong)
	s := m.smallOnes(nil, 0)
	for i := range c.daemons {
		m.ds, m.stops = append(m.ds, nil), append(m.stops, nil)
		m.begin(i)
	}
	s.ds = m.ds
	if c.own == 0 {
		m.limit(m.ds[0], "a", 400)
	} else {
		m.guarantee(m.ds[0], "a", 400, c.own)
		m.guarantee(m.ds[0], "b", 400, 400-c.own)
	}
	waits := make(map[int]bool)
	for step := 0; step < 60 || len(waits) > 0; step++ {
		for i, l := range large {
			if l.at == step {
				m.comes(i, l)
				waits[i] = true
			}
		}
		if step == c.restart {
			m.stops[0]()
			m.begin(0)
		}
		s.each = c.each[step%len(c.each)]
		s.more(1 + step/len(large)%2)
		s.step(c.every)
		for i := range waits {
			if m.arrived(i, large[i]) {
				delete(waits, i)
			}
		}
		// Three wait for a while, each of which may have to let the others go first; and of what runs one ends in each step.
		if most := 60 + len(large)*(int(4*time.Minute/c.every)+40); step > most {
			wrong = fmt.Sprintf("%v of %v wait after %d steps of %v: %s", waits, large, step, c.every, m.dump())
			break
		}
	}
	for _, stop := range m.stops {
		stop()
	}
	s.stop()
	checked()
	return wrong
}

func (m *modelled) comes(i int, l largeOne) {
	m.run(m.ds[i%len(m.ds)], fmt.Sprint("large", i), func(q *berth.Request) {
		some("a", l.cores)(q)
		if q.Priority = l.priority; l.members > 0 {
			q.Resources.CPUMilli = l.cores / l.members
			q.Group = &berth.Membership{Size: l.members, MinCount: l.members}
			*q = q.Normalize()
		}
	})
}

// arrived says whether a large one is placed, and has it end then.
func (m *modelled) arrived(i int, l largeOne) bool {
	ids := []string{fmt.Sprint("large", i)}
	if l.members > 0 {
		ids = nil
		for n := range l.members {
			ids = append(ids, fmt.Sprintf("large%d.%d", i, n))
		}
	}
	if m.located(ids...) < len(ids) {
		return false
	}
	for _, id := range ids {
		m.rig.ends(m.whereIs(id), id)
	}
	return true
}
