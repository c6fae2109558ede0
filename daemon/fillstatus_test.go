package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// What is told of a life is what its records would tell.
func TestFill(t *testing.T) {
	filled := 0
	rapid.Check(t, func(t *rapid.T) {
		v := newView()
		for i := range rapid.IntRange(1, 30).Draw(t, "facts") {
			f := drawFact(t)
			f.Mod = berth.Revision(i + 1)
			v.apply(&f)
		}
		for id, x := range v.lives {
			if x.whole > 0 || x.spec == nil {
				continue
			}
			filled++
			var got, want Status
			x.fill(&got)
			if !v.fillStatus(id, &want) {
				t.Fatalf("nothing is told of the records of %+v", x)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("of %+v:\n%s", x, diff)
			}
			last := berth.Revision(0)
			for _, k := range []berth.Key{archiveKey(id), requestKey(id), stateKey(id), allocationKey("v", id), allocationKey("w", id)} {
				if v.has(k) {
					last = max(last, v.mod(k))
				}
			}
			if at := v.changed(id); at != last {
				t.Fatalf("changed at %d, want %d", at, last)
			}
		}
	})
	if filled == 0 {
		t.Error("no life was packed")
	}
}
