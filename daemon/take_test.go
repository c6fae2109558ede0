package daemon

import (
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// What an answer has told of a revision is not taken again when the watch tells it, and
// the view is the same as if it were: whatever else is told between, and whether the
// watch comes first.
func TestTakeNews(t *testing.T) {
	outer := t
	skipped := 0
	rapid.Check(t, func(t *rapid.T) {
		loops := [2]*loop{loopWith(outer), loopWith(outer)} // the second takes everything
		rev, passed := berth.Revision(1000), berth.Revision(1000)
		type change struct {
			rev      berth.Revision
			facts    []berth.Fact
			answered bool
		}
		var coming []change // not told by the watch yet
		for _, l := range loops {
			l.take(etcdstore.Delta{Revision: passed})
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				rev++
				c := change{rev: rev}
				of := make(map[berth.Key]bool)
				for range rapid.IntRange(1, 4).Draw(t, "facts") {
					if f := drawFact(t); !of[f.Key] && f.Key.Kind != berth.KindArchive {
						of[f.Key] = true
						f.Mod = rev
						c.facts = append(c.facts, f)
					}
				}
				coming = append(coming, c)
			},
			"answer": func(t *rapid.T) {
				if len(coming) == 0 {
					return
				}
				c := &coming[rapid.IntRange(0, len(coming)-1).Draw(t, "which")]
				if c.answered {
					return
				}
				c.answered = true
				for i, l := range loops {
					f := l.flights.take(newBuilder(l, l.now()), l.now())
					l.answered(answer{f, etcdstore.Result{Revision: c.rev, Facts: c.facts, Whole: i == 0}, nil})
				}
			},
			"watch": func(t *rapid.T) {
				n := rapid.IntRange(0, len(coming)).Draw(t, "revisions")
				delta := etcdstore.Delta{Revision: passed}
				for _, c := range coming[:n] {
					delta.Facts, delta.Revision = append(delta.Facts, c.facts...), c.rev
					if loops[0].answers.told(c.rev) {
						skipped++
					}
				}
				coming, passed = coming[n:], delta.Revision
				for _, l := range loops {
					l.take(delta)
				}
			},
			"": func(t *rapid.T) {
				a, b := loops[0].view, loops[1].view
				if !maps.Equal(b.tombstones, a.tombstones) {
					t.Fatalf("tombstones are %v, want %v", a.tombstones, b.tombstones)
				}
				for id := range b.lives {
					for _, k := range []berth.Key{requestKey(id), stateKey(id), allocationKey("v", id), allocationKey("w", id)} {
						if want, got := b.fact(k), a.fact(k); !reflect.DeepEqual(want, got) {
							t.Fatalf("%v is %+v, want %+v", k, got, want)
						}
					}
				}
				if len(a.lives) != len(b.lives) || len(loops[0].answers) > len(coming) {
					t.Fatalf("%d lives, want %d; %v are kept of %d", len(a.lives), len(b.lives), loops[0].answers, len(coming))
				}
			},
		})
	})
	if skipped == 0 {
		t.Error("everything was taken twice")
	}
}
