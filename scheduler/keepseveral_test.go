package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What is kept for several groups is to others as what is kept for one: all of it, until the first could have its own. Each of them sees what is kept
// for the others alone; and the fleet is as before when what they took is taken back.
func TestKeep_ForSeveral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genKeep(t)
		k := &berth.Keep{Group: "g"}
		for _, id := range c.ids {
			if share := c.kept[id]; share != nil {
				k.Workers = append(k.Workers, berth.KeptWorker{Worker: id, Share: *share})
			}
		}
		if c.by > 0 {
			k.By = time.Unix(c.by, 0)
		}
		for _, g := range []berth.GroupID{"b", "c"}[:rapid.IntRange(1, 2).Draw(t, "beside")] {
			kept := genKept(t, c)
			one := berth.KeptBeside{Group: g, Workers: kept.Workers}
			if kept.Within > 0 {
				one.By = time.Unix(keepClock+kept.Within/1000, 0)
			}
			k.Beside = append(k.Beside, one)
		}
		short := genRequest(t, "short")
		short.RunLimitMS = rapid.Int64Range(1, 60_000).Draw(t, "limit")
		probes := []*berth.Request{genRequest(t, "probe"), short}
		decide := func(k *berth.Keep, of berth.GroupID) (placed []scheduler.Decision) {
			c.f.Keep(berth.DefaultPool, k)
			if of == "" {
				for _, r := range probes {
					was := c.before()
					d := c.f.Place(ask(r))
					d.Verdict = nil // it names a group
					placed = append(placed, d)
					if d.Worker != "" {
						c.f.Put(was[d.Worker])
					}
				}
				return placed
			}
			g := c.gang
			g.Members = slices.Clone(g.Members)
			for i := range g.Members {
				r := *g.Members[i].Request
				r.Group = &berth.Membership{ID: of, Size: r.Group.Size, MinCount: r.Group.MinCount}
				g.Members[i].Request = &r
			}
			d := c.f.PlaceGang(g)
			c.f.Undo(d)
			return d.Placed
		}
		for _, of := range append(k.Groups(), "") {
			if diff := cmp.Diff(decide(asOne(k.Without(of)), of), decide(k, of)); diff != "" {
				t.Fatalf("%q (-where the rest is kept for one +got):\n%s", of, diff)
			}
		}
	})
}

// asOne is what is kept for several as for one that is none of them.
func asOne(k *berth.Keep) *berth.Keep {
	if k == nil {
		return nil
	}
	out := &berth.Keep{Group: "other", By: k.By}
	sums := make(map[berth.WorkerID]berth.Share)
	for _, w := range k.All() {
		sum := sums[w.Worker]
		share := w.Share
		share.Ports = slices.DeleteFunc(slices.Clone(share.Ports), func(p int32) bool { return slices.Contains(sum.Ports, p) })
		share.Devices = slices.Clone(share.Devices)
		for i := range share.Devices {
			for _, d := range sum.Devices {
				if d.Name == share.Devices[i].Name {
					share.Devices[i].Milli = min(share.Devices[i].Milli, berth.WholeDevice-d.Milli)
				}
			}
		}
		next, err := sum.Plus(share)
		if err != nil {
			panic(fmt.Sprintf("%+v and %+v: %v", sum, share, err))
		}
		sums[w.Worker] = next
	}
	for w, share := range sums {
		out.Workers = append(out.Workers, berth.KeptWorker{Worker: w, Share: share})
	}
	for i := range k.Beside {
		if by := k.Beside[i].By; by.IsZero() || by.Before(out.By) {
			out.By = by
		}
	}
	return out
}

// What is chosen for one that gathers is beside what is kept for others, which keep off who gathers instead of it, too.
func TestKeepFor_BesideOthers(t *testing.T) {
	t.Parallel()
	f := scheduler.NewFleet()
	for _, id := range []string{"a", "b", "c"} {
		f.Put(worker(id, 4, 4))
	}
	share := func(n int64) berth.Share { return berth.Share{Quantities: berth.Quantities{CPUMilli: n}} }
	f.Keep(berth.DefaultPool, &berth.Keep{
		Group: "g", Workers: []berth.KeptWorker{{Worker: "a", Share: share(4)}},
		Beside: []berth.KeptBeside{{Group: "h", Workers: []berth.KeptWorker{{Worker: "b", Share: share(3)}}}},
	})
	for _, tt := range []struct {
		of    berth.GroupID
		cores int64
		want  string
	}{
		{"g", 4, "a c"}, {"g", 1, "a b c"}, {"x", 4, "a c"}, {"h", 4, "a b c"},
	} {
		r := request("m", tt.cores, 0)
		var on []berth.WorkerID
		for size := 3; size > 0 && on == nil; size-- { // as many workers as there are
			r.Group = &berth.Membership{ID: tt.of, Size: int64(size), MinCount: int64(size)}
			r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "of", Value: "gang"}, Topology: berth.TopologyHost}}
			r.Labels = map[string]string{"of": "gang"}
			got, _ := f.KeepFor(scheduler.Wanting{Gang: gangOf(r, size, size, "")}, func(berth.WorkerID) []scheduler.Stay { return nil })
			for _, w := range got.Workers {
				on = append(on, w.Worker)
			}
		}
		if got := fmt.Sprint(on); got != "["+tt.want+"]" {
			t.Errorf("%s of %d: on %s, want %s", tt.of, tt.cores, got, tt.want)
		}
	}
}
