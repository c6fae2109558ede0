package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

func gangAsking(id string, seq berth.Revision, like string) *gang {
	r := berth.Request{ID: berth.RequestID(id + ".0")}.Normalize()
	return &gang{id: berth.GroupID(id), pool: r.Pool, seq: seq, size: 4, request: &r, like: like}
}

// Where one does not fit, equal ones are not tried; and none before workers have given
// room for as many members as were lacking.
func TestGangs_EqualOnesWaitTogether(t *testing.T) {
	s, now, room := newGangs(), time.Unix(1000, 0), 0
	for i, id := range []string{"a", "b", "c"} {
		s.put(gangAsking(id, berth.Revision(i), "x"))
	}
	s.put(gangAsking("d", 9, "y"))
	want := func(id berth.GroupID, now time.Time) {
		t.Helper()
		if g := nextOf(s, now); g == nil && id != "" || g != nil && g.id != id {
			t.Errorf("next is %+v, want %q", g, id)
		}
	}
	want("a", now)
	s.block(s.of["a"], &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonGroup, Want: 4, Best: 1, Total: 4}}}, now)
	want("d", now)
	s.block(s.of["d"], &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonGroup, Want: 4, Best: 0, Total: 4}}}, now)
	want("", now.Add(time.Hour))
	wake := func(w berth.WorkerID, n int) {
		room = n
		s.wake(berth.DefaultPool, w, func(*berth.Request, berth.WorkerID) int { return room })
	}
	wake("w", 2)
	wake("w", 2)
	want("", now.Add(time.Hour)) // three are lacking
	wake("v", 1)
	want("", now) // just tried
	want("a", now.Add(time.Second))
	s.remove("a")
	want("b", now.Add(time.Second))
	wake("w", 3)
	s.remove("b")
	s.remove("c")
	want("d", now.Add(time.Second))
}

// group tells of a group whose members wait.
func (s *stage) group(id string, size, cpu int64) {
	r := berth.Request{
		ID: berth.RequestID(id), Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}}, Group: &berth.Membership{Size: size},
	}.Normalize()
	for _, m := range r.Members() {
		s.tell(requestKey(m.ID), &berth.Submission{Spec: m})
	}
	s.tell(groupKey(r.Group.ID), &berth.Group{Size: size, MinCount: size, Attempt: 1, State: berth.GroupPending})
	s.take(etcdstore.Delta{Revision: s.rev})
}

// Of groups that are equal one is tried; of others so many that calls are heard between.
func TestGangs_Tries(t *testing.T) {
	for _, tt := range []struct {
		name     string
		classes  int64
		min, max int64 // members tried in one round
	}{
		{"equal", 1, 12, 12},
		{"all different", 900, spendMost, spendMost + 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, 1000)
			s.tell(daemonKey("other"), nil)
			for i := range int64(300) {
				s.group(fmt.Sprintf("g%d", i), 12, 1000-i%tt.classes)
			}
			s.gangs.spent = 0
			if p := s.step(); !p.Empty() {
				t.Fatalf("placed %d members", len(p.Places))
			}
			if n := s.gangs.spent; n < tt.min || n > tt.max {
				t.Errorf("tried %d members in one round, want %d to %d", n, tt.min, tt.max)
			}
			for rounds := 0; s.gangs.anyOpen() && rounds < 10; rounds++ {
				s.gangs.spent = 0
				s.step()
			}
			if s.gangs.anyOpen() {
				t.Error("some were not tried after ten rounds")
			}
		})
	}
}

// nextOf is the first that is to be tried, where all turns are equal.
func nextOf(s *gangs, now time.Time) *gang {
	return s.first(func(c *gangClass) bool { return c.open() && !now.Before(c.tryAt) })
}

// groupWaits puts a group into those that wait, whether it is there or not.
func (s *stage) groupWaits(id string, seq berth.Revision, size, cpu int64) {
	r := berth.Request{
		ID: berth.RequestID(id), Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: cpu}}, Group: &berth.Membership{Size: size, MinCount: size},
	}.Normalize()
	g := &gang{id: berth.GroupID(id), pool: r.Pool, seq: seq, size: size, need: size, request: &r}
	g.like = s.gangLike(g)
	s.gangs.put(g)
}

// Where the first of equal groups is not there any more, the next of them is tried before those behind it.
func TestGangs_TriesEqualInTurn(t *testing.T) {
	s := newStage(t, 1000)
	s.tell(daemonKey("other"), nil)
	s.group("next", 12, 500)
	s.group("behind", 12, 499)
	s.groupWaits("gone", 1, 12, 500)
	s.groupWaits("next", 2, 12, 500)
	s.groupWaits("behind", 3, 12, 499)
	s.gangs.turn = true
	if p := s.step(); len(p.Groups) != 1 || p.Groups[0].ID != "next" {
		t.Errorf("placed %+v", p.Groups)
	}
}

// One place among very many groups that are different: those of a round are tried for it.
func BenchmarkGangs_Tries(b *testing.B) {
	for _, classes := range []int64{100, 1000, 5000} {
		b.Run(fmt.Sprint("classes=", classes), func(b *testing.B) {
			s := newStage(b, 1000)
			s.tell(daemonKey("other"), nil)
			for i := range classes {
				s.group(fmt.Sprintf("g%d", i), 1, 1001+i)
			}
			s.step()
			for b.Loop() {
				for _, c := range s.gangs.classes {
					c.wake()
					c.tryAt = s.clock
				}
				s.gangs.spent, s.gangs.turn = 0, true
				s.step()
			}
		})
	}
}
