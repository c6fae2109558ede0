package daemon

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

func membersOf(n int) []berth.DaemonID {
	ids := make([]berth.DaemonID, n)
	for i := range ids {
		ids[i] = berth.DaemonID(fmt.Sprintf("d%d", i))
	}
	return ids
}

// All members agree on who owns what, whatever they call themselves; and when one
// goes, only what it owned moves.
func TestShare_OnlyTheGonesMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := membersOf(rapid.IntRange(2, 16).Draw(t, "members"))
		gone := rapid.SampledFrom(ids).Draw(t, "gone")
		var left []berth.DaemonID
		for _, id := range ids {
			if id != gone {
				left = append(left, id)
			}
		}
		before, after := newShare(ids[0]), newShare(left[0])
		before.setAwake(ids)
		after.setAwake(left)
		for i := range 200 {
			w := berth.WorkerID(fmt.Sprintf("w%d", i))
			was, is := before.ofWorker(w), after.ofWorker(w)
			if was != gone && is != was {
				t.Fatalf("%s moved from %s to %s when %s went", w, was, is, gone)
			}
			if is == gone {
				t.Fatalf("%s is still owned by %s", w, gone)
			}
		}
	})
}

// No member has more than twice its part of many things.
func TestShare_Even(t *testing.T) {
	for _, n := range []int{2, 3, 5, 16} {
		s := newShare("d0")
		s.setAwake(membersOf(n))
		count := make(map[berth.DaemonID]int)
		const things = 10_000
		for i := range things {
			count[s.ofTask(fmt.Sprintf("request-%d", i))]++
		}
		for id, c := range count {
			if c > things/n*5/4 || c < things/n*3/4 {
				t.Errorf("of %d members, %s owns %d of %d", n, id, c, things)
			}
		}
	}
}

// Requests belong to those who own a worker of their pool, as workers come and go,
// and to anybody while there is none.
func TestShare_Planners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShare("d0")
		s.setAwake(membersOf(8))
		live := make(map[berth.WorkerID]berth.PoolID)
		request := func(i int) *berth.Request {
			return &berth.Request{ID: berth.RequestID(fmt.Sprintf("r%d", i)), Pool: "a"}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				w := berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 9).Draw(t, "worker")))
				p := rapid.SampledFrom([]berth.PoolID{"a", "b"}).Draw(t, "pool")
				s.put(w, p)
				live[w] = p
			},
			"remove": func(t *rapid.T) {
				w := berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, 9).Draw(t, "worker")))
				s.remove(w)
				delete(live, w)
			},
			"members": func(t *rapid.T) { s.setAwake(membersOf(rapid.IntRange(1, 8).Draw(t, "members"))) },
			"": func(t *rapid.T) {
				have := make(map[berth.DaemonID]bool)
				for w, p := range live {
					if p == "a" {
						have[s.ofWorker(w)] = true
					}
				}
				for i := range 20 {
					if owner := s.ofRequest(request(i), ""); len(have) > 0 && !have[owner] {
						t.Fatalf("%s plans for a pool of which it owns no worker", owner)
					}
				}
				left := rapid.SampledFrom(membersOf(8)).Draw(t, "left to")
				want := s.ofRequest(request(0), "")
				if have[left] {
					want = left
				}
				if owner := s.ofRequest(request(0), left); owner != want {
					t.Fatalf("what was left to %s is planned by %s, want %s; owners of workers: %v", left, owner, want, have)
				}
			},
		})
	})
}

// Equal affinity keys meet one daemon, and so its workers.
func TestShare_AffinityKey(t *testing.T) {
	s := newShare("d0")
	s.setAwake(membersOf(5))
	first := s.ofRequest(&berth.Request{ID: "r0", AffinityKey: "model"}, "")
	for i := range 20 {
		r := &berth.Request{ID: berth.RequestID(fmt.Sprintf("r%d", i)), AffinityKey: "model"}
		if owner := s.ofRequest(r, ""); owner != first {
			t.Errorf("%s is owned by %s, r0 by %s", r.ID, owner, first)
		}
	}
}

// An owner is asked for at every look: it must cost no memory.
func TestShare_NoAllocations(t *testing.T) {
	s := newShare("d0")
	s.setAwake(membersOf(16))
	r := &berth.Request{ID: "some-request-of-usual-length", Pool: "default"}
	if n := testing.AllocsPerRun(100, func() { s.ofRequest(r, "d15") }); n > 0 {
		t.Errorf("%v allocations for one owner", n)
	}
}

func BenchmarkShare(b *testing.B) {
	s := newShare("d0")
	s.setAwake(membersOf(16))
	r := &berth.Request{ID: "some-request-of-usual-length", Pool: "default"}
	for b.Loop() {
		s.ofRequest(r, "")
	}
}
