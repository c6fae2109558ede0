package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// A forecast is what a daemon then does: of random states, with groups, quotas and
// preemption, in which all that waits is looked at by a daemon that starts. What waits is of
// one tenant, for such a daemon places what it knows already while it learns of the rest.
// A group that makes room comes again when all of it has left: in which moment, beside
// others that wait, no forecast knows; of these it is looked at only that there is one.
func TestForecast_IsWhatADaemonDoes(t *testing.T) {
	for seed := range uint64(200) {
		bubbleSub(t, fmt.Sprint("seed ", seed), func(r *rig) {
			f := &foreseen{rig: r, rng: rand.New(rand.NewPCG(seed, 7))}
			f.quotas = seed%4 == 1
			f.groups = seed%4 >= 2
			f.pressing = seed%8 >= 6
			f.build()
			want := f.forecast()
			if got := f.happens(); !f.regroups && !cmp.Equal(want, got) {
				r.t.Errorf("%d were told to stop (-forecast +daemon):\n%s", f.stops, cmp.Diff(want, got))
			}
		})
	}
}

type foreseen struct {
	*rig
	rng            *rand.Rand
	ids            []string
	quotas, groups bool
	pressing       bool // others make room for groups
	stops          int  // how many were told to stop
	regroups       bool // a group makes room, too
}

const foreseenWorkers = 3

// build leaves a store in which some run, and others wait that no daemon has looked at since
// the workers were uncordoned.
func (f *foreseen) build() {
	d, stop := f.daemon()
	for i := range foreseenWorkers {
		f.joins(berth.WorkerID(fmt.Sprint("w", i)))
	}
	if f.quotas {
		f.limit(d, "a", 100*(2+f.rng.Int64N(12)))
	}
	for i := range 1 + f.rng.IntN(7) {
		f.asks(d, fmt.Sprintf("old%d", i))
	}
	for _, k := range f.held() {
		if w, id, _ := strings.Cut(k, "/"); f.rng.IntN(2) == 0 {
			f.runs(w, id)
		}
	}
	for i := range foreseenWorkers {
		_, err := d.SetIntent(f.t.Context(), berth.WorkerID(fmt.Sprint("w", i)), daemon.Wish{Cordon: true})
		f.ok(err)
	}
	f.passes(time.Second)
	for i := range 1 + f.rng.IntN(6) {
		f.asks(d, fmt.Sprintf("new%d", i))
	}
	f.passes(time.Second)
	stop()
	for i := range foreseenWorkers {
		_, err := f.SetIntent(f.t.Context(), berth.WorkerID(fmt.Sprint("w", i)), func(*berth.Intent) *berth.Intent { return nil })
		f.ok(err)
	}
}

// asks submits a request, or a group.
func (f *foreseen) asks(d *daemon.Daemon, id string) {
	f.t.Helper()
	s := f.submission(id).Spec
	if f.groups && f.rng.IntN(3) == 0 {
		size := 2 + f.rng.Int64N(3)
		s = f.group(id, size, 1+f.rng.Int64N(size))
	}
	s.Resources.CPUMilli = 100 * (1 + f.rng.Int64N(9))
	s.Priority = 10 * f.rng.Int32N(4)
	s.StartTimeoutMS = 3_600_000
	if f.quotas {
		s.Tenant = "a"
	}
	if s.Group == nil && f.rng.IntN(3) == 0 || s.Group != nil && f.pressing {
		s.Preemption = berth.PreemptionLower
	}
	res, err := d.Submit(f.t.Context(), []berth.Request{s})
	f.ok(err)
	f.ok(res[0].Err)
	f.passes(100 * time.Millisecond)
	if s.Group == nil {
		f.ids = append(f.ids, id)
		return
	}
	for _, m := range berth.GroupID(id).Members(s.Group.Size) {
		f.ids = append(f.ids, string(m))
	}
}

// forecast is where each request would be, or why not.
func (f *foreseen) forecast() map[string]string {
	f.t.Helper()
	s := snapshot.New(snapshot.Header{Revision: berth.Revision(f.revision())})
	_, err := f.ScanAt(f.t.Context(), s.Revision, snapshot.Kinds, func(fact berth.Fact) error { s.Put(fact); return nil })
	f.ok(err)
	out := f.where()
	outcomes, err := s.Forecast(&snapshot.Change{})
	f.ok(err)
	for i := range outcomes {
		o := &outcomes[i]
		out[string(o.Request)] = string(o.Worker)
		f.regroups = f.regroups || o.Kind == snapshot.KindStopped && o.Group != ""
		if o.Verdict != nil {
			out[string(o.Request)] = string(o.Verdict.Reasons[0].Code)
		}
	}
	return out
}

// happens is the same of a daemon that starts, when all who are told to stop have.
func (f *foreseen) happens() map[string]string {
	f.t.Helper()
	checked := f.checked()
	d, stop := f.daemonOn(f.store(etcdstore.Options{}), daemon.Options{ID: "d"})
	f.passes(3 * time.Second)
	for round, told := 0, true; told && round < 20; round++ {
		told = false
		for _, k := range f.held() {
			w, id, _ := strings.Cut(k, "/")
			if a, _ := f.allocation(w, id); a != nil && a.Stop != nil && a.State != berth.StateExited {
				told = true
				f.stops++
				f.exits(w, id)
			}
		}
		f.passes(3 * time.Second)
	}
	out := f.where()
	for _, id := range f.ids {
		if out[id] != "" {
			continue
		}
		if s := f.state(d, id); s.Verdict != nil {
			out[id] = string(s.Verdict.Reasons[0].Code)
		}
	}
	stop()
	checked()
	return out
}

// where says on which worker each request is, or "".
func (f *foreseen) where() map[string]string {
	out := make(map[string]string)
	for _, id := range f.ids {
		out[id] = ""
	}
	for _, k := range f.held() {
		w, id, _ := strings.Cut(k, "/")
		out[id] = w
	}
	return out
}

// A forecast takes loans as they stand, and so may say that something waits which a daemon places
// by a loan; it never says that of what is within the limits that it never fits.
func TestForecast_OfLoans(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.guarantee(d, "a", 300, 300)
		r.guarantee(d, "b", 300, 0)
		r.passes(time.Second)
		s := snapshot.New(snapshot.Header{Revision: berth.Revision(r.revision())})
		_, err := r.ScanAt(r.t.Context(), s.Revision, snapshot.Kinds, func(f berth.Fact) error { s.Put(f); return nil })
		r.ok(err)
		for cores, never := range map[int64]bool{100: false, 301: true} {
			ask := r.submission("x").Spec
			ask.Tenant, ask.Resources.CPUMilli = "b", cores
			out, err := s.Forecast(&snapshot.Change{Requests: []berth.Request{ask}})
			r.ok(err)
			if v := out[0].Verdict; v == nil || v.NeverFits != never {
				t.Errorf("%d cores: %+v, want that it never fits: %t", cores, v, never)
			}
		}
		stop()
	})
}
