package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// A timer of a start fires at its moment if the allocation is still as it was, and
// otherwise not at all; those that are thrown out early are of none that stands.
func TestStartTimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var timers startTimers
		now, mod := time.Unix(1000, 0), berth.Revision(0)
		var lives []*life
		want := make(map[berth.Key]time.Time)
		keyOf := func(x *life) berth.Key { return allocationKey(x.worker.Value(), x.id) }
		pack := func(t *rapid.T, x *life) {
			mod++
			f := berth.Fact{Key: allocationKey("w", x.id), Mod: mod}
			x.forgetAllocation()
			if !x.packAllocation(&f, &berth.Allocation{State: berth.StatePlaced}) {
				t.Fatal("not packed")
			}
			delete(want, f.Key)
		}
		some := func(t *rapid.T) *life { return rapid.SampledFrom(lives).Draw(t, "of") }
		t.Repeat(map[string]func(*rapid.T){
			"place": func(t *rapid.T) {
				x := &life{id: berth.RequestID(fmt.Sprintf("r%03d", len(lives)))}
				lives = append(lives, x)
				pack(t, x)
			},
			"set": func(t *rapid.T) {
				if len(lives) == 0 {
					return
				}
				x := some(t)
				at := now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "s")) * time.Second)
				if _, there := want[keyOf(x)]; !there {
					want[keyOf(x)] = at
				}
				timers.set(x, at)
			},
			"change": func(t *rapid.T) {
				if len(lives) > 0 {
					pack(t, some(t))
				}
			},
			"prune": func(*rapid.T) { timers.prune() },
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "s")) * time.Second)
				var fired, expected []berth.Key
				timers.due(now, func(k berth.Key) { fired = append(fired, k) })
				for k, at := range want {
					if !at.After(now) {
						expected = append(expected, k)
						delete(want, k)
					}
				}
				slices.SortFunc(fired, compareKeys)
				slices.SortFunc(expected, compareKeys)
				if !slices.Equal(fired, expected) {
					t.Fatalf("fired %v, want %v", fired, expected)
				}
			},
			"": func(t *rapid.T) {
				var first time.Time
				for _, at := range want {
					if first.IsZero() || at.Before(first) {
						first = at
					}
				}
				if next := timers.next(); !next.Equal(first) {
					t.Fatalf("the next is %v, want %v", next, first)
				}
			},
		})
	})
}

// What has gone on is not kept until its time is up.
func TestStartTimers_Pruned(t *testing.T) {
	var timers startTimers
	at := time.Unix(1000, 0)
	for i := range 10 * prunedLeast {
		x := &life{mod: berth.Revision(i + 1)}
		timers.set(x, at.Add(time.Hour))
		x.forgetAllocation()
	}
	if n := len(timers.heap); n > 2*prunedLeast {
		t.Errorf("%d timers are kept, and none stands", n)
	}
}
