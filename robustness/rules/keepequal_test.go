package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

func (k *keptStreams) plays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if wrong := k.play(t); wrong != "" {
			t.Error(wrong)
		}
	})
}

// Whenever the two small ones on a kept worker had ended, together, a group left that to a small one of another tenant that holds as much; and beside that
// one of its own tenant's, younger than the group, had the rest.
func TestKeep_FitsBesideEqualTenant(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		for _, lasts := range []int{5, 20, 39} {
			t.Run(fmt.Sprint(workers, " ", lasts), func(t *testing.T) {
				k := keptStreams{
					Daemons: 1, Workers: workers, Lasts: []int{lasts}, Of: []string{"b", "z"}, Small: 500, Restart: -1,
					Groups: []keptGroup{{Size: 1, At: 1, Runs: 1, Of: "b", Milli: 1000}},
				}
				k.plays(t)
			})
		}
	}
}

// Two tenants' small ones hold as much as each other, and one more or less at each moment; and one's never cease, though they are fewer. Each time that one was kept off,
// what was kept for a group was given up, before it had come together.
func TestKeep_BesideEqualStreams(t *testing.T) {
	two := keptGroup{Size: 2, At: 15, Runs: 2, Of: "b", Milli: 1000}
	first := keptGroup{Size: 2, Runs: 47, Of: "b", Priority: 9, Milli: 1000}
	one := keptGroup{Size: 1, Runs: 2, Of: "b", Milli: 1000}
	for i, k := range []keptStreams{
		{Workers: 7, Services: 1, Lasts: []int{8, 1, 25}, Of: []string{"b", "a"}, Groups: []keptGroup{two}},
		{Workers: 7, Services: 1, Lasts: []int{8, 1, 25}, Of: []string{"b", "a"}, Groups: []keptGroup{first, two}},
		{Workers: 3, Lasts: []int{7}, Of: []string{"z", "b", "b"}, Groups: []keptGroup{one}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			k.Daemons, k.Small, k.Restart = 1, 200, -1
			k.plays(t)
		})
	}
}

// Another tenant has less than the group's for good, for its small ones are fewer, and each waits for a moment, or for twenty seconds: what was kept for the group
// was given up whenever its places had come together, for there was always one that waited.
func TestKeep_BesideStreamOfWhoHasLess(t *testing.T) {
	one := keptGroup{Size: 1, At: 38, Runs: 10, Of: "a", Priority: 5, Milli: 1000}
	two := keptGroup{Size: 2, At: 60, Runs: 3, Of: "a", Milli: 1000}
	for _, k := range []keptStreams{
		{Workers: 3, Small: 200, Lasts: []int{1}, Groups: []keptGroup{one, two}},
		{Workers: 7, Services: 1, Small: 500, Lasts: []int{21}, Groups: []keptGroup{{Size: 2, At: 1, Runs: 2, Of: "a", Priority: 9, Milli: 1000}}},
	} {
		t.Run(fmt.Sprint(k.Lasts), func(t *testing.T) {
			k.Daemons, k.Of, k.Restart = 1, []string{"a", "a", "b"}, -1
			k.plays(t)
		})
	}
}

// A group that has let others go first once lets those do so again that have less, and have waited for a while; and those of its own tenant's with a higher
// priority at once.
func TestKeep_AgainForWhoHasLess(t *testing.T) {
	for _, tt := range []struct {
		of       berth.TenantID
		priority int32
		within   time.Duration
	}{{"less", 0, 13 * time.Second}, {"default", 9, 3 * time.Second}} {
		t.Run(string(tt.of), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				r.lives("v")
				r.run(d, "there", sized(1000, 0))
				r.runs("v", "there")
				_, err := d.SetIntent(r.t.Context(), "v", daemon.Wish{Cordon: true})
				r.ok(err)
				r.lives("w")
				r.run(d, "before", sized(1000, 0))
				r.runs("w", "before")
				r.submitGroup(d, r.whole("g", 1))
				r.passes(3 * time.Second)
				r.run(d, "one", func(q *berth.Request) {
					sizedOf("less", 200, 0)(q)
					q.RunLimitMS = 3_600_000
				})
				r.passes(2 * time.Second)
				r.exits("w", "before")
				r.passes(time.Second)
				r.runs("w", "one")
				r.passes(15 * time.Second)
				if r.located("one") != 1 || r.kept() != "g w" {
					t.Fatalf("held %v, kept %q", r.held(), r.kept())
				}
				r.run(d, "again", sizedOf(tt.of, 200, tt.priority))
				r.passes(tt.within)
				if r.located("again") != 1 {
					t.Errorf("held %v, kept %q", r.held(), r.kept())
				}
			})
		})
	}
}
