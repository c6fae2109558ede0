package daemon

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// A change is told to those who watch all requests or that one, and to nobody else,
// whoever came and went.
func TestWatchers(t *testing.T) {
	ids := []berth.RequestID{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		ws := newWatchers()
		var there []*watcher
		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				only := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 3, rapid.ID).Draw(t, "only")
				w := &watcher{dirty: make(map[berth.RequestID]struct{}), bell: make(chan struct{}, 1), only: only}
				ws.add(w)
				there = append(there, w)
			},
			"go": func(t *rapid.T) {
				if len(there) == 0 {
					return
				}
				i := rapid.IntRange(0, len(there)-1).Draw(t, "who")
				ws.remove(there[i])
				there = slices.Delete(there, i, i+1)
			},
			"change": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				ws.touched(id)
				for i, w := range there {
					var want []berth.RequestID
					if len(w.only) == 0 || slices.Contains(w.only, id) {
						want = append(want, id)
					}
					if got := w.take(); !slices.Equal(got, want) {
						t.Fatalf("watcher %d of %v was told %v of %s", i, w.only, got, id)
					}
				}
			},
			"": func(t *rapid.T) {
				if len(there) == 0 && len(ws.all)+len(ws.of) > 0 {
					t.Fatalf("all have gone, and %+v is kept", ws)
				}
			},
		})
	})
}
