package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// waitsBoth is how much memory a request wants, and each member of a group, and which comes first. Of three daemons one plans the request, and another the group.
type waitsBoth struct {
	one, member int64
	groupFirst  bool
}

// crowded is a worker whose memory a lender and a borrower have, and what of the lender waits for another: a request, and a group, for each of which it has quota
// left, but not for both. And one of the borrower's waits. Other workers are cordoned until they are opened.
func (r *rig) crowded(ds []*daemon.Daemon, c waitsBoth) (open func()) {
	r.t.Helper()
	asks := func(t berth.TenantID, cpu, memory int64) func(*berth.Request) {
		return func(q *berth.Request) {
			q.Tenant, q.Resources.CPUMilli, q.Resources.MemoryBytes, q.StartTimeoutMS = t, cpu, memory<<20, 3_600_000
		}
	}
	r.run(ds[0], "b0", asks("b", 200, 512))
	r.run(ds[0], "a0", asks("a", 100, 500))
	for _, w := range []berth.WorkerID{"u", "v"} {
		r.lives(w)
		r.intends(w, &berth.Intent{Cordon: true})
	}
	r.runs("w", "b0")
	r.runs("w", "a0")
	g := r.group("g0", 3, 3)
	asks("b", 50, c.member)(&g)
	if c.groupFirst {
		r.submitGroup(ds[1], g)
	}
	r.run(ds[0], "b1", asks("b", 400, c.one))
	if !c.groupFirst {
		r.submitGroup(ds[1], g)
	}
	r.run(ds[len(ds)-1], "a1", asks("a", 100, 512))
	return func() {
		r.intends("u", nil)
		r.intends("v", nil)
	}
}

// What waits for a worker with one daemon has its quota, and leaves it to what waits for that with another. When that waits for a worker, too, neither wants it of
// the other: it would come and go for ever.
func TestSeveral_QuotaRestsWithWhatWaitsForWorkers(t *testing.T) {
	for n := 2; n <= 3; n++ {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprint(n, " daemons, group first ", first), func(t *testing.T) {
				bubble(t, func(r *rig) {
					_, kill := r.lives("w")
					defer kill()
					checked := r.checked()
					ds, stop := r.several(n)
					r.guarantee(ds[0], "b", 900, 800)
					r.guarantee(ds[0], "a", 200, 0)
					open := r.crowded(ds, waitsBoth{512, 400, first})
					r.passes(30 * time.Second)
					before := r.mod("tenants/b")
					r.passes(time.Minute)
					if r.mod("tenants/b") != before {
						t.Errorf("its quota is changed from revision %d to %d in a minute in which nothing happens: %s", before, r.mod("tenants/b"), r.record("b"))
					}
					placed := func() int { return r.are("b1") + r.are("g0.0", "g0.1", "g0.2")/3 }
					open()
					r.passes(3 * time.Second)
					if n := placed(); n != 1 {
						t.Errorf("%d are placed where there are workers, and quota for one: %v, %s", n, r.held(), r.record("b"))
					}
					r.exits("w", "b0")
					r.passes(3 * time.Second)
					if n := placed(); n != 2 {
						t.Errorf("%d are placed when there is quota for both: %v, %s", n, r.held(), r.record("b"))
					}
					stop()
					checked()
				})
			})
		}
	}
}

// So what was lent is wanted back without a break for the one of both that an end of the borrower's makes room for, and reclaimed when its time is over: whichever
// daemon has taken its quota for the other meanwhile.
func TestSeveral_ReclaimsForWhatWaitsForWorkers(t *testing.T) {
	for _, tt := range []struct {
		name string
		waitsBoth
		want []string
	}{
		{"the request", waitsBoth{512, 400, false}, []string{"b1"}},
		{"the request, after the group", waitsBoth{512, 400, true}, []string{"b1"}},
		{"the group", waitsBoth{900, 160, false}, []string{"g0.0", "g0.1", "g0.2"}},
		{"the group, before the request", waitsBoth{900, 160, true}, []string{"g0.0", "g0.1", "g0.2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				checked := r.checked()
				ds, stop := r.several(3)
				defer func() { stop(); checked() }()
				r.reclaimsAfter(ds[0], "b", 900, 800, 5*time.Second)
				r.guarantee(ds[0], "a", 200, 0)
				r.crowded(ds, tt.waitsBoth)
				r.passes(15 * time.Second)
				if told := r.stoppedFor(berth.StopReclaim, "a0"); len(told) == 0 {
					t.Errorf("nothing is reclaimed: %s", r.record("b"))
					return
				}
				r.stops("a0")
				r.passes(3 * time.Second)
				if n := r.are(tt.want...); n != len(tt.want) {
					t.Errorf("%d of %v are placed: %v, %s", n, tt.want, r.held(), r.record("b"))
				}
			})
		})
	}
}
