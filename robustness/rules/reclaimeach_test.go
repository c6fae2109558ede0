package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// TestReclaim_ForEach: what ends for a lender of which several wait is where each of them has room then, and no more ends than is
// wanted back; whether all end at once or one after the other.
func TestReclaim_ForEach(t *testing.T) {
	for _, tt := range []struct {
		name    string
		workers int64
		group   int64   // members of five slots each
		slots   []int64 // of each request
		two     bool    // daemons
	}{
		{"two requests", 3, 0, []int64{10, 10}, false},
		{"a group and a request", 3, 2, []int64{10}, false},
		{"one that fits beside another", 4, 0, []int64{5, 10, 5, 10}, false},
		{"a group of three", 4, 3, []int64{10, 5}, false},
		{"many", 7, 0, []int64{10, 10, 10, 10, 10}, false},
		{"two requests of two daemons", 3, 0, []int64{10, 10}, true},
	} {
		for _, all := range []bool{true, false} {
			if tt.two && !all {
				continue // a daemon may have placed something on what is wanted back before it hears of the other's
			}
			t.Run(fmt.Sprintf("%s, all at once %v", tt.name, all), func(t *testing.T) {
				bubble(t, func(r *rig) {
					d, stop := r.alone()
					defer stop()
					if tt.two {
						_, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "e"})
						defer stop()
					}
					total := tt.workers * capacity.CPUMilli
					lent := tt.group * capacity.CPUMilli / 2
					for _, n := range tt.slots {
						lent += n * capacity.CPUMilli / 10
					}
					r.reclaimsAfter(d, "a", total, lent, 20*time.Second)
					r.guarantee(d, "b", total, total-lent)
					for i := range tt.workers {
						r.lives(berth.WorkerID(fmt.Sprint("w", i)))
					}
					for i := range 2 * tt.workers {
						r.run(d, fmt.Sprint("b", i), slots("b", 5))
						r.passes(10 * time.Millisecond)
					}
					for _, x := range r.held() {
						w, id, _ := strings.Cut(x, "/")
						r.runs(w, id)
					}
					r.passes(time.Second)
					var ids []string
					if tt.group > 0 {
						g := r.group("g", tt.group, tt.group)
						slots("a", 5)(&g)
						r.submitGroup(d, g)
						for i := range tt.group {
							ids = append(ids, fmt.Sprint("g.", i))
						}
					}
					for i, n := range tt.slots {
						ids = append(ids, fmt.Sprint("a", i))
						r.run(d, ids[len(ids)-1], slots("a", n))
					}
					told := r.reclaims(all, time.Duration(20+2*len(ids)+2*int(lent/(capacity.CPUMilli/2)))*time.Second)
					if r.are(ids...) != len(ids) {
						t.Errorf("not all of %v have places: %v", ids, r.held())
					}
					if want := lent / (capacity.CPUMilli / 2); int64(len(told)) != want {
						t.Errorf("%v were told to stop, want %d", told, want)
					}
				})
			})
		}
	}
}

// reclaims lets those end that are told to stop for so long, all within a second or one a second; and says who was.
func (r *rig) reclaims(all bool, within time.Duration) (ended []string) {
	r.t.Helper()
	for until := time.Now().Add(within); time.Now().Before(until); {
		for _, x := range r.held() {
			w, id, _ := strings.Cut(x, "/")
			if a, _ := r.allocation(w, id); a == nil || a.Stop == nil || a.State == berth.StateExited {
				continue
			}
			if ended = append(ended, id); slices.Index(ended, id) < len(ended)-1 {
				r.t.Fatalf("%s is told to stop twice", id)
			}
			if r.exits(w, id); !all {
				break
			}
		}
		r.passes(time.Second)
	}
	return ended
}
