package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Where one has a claim it will be: for those that have to be apart from it, or evenly spread with it, others make room elsewhere. Each of several
// that ask at once has room made on a worker of its own, and nobody ends in vain. A judge found it.
func TestPreempt_ApartFromClaims(t *testing.T) {
	for name, edit := range map[string]func(*berth.Request){
		"apart": apartFromEachOther,
		"even": func(q *berth.Request) {
			q.Labels, q.Spread = map[string]string{"app": "web"}, []berth.Spread{{Requests: web, Topology: berth.TopologyHost, MaxSkew: 1}}
		},
	} {
		for _, daemons := range []int{1, 2} {
			for _, pause := range []time.Duration{0, 500 * time.Millisecond} {
				t.Run(fmt.Sprintf("%s, %d daemons, %v between them", name, daemons, pause), func(t *testing.T) {
					bubble(t, func(r *rig) {
						ds, stop := r.several(daemons)
						defer stop()
						workers := []string{"w1", "w2", "w3", "w4"}
						low := r.twoOnEach(ds[0], workers)
						var high []string
						calls := make([][]berth.Request, daemons)
						for i := range workers {
							q := r.submission(fmt.Sprint("high", i)).Spec
							urgent(500, 9)(&q)
							edit(&q)
							high = append(high, string(q.ID))
							calls[i%daemons] = append(calls[i%daemons], q)
						}
						for i, d := range ds {
							if _, err := d.Submit(r.t.Context(), calls[i]); err != nil {
								t.Fatal(err)
							}
							r.passes(pause)
						}
						r.passes(time.Second)
						told := r.stoppedFor(berth.StopPreempt, low...)
						for _, id := range told {
							r.passes(700 * time.Millisecond)
							r.exits(r.whereIs(id), id)
						}
						r.passes(3 * time.Second)
						if n := r.located(high...); n != len(high) {
							t.Errorf("%d of %d have a place when %v have ended: %v", n, len(high), told, r.held())
						}
						if more := r.stoppedFor(berth.StopPreempt, low...); len(told) != len(high) || len(more) > 0 {
							t.Errorf("%v are told to stop, and then %v; want one for each of %d", told, more, len(high))
						}
					})
				})
			}
		}
	}
}

// twoOnEach has two requests of low priority run on each of some workers, which are full then: the two youngest are on one.
func (r *rig) twoOnEach(d *daemon.Daemon, workers []string) (ids []string) {
	r.t.Helper()
	for _, w := range workers {
		r.lives(berth.WorkerID(w))
		r.passes(time.Second)
		for range 2 {
			id := fmt.Sprint("low", len(ids))
			ids = append(ids, id)
			r.run(d, id, sized(500, 0))
			r.passes(100 * time.Millisecond)
			r.runs(w, id)
		}
	}
	return ids
}

// So it is of a group and of a request that waits alone, whichever comes first.
func TestPreempt_ApartFromGroupsRoom(t *testing.T) {
	for _, first := range []string{"group", "request"} {
		for _, daemons := range []int{1, 2} {
			t.Run(fmt.Sprintf("the %s first, %d daemons", first, daemons), func(t *testing.T) {
				bubble(t, func(r *rig) {
					ds, stop := r.several(daemons)
					defer stop()
					low := r.twoOnEach(ds[0], []string{"w1", "w2", "w3"})
					ask := map[string]func(){
						"group": func() {
							g := r.pressing("g", 2, 2, 9)
							g.Resources.CPUMilli = 500
							apartFromEachOther(&g)
							r.submitGroup(ds[0], g)
						},
						"request": func() {
							r.run(ds[daemons-1], "high", func(q *berth.Request) {
								urgent(500, 9)(q)
								apartFromEachOther(q)
							})
						},
					}
					ask[first]()
					r.passes(500 * time.Millisecond)
					for what, do := range ask {
						if what != first {
							do()
						}
					}
					r.passes(3 * time.Second)
					told := r.stoppedFor(berth.StopPreempt, low...)
					for _, id := range told {
						r.passes(700 * time.Millisecond)
						r.exits(r.whereIs(id), id)
					}
					r.passes(3 * time.Second)
					if n := r.located("g.0", "g.1", "high"); n != 3 {
						t.Errorf("%d of 3 have a place when %v have ended: %v", n, told, r.held())
					}
					if more := r.stoppedFor(berth.StopPreempt, low...); len(told) != 3 || len(more) > 0 {
						t.Errorf("%v are told to stop, and then %v; want one for each of 3", told, more)
					}
				})
			})
		}
	}
}
