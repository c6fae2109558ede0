package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// Of several daemons' requests of one tenant those of higher priority go first, whoever plans them and whatever comes free: room, or quota.
func TestSeveral_HigherPriorityFirst(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   int64 // of eight that run; 0: none
		workers int
		apart   time.Duration // between two ends; 0: all end at once
	}{
		{"room", 0, 8, 100 * time.Millisecond},
		{"room, at once", 0, 8, 0},
		{"quota", 8000, 16, 100 * time.Millisecond},
		{"quota, at once", 8000, 16, 0},
		{"both", 8000, 8, 100 * time.Millisecond},
	} {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprintf("%s, %d of them", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(3)
					if tt.limit > 0 {
						r.limit(ds[0], "b", tt.limit)
					}
					for i := range tt.workers {
						r.offers(berth.WorkerID(fmt.Sprint("w", i)), false, nil)
					}
					r.runAll(ds, "h", 8, sizedOf("b", 1000, 9))
					r.runAll(ds, "l", 30, sizedOf("b", 1000, 0))
					r.runAll(ds, "x", n, sizedOf("b", 1000, 5))
					r.passes(2 * time.Second)
					for range 3 {
						for _, k := range r.held() {
							w, id, _ := strings.Cut(k, "/")
							if r.ends(w, id); tt.apart > 0 {
								r.passes(tt.apart)
								r.wantFirst("x", "l", n)
							}
						}
						r.passes(500 * time.Millisecond)
						r.wantFirst("x", "l", n)
						if h := r.heldOf(); h["x"]+h["l"] != 8 && r.exited("l")+h["l"] < 30 {
							r.t.Errorf("something is idle: %v", h)
						}
					}
					stop()
					checked()
				})
			})
		}
	}
}

// What a drain ends of a tenant at its limit has its quota again before another daemon's requests of lower priority.
func TestSeveral_DrainedKeepTheirQuota(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, guaranteed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d daemons, guaranteed %t", n, guaranteed), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.several(n)
					if r.limit(ds[0], "b", 6000); guaranteed {
						r.guarantee(ds[0], "b", 6000, 4000)
						r.guarantee(ds[0], "c", 6000, 2000)
					}
					for i := range 12 {
						r.offers(berth.WorkerID(fmt.Sprintf("w%02d", i)), false, nil)
					}
					r.runAll(ds, "x", 6, sizedOf("b", 1000, 5))
					for _, k := range r.held() {
						w, id, _ := strings.Cut(k, "/")
						r.runs(w, id)
					}
					r.runAll(ds, "l", 9, sizedOf("b", 1000, 0))
					r.passes(2 * time.Second)
					for i := range 6 {
						for _, k := range r.held() {
							if w, id, _ := strings.Cut(k, "/"); id == fmt.Sprint("x", i) {
								_, err := ds[0].SetIntent(r.t.Context(), berth.WorkerID(w), daemon.Wish{Drain: true})
								r.ok(err)
							}
						}
						for range 5 {
							r.passes(100 * time.Millisecond)
							r.exitToldOnes()
						}
						r.wantFirst("x", "l", 6)
					}
					stop()
					checked()
				})
			})
		}
	}
}

// Of tenants that hold less one goes first, whoever plans what it has waiting.
func TestSeveral_WhoHoldsLessFirst(t *testing.T) {
	for n := 1; n <= 6; n++ {
		t.Run(fmt.Sprintf("%d of them", n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				checked := r.checked()
				ds, stop := r.several(3)
				for i := range 16 {
					r.offers(berth.WorkerID(fmt.Sprintf("w%02d", i)), false, nil)
				}
				r.runAll(ds, "h", 16, sizedOf("l", 1000, 9))
				r.runAll(ds, "l", 30, sizedOf("l", 1000, 9))
				r.runAll(ds, "x", n, sizedOf("x", 1000, 0))
				r.passes(2 * time.Second)
				for _, k := range r.held()[:n+2] {
					w, id, _ := strings.Cut(k, "/")
					r.ends(w, id)
					r.passes(100 * time.Millisecond)
					r.wantFirst("x", "l", n)
				}
				if h := r.heldOf(); h["x"] != n || h["l"] != 2 {
					t.Errorf("held %v, want %d of the one, and 2 more of the other", h, n)
				}
				stop()
				checked()
			})
		})
	}
}

// Groups of lower priority, and what is submitted at that moment, let others go first that another daemon plans.
func TestSeveral_LowerComeBehind(t *testing.T) {
	for _, limit := range []int64{0, 8000} {
		for n := 1; n <= 4; n++ {
			for _, groups := range []bool{false, true} {
				t.Run(fmt.Sprintf("limit %d, %d of them, groups %t", limit, n, groups), func(t *testing.T) {
					bubble(t, func(r *rig) {
						checked := r.checked()
						ds, stop := r.several(3)
						if limit > 0 {
							r.limit(ds[0], "b", limit)
						}
						for i := range 8 {
							r.offers(berth.WorkerID(fmt.Sprintf("w%02d", i)), false, nil)
						}
						r.runAll(ds, "h", 8, sizedOf("b", 1000, 9))
						for i := 0; groups && i < 6; i++ {
							g := r.whole(fmt.Sprint("l", i), 2)
							g.Priority, g.Tenant, g.StartTimeoutMS = 0, "b", 3_600_000
							r.submitGroup(ds[i%3], g)
						}
						r.runAll(ds, "x", n, sizedOf("b", 1000, 5))
						r.passes(2 * time.Second)
						for i := range 12 {
							for _, k := range r.held()[:1+i%2] {
								w, id, _ := strings.Cut(k, "/")
								r.ends(w, id)
							}
							if !groups {
								for j := range 3 {
									r.run(ds[j], fmt.Sprintf("l%d-%d", i, j), sizedOf("b", 1000, 0))
								}
							}
							r.wantFirst("x", "l", n)
							r.passes(100 * time.Millisecond)
							r.wantFirst("x", "l", n)
						}
						if r.passes(time.Second); !groups && len(r.held()) < 8 {
							t.Errorf("something is idle: held %v", r.held())
						}
						stop()
						checked()
					})
				})
			}
		}
	}
}

// What another daemon plans and no worker takes holds nobody up for long, however much of it there is and whatever comes free.
func TestSeveral_WhatNoWorkerTakes(t *testing.T) {
	for _, limit := range []int64{0, 9000} {
		for _, ever := range []bool{false, true} {
			t.Run(fmt.Sprintf("limit %d, one could %t", limit, ever), func(t *testing.T) {
				bubble(t, func(r *rig) {
					ds, stop := r.several(3)
					if limit > 0 {
						r.limit(ds[0], "b", limit)
					}
					for i := range 9 {
						r.offers(berth.WorkerID(fmt.Sprintf("w%02d", i)), false, map[string]string{"last": fmt.Sprint(i == 8)})
					}
					r.runAll(ds, "h", 9, sizedOf("b", 1000, 9))
					for i := range 30 {
						r.run(ds[i%3], fmt.Sprint("x", i), func(q *berth.Request) {
							sizedOf("b", 1000, int32(5+i))(q)
							q.Resources.MemoryBytes += int64(i)
							q.Constraints = []berth.Constraint{{Label: "last", Operator: berth.OperatorIn, Values: []string{fmt.Sprint(ever), "none"}}}
							if !ever {
								q.Constraints[0].Values = []string{fmt.Sprint("none", i)}
							}
						})
					}
					r.runAll(ds, "l", 60, sizedOf("b", 1000, 0))
					r.passes(2 * time.Second)
					var idle time.Duration
					for range 40 {
						w, id, _ := strings.Cut(r.held()[0], "/")
						r.ends(w, id)
						for len(r.held()) < 9 {
							r.passes(10 * time.Millisecond)
							if idle += 10 * time.Millisecond; idle > time.Minute {
								t.Fatalf("held %v", r.held())
							}
						}
						r.passes(90 * time.Millisecond)
					}
					t.Logf("a worker was idle for %s in all", idle)
					if idle > 3*time.Second {
						t.Errorf("a worker was idle for %s in all, of %d ends", idle, 40)
					}
					stop()
				})
			})
		}
	}
}

// runAll submits n requests, one after the other, to daemons in turn.
func (r *rig) runAll(ds []*daemon.Daemon, name string, n int, as func(*berth.Request)) {
	r.t.Helper()
	for i := range n {
		r.run(ds[i%len(ds)], fmt.Sprint(name, i), func(q *berth.Request) {
			q.StartTimeoutMS = 3_600_000
			as(q)
		})
	}
}

// exited is how many of a name have ended.
func (r *rig) exited(name string) (n int) {
	r.t.Helper()
	resp, err := r.client.Get(r.t.Context(), "/berth/archive/"+name, clientv3.WithPrefix(), clientv3.WithCountOnly())
	r.ok(err)
	return int(resp.Count)
}

// wantFirst says whether none of some is placed while one of n others waits, whatever has ended.
func (r *rig) wantFirst(first, then string, n int) {
	r.t.Helper()
	if h := r.heldOf(); h[then] > 0 && h[first]+r.exited(first) < n {
		r.t.Errorf("%d of %d had their places when it was another's turn: held %v", h[first]+r.exited(first), n, r.held())
	}
}
