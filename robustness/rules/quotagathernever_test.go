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

// Members of which a worker could take some, were it empty, and no rack, link domain or pool as many as must be placed together.

// twos registers a worker of a rack whose lease is kept alive until gone, which takes it away at once: it takes two of 100, and has
// two devices that are linked.
func (r *rig) twos(w berth.WorkerID, rack string) (gone func()) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Labels, reg.Capacity.CPUMilli = map[string]string{"rack": rack}, 250
	for i := range 2 {
		reg.Capacity.Devices = append(reg.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", i), Type: "h100", Link: "of-" + string(w)})
	}
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
		if r.kv("workers/"+string(w)) != nil {
			r.remove("workers/" + string(w))
		}
		synctest.Wait()
	}
}

// hundreds is a group of so many members of 100 each, all of which must be placed together.
func (r *rig) hundreds(of berth.TenantID, n int64, edit func(*berth.Request)) berth.Request {
	g := r.group("g", n, n)
	some(of, 100)(&g)
	if edit != nil {
		edit(&g)
	}
	return g.Normalize()
}

func oneRack(q *berth.Request) { q.Group.Topology = "rack" }

// fitsNever are groups that the two workers of racks x and y could never take, were they empty.
var fitsNever = map[string]struct {
	members int64
	edit    func(*berth.Request)
}{
	"more than a rack takes":        {3, oneRack},
	"no worker has the label":       {2, func(q *berth.Request) { q.Group.Topology = "row" }},
	"more than all workers take":    {5, nil},
	"more than a link domain takes": {3, func(q *berth.Request) { device(q); q.Group.Linked = true }},
	"more than a worker takes":      {2, func(q *berth.Request) { q.Resources.CPUMilli = 251 }},
	"apart, and more than a worker takes": {2, func(q *berth.Request) {
		apartFromEachOther(q)
		q.Resources.CPUMilli = 251
	}},
	"apart, and more than there are workers": {3, apartFromEachOther},
}

// apartFromEachOther has no two members of a group on one worker.
func apartFromEachOther(q *berth.Request) {
	q.Labels = map[string]string{"app": "web"}
	q.AntiAffinity = []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
}

// Nothing is gathered for a group that fits nowhere, were all workers empty, though one of its members would: what comes after it
// goes on, with however many daemons.
func TestGathering_FitsNever(t *testing.T) {
	for name, tt := range fitsNever {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, ", daemons: ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					w, v := r.twos("w", "x"), r.twos("v", "y")
					ds, stop := r.several(n)
					s := &smallOnes{rig: r, ds: ds, each: 100, of: "a"}
					r.limit(ds[0], "a", 550)
					s.more(6)
					r.passes(time.Second)
					r.submitGroup(ds[0], r.hundreds("a", tt.members, tt.edit))
					for range 30 {
						s.step(time.Second)
						if g := r.gathers(); len(g) > 0 {
							r.t.Errorf("quota is gathered for %v, and the group fits nowhere", g)
							break
						}
					}
					if k := s.placed(); k != 4 {
						r.t.Errorf("%d small ones are placed, and there is room for four: %s", k, r.record("a"))
					}
					e, err := ds[0].Explain(r.t.Context(), "g.0")
					if err != nil || e.Verdict == nil || !e.Verdict.NeverFits {
						r.t.Errorf("of the group is told %+v, %v; want that it never fits", e.Verdict, err)
					}
					stop()
					w()
					v()
				})
			})
		}
	}
}

// What is gathered for something is given up when a worker is gone without which it fits nowhere, and gathered again when one has
// come with which it does.
func TestGathering_WorkersComeAndGo(t *testing.T) {
	for name, tt := range map[string]struct {
		rack  string // of the worker that goes and comes
		large func(r *rig, d *daemon.Daemon)
	}{
		"a group": {"x", func(r *rig, d *daemon.Daemon) { r.submitGroup(d, r.hundreds("a", 3, oneRack)) }},
		"a request": {"z", func(r *rig, d *daemon.Daemon) {
			r.run(d, "large", func(q *berth.Request) {
				some("a", 200)(q)
				q.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorIn, Values: []string{"z"}}}
			})
		}},
	} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprint(name, ", daemons: ", n), func(t *testing.T) {
				bubble(t, func(r *rig) {
					w, u, v := r.twos("w", "x"), r.twos("u", "y"), r.twos("v", tt.rack)
					ds, stop := r.several(n)
					s := &smallOnes{rig: r, ds: ds, each: 100, of: "a"}
					r.limit(ds[0], "a", 450)
					s.more(6)
					r.passes(time.Second)
					tt.large(r, ds[0])
					for range 3 { // the last of them lets another go before it
						s.step(time.Second)
					}
					gathers := func(when string, want int) {
						r.t.Helper()
						if g := r.gathers(); len(g) != want {
							r.t.Errorf("%s quota is gathered for %v: %s", when, g, r.record("a"))
						}
					}
					r.passes(10 * time.Second)
					gathers("while there is a worker more,", 1)
					v()
					r.passes(time.Second)
					gathers("when that is gone,", 0)
					r.passes(time.Minute) // what ran on it has ended
					gathers("a minute later", 0)
					v = r.twos("v", tt.rack)
					for range 3 { // the last of them lets another go before it
						s.step(time.Second)
					}
					r.passes(10 * time.Second)
					gathers("when another has come,", 1)
					stop()
					w()
					v()
					u()
				})
			})
		}
	}
}

// What a tenant has lent it does not want back for a group that fits nowhere, nor takes its turn for it.
func TestLoan_FitsNever(t *testing.T) {
	for name, tt := range fitsNever {
		for _, after := range []time.Duration{-1, 5 * time.Second} {
			t.Run(fmt.Sprint(name, ", reclaimed after: ", after), func(t *testing.T) {
				bubble(t, func(r *rig) {
					w, v := r.twos("w", "x"), r.twos("v", "y")
					d, stop := r.daemon()
					if r.guarantee(d, "a", 600, 550); after >= 0 {
						r.reclaimsAfter(d, "a", 600, 550, after)
					}
					r.guarantee(d, "b", 600, 0)
					r.guarantee(d, "c", 600, 50)
					s := &smallOnes{rig: r, ds: []*daemon.Daemon{d}, each: 100, of: "b"}
					s.more(6)
					r.passes(time.Second)
					r.submitGroup(d, r.hundreds("a", tt.members, tt.edit))
					more := r.hundreds("c", tt.members, tt.edit)
					more.ID, more.Group.ID = "h", "h"
					r.submitGroup(d, more.Normalize())
					for i := 0; i < 30 && !r.t.Failed(); i++ {
						s.step(time.Second)
						for _, id := range s.ids {
							if a, _ := r.allocation("w", id); a != nil && a.Stop != nil {
								r.t.Errorf("%s is told to stop: %+v", id, a.Stop)
							}
						}
						for _, of := range []berth.TenantID{"a", "c"} {
							if rec := r.record(of); strings.Contains(rec, "recalled") || strings.Contains(rec, "waits") || strings.Contains(rec, "gathering") {
								r.t.Errorf("tenant %s keeps others from what it cannot use: %s", of, rec)
							}
						}
					}
					if k := s.placed(); k != 4 {
						r.t.Errorf("%d of b's are placed, and there is room for four: %s", k, r.record("b"))
					}
					stop()
					w()
					v()
				})
			})
		}
	}
}

// Nor does it want types of devices back.
func TestLoanTypes_FitsNever(t *testing.T) {
	for _, after := range []time.Duration{-1, 5 * time.Second} {
		for n := int64(1); n <= 2; n++ {
			t.Run(fmt.Sprint("members: ", n, ", reclaimed after: ", after), func(t *testing.T) {
				bubble(t, func(r *rig) {
					defer r.livesWithDevices("w", "a100")()
					d, stop := r.daemon()
					r.lentTypes(d, after)
					g := r.group("x", n, n)
					wants("a", "h100", "a100")(&g)
					g.Group.Topology = "rack"
					r.submitGroup(d, g)
					r.passes(10 * time.Second)
					if rec := r.record("a"); strings.Contains(rec, "recalled") || strings.Contains(rec, "waits") {
						r.t.Errorf("tenant a wants back what it cannot use: %s", rec)
					}
					if told := r.stoppedFor(berth.StopReclaim, "b0", "b1"); len(told) > 0 {
						r.t.Errorf("%v are told to stop", told)
					}
					stop()
				})
			})
		}
	}
}
