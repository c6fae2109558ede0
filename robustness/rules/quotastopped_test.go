package rules

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// What is told to stop has its tenant's quota again only behind what waits for that and goes before it: that needs more than
// what comes free, and the rest, that nobody has taken, is there.
func TestQuota_StoppedGoesBehind(t *testing.T) {
	for _, tt := range []struct {
		name  string
		by    string // what stops it
		most  int64  // the quota
		first int64  // what goes first, each of its members
		group int64  // members; 0: it is alone
	}{
		{"drained", "drain", 2000, 2000, 0},
		{"drained, larger", "drain", 4000, 4000, 0},
		{"its worker removed", "remove", 2000, 2000, 0},
		{"preempted", "preempt", 2000, 2000, 0},
		{"drained, a group first", "drain", 2000, 1000, 2},
		{"preempted, a group first", "preempt", 2000, 1000, 2},
	} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.apart(make([]time.Duration, n)...)
					kills := []func(){r.livesOf("w0", 1000, 4<<30)}
					r.limit(ds[0], "b", tt.most)
					r.run(ds[0], "low", sizedOf("b", 500, 0))
					r.runs("w0", "low")
					for _, w := range []berth.WorkerID{"w1", "w2"} {
						kills = append(kills, r.livesOf(w, 4000, 1<<30))
					}
					if tt.group > 0 {
						g := r.whole("first", tt.group)
						sizedOf("b", tt.first, 10)(&g)
						g.StartTimeoutMS = 3_600_000
						r.submitGroup(ds[n-1], g)
					} else {
						r.run(ds[n-1], "first", sizedOf("b", tt.first, 10))
					}
					r.passes(1500 * time.Millisecond)
					if got := strings.Join(r.held(), " "); got != "w0/low" {
						t.Fatalf("held %v", got)
					}
					switch tt.by {
					case "drain":
						_, err := ds[0].SetIntent(r.t.Context(), "w0", daemon.Wish{Drain: true})
						r.ok(err)
					case "remove":
						_, err := ds[0].SetIntent(r.t.Context(), "w0", daemon.Wish{Remove: true})
						r.ok(err)
					case "preempt":
						r.run(ds[0], "other", func(q *berth.Request) {
							sizedOf("c", 1000, 10)(q)
							q.Resources.MemoryBytes, q.Preemption = 3<<30, berth.PreemptionLower // no other worker has so much
						})
					}
					r.passes(100 * time.Millisecond)
					r.reported("w0", "low", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 143, At: time.Now().UTC()})
					r.passes(3 * time.Second)
					first := 0
					for _, k := range r.held() {
						if strings.Contains(k, "/first") {
							first++
						}
						if strings.HasSuffix(k, "/low") {
							t.Errorf("held %v: what was stopped goes first", r.held())
						}
					}
					if first != int(max(tt.group, 1)) {
						t.Errorf("held %v", r.held())
					}
					stop()
					endAll(kills)
					checked()
				})
			})
		}
	}
}

// Quota that an end frees is for who goes first, also where the same end frees a worker for what comes behind; and not for those behind, before what ends with it
// is known to wait again.
func TestQuota_FreedGoesInOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first int64 // what h needs in all
		prio  int32
		size  int64 // members of h; 0: it is alone
		lows  int64 // members of l
		both  bool  // what ends is told to stop, and waits again: it is h
	}{
		{"alone", 3000, 10, 0, 0, false},
		{"older", 3000, 0, 0, 0, false},
		{"a group first", 3000, 10, 2, 0, false},
		{"a group behind", 3000, 10, 0, 2, false},
		{"two that end together", 0, 10, 0, 0, true},
	} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%s, %d daemons", tt.name, n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					checked := r.checked()
					ds, stop := r.apart(make([]time.Duration, n)...)
					kills := []func(){r.livesNamed("w0", 4000)}
					r.run(ds[0], "other", sizedOf("c", 1000, 0))
					r.limit(ds[0], "b", 4000)
					submit := func(d *daemon.Daemon, id, on string, size int64, milli int64, priority int32) {
						q := r.submission(id).Spec
						if size > 0 {
							q = r.whole(id, size)
							milli /= size
						}
						sizedOf("b", milli, priority)(&q)
						if on != "" {
							q.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{on}}}
						}
						if q.StartTimeoutMS = 3_600_000; size > 0 {
							r.submitGroup(d, q)
						} else {
							r.run(d, id, func(s *berth.Request) { *s = q })
						}
					}
					ends := []string{"e0"}
					if tt.both {
						submit(ds[0], "h", "", 0, 2500, tt.prio)
						submit(ds[0], "e0", "", 0, 250, 0)
						ends = []string{"e0", "h"}
						r.runs("w0", "h")
						r.runs("w0", "e0")
					} else {
						for _, id := range []string{"e0", "e1"} {
							submit(ds[0], id, "", 0, 1000, 20)
							r.runs("w0", id)
						}
					}
					kills = append(kills, r.livesNamed("w1", 8000))
					if tt.both {
						for i := range 4 {
							submit(ds[0], fmt.Sprint("l", i), "", 0, 1500, 0)
						}
						_, err := ds[0].SetIntent(r.t.Context(), "w0", daemon.Wish{Drain: true})
						r.ok(err)
					} else {
						submit(ds[n-1], "h", "w1", tt.size, tt.first, tt.prio)
						submit(ds[0], "l", "w0", tt.lows, 2000, 0)
					}
					r.passes(2 * time.Second)
					for _, id := range ends {
						r.exitedAt("w0", id)
					}
					r.passes(3 * time.Second)
					if of := r.heldOf(); of["h"] != int(max(tt.size, 1)) {
						t.Errorf("held %v", r.held())
					}
					stop()
					endAll(kills)
					checked()
				})
			})
		}
	}
}

// livesNamed is livesOf, of a worker with its name as a label.
func (r *rig) livesNamed(w berth.WorkerID, cpuMilli int64) (kill func()) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Capacity.CPUMilli, reg.Labels = cpuMilli, map[string]string{"n": string(w)}
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() { cancel(); <-ended }
}
