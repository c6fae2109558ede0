package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// lasting are streams of several tenants, of groups or single requests that run for so long each: when one has ended, the next is submitted.
type lasting struct {
	*rig
	ds   []*daemon.Daemon
	runs time.Duration
	more time.Duration            // and up to so much longer, by turns: 0: all as long
	each int64                    // cores of each member
	size map[berth.TenantID]int64 // of its groups; none: its requests are single

	next  int
	there []lastingOne
	held  map[berth.TenantID]int // steps of members that were placed
}

// lastingOne is a member, or a single request, that has not ended.
type lastingOne struct {
	id   string
	of   berth.TenantID
	runs time.Duration
	at   time.Time // it was placed
}

func (s *lasting) submit(of berth.TenantID) {
	s.next++
	id, d, size := fmt.Sprintf("%s%04d", of, s.next), s.ds[s.next%len(s.ds)], s.size[of]
	runs := s.runs + s.more*time.Duration(s.next*7%10)/10
	if size == 0 {
		s.run(d, id, some(of, s.each))
		s.there = append(s.there, lastingOne{id: id, of: of, runs: runs})
		return
	}
	g := s.group(id, size, size)
	g.Tenant, g.Resources.CPUMilli = of, s.each
	s.submitGroup(d, g)
	for i := range size {
		s.there = append(s.there, lastingOne{id: fmt.Sprintf("%s.%d", id, i), of: of, runs: runs})
	}
}

// passes lets so much time pass, in steps of a tenth of a second, and says how much was held of each tenant's on average.
func (s *lasting) passes(t time.Duration) map[berth.TenantID]float64 {
	steps := int(t / (100 * time.Millisecond))
	s.held = make(map[berth.TenantID]int)
	for range steps {
		s.step()
	}
	out := make(map[berth.TenantID]float64)
	for of, n := range s.held {
		out[of] = float64(n) / float64(steps)
	}
	return out
}

func (s *lasting) step() {
	s.rig.passes(100 * time.Millisecond)
	now := time.Now()
	rest, on, ended := s.there[:0], map[string]string{}, map[berth.TenantID]int{}
	for _, k := range s.rig.held() {
		w, id, _ := strings.Cut(k, "/")
		on[id] = w
	}
	for _, x := range s.there {
		if w := on[x.id]; w != "" {
			if x.at.IsZero() {
				x.at = now
				s.rig.runs(w, x.id)
			}
			s.held[x.of]++
			if now.Sub(x.at) >= x.runs {
				s.reported(w, x.id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: now.UTC()})
				ended[x.of]++
				continue
			}
		}
		rest = append(rest, x)
	}
	s.there = rest
	for of, n := range ended {
		for range n / int(max(s.size[of], 1)) {
			s.submit(of)
		}
	}
}

// Groups of one tenant and single requests of another, of which some always wait, come to hold what is theirs by their weights.
func TestFair_GroupsBesideSingles(t *testing.T) {
	for _, size := range []int64{1, 2} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, func(r *rig) {
				for _, w := range []berth.WorkerID{"u", "v", "w"} {
					r.lives(w)
				}
				d, stop := r.daemon()
				defer stop()
				_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Weight: 3, Pool: "default"})
				r.ok(err)
				s := &lasting{rig: r, ds: []*daemon.Daemon{d}, runs: 2 * time.Second, each: 250, size: map[berth.TenantID]int64{"a": size}}
				for range 30 {
					s.submit("b")
					s.submit("a")
				}
				s.passes(10 * time.Second)
				if held := s.passes(30 * time.Second); held["b"] > 4.5 || held["a"]+held["b"] < 11.5 {
					t.Errorf("groups of %d hold %.2f of 12 on average, single requests of a third of the weight %.2f", size, held["a"], held["b"])
				}
			})
		})
	}
}
