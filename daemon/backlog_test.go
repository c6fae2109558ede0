package daemon

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes, is popped and put back: the order is that of a plain list.
func TestSubmissions_Order(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSubmissions()
		var want, popped []*submission
		some := func(n int) (out []*submission) {
			for range n {
				out = append(out, &submission{})
			}
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for _, one := range some(rapid.IntRange(1, 5).Draw(t, "n")) {
					s.add(one)
					want = append(want, one)
				}
			},
			"pop": func(t *rapid.T) {
				for range rapid.IntRange(0, len(want)).Draw(t, "n") {
					popped = append(popped, s.pop())
					if popped[len(popped)-1] != want[0] {
						t.Fatal("not the first was popped")
					}
					want = want[1:]
				}
			},
			"put back": func(*rapid.T) {
				s.putBack(popped)
				want, popped = append(slices.Clone(popped), want...), nil
			},
			"put others": func(t *rapid.T) { // that were left to other daemons
				others := some(rapid.IntRange(0, 5).Draw(t, "n"))
				s.putBack(others)
				want = append(others, want...)
			},
			"": func(t *rapid.T) {
				if s.len() != len(want) || !slices.Equal(s.order[s.gone:], want) {
					t.Fatalf("%d of %d wait, or in another order", s.len(), len(want))
				}
			},
		})
	})
}

// A plan that is made again and again before a large backlog does not copy that.
func TestSubmissions_PutBackCopiesNoBacklog(t *testing.T) {
	s := newSubmissions()
	for range 10_000 {
		s.add(&submission{})
	}
	var plan []*submission
	if n := testing.AllocsPerRun(100, func() {
		plan = plan[:0]
		for range 50 {
			plan = append(plan, s.pop())
		}
		s.putBack(plan)
	}); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}
