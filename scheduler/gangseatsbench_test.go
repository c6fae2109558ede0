package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// BenchmarkPlaceGangApart places gangs that are apart from themselves on 10,000 workers in 400 racks on eight feeds, and takes
// them back; one would need 16 feeds, and another is more than is tried.
func BenchmarkPlaceGangApart(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
		over []string
		ok   bool
	}{
		{"host", 16, []string{berth.TopologyHost}, true},
		{"rack+host", 16, []string{"rack", berth.TopologyHost}, true},
		{"rack+feed", 8, []string{"rack", "feed"}, true},
		{"rack+feed-never", 16, []string{"rack", "feed"}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := scheduler.NewFleet()
			for i := range 10_000 {
				w := worker(fmt.Sprintf("w%d", i), 128, 128)
				w.Labels = map[string]string{"rack": fmt.Sprint(i / 25), "feed": fmt.Sprint(i % 8)}
				f.Put(w)
			}
			g := seatsGang(c.size, c.over...)
			for b.Loop() {
				d := f.PlaceGang(g)
				if (d.Verdict == nil) != c.ok {
					b.Fatalf("%+v", d.Verdict)
				}
				f.Undo(d)
			}
		})
	}
	b.Run("given-up", func(b *testing.B) {
		f := fleet(seatsGrid()...)
		g := seatsGang(29, "rack", "power", "zone")
		for b.Loop() {
			f.Undo(f.PlaceGang(g))
		}
	})
}
