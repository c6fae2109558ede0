package rules

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// takes registers a worker whose runtime takes images, or does not.
func (r *rig) takes(w berth.WorkerID, images bool) *etcdstore.Lease {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Images = images
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	synctest.Wait()
	return lease
}

// A request with an image keeps off a worker that takes none, however it waits, and goes
// to the one that says that the image is there, as long as it says so. Each placement is
// decided again by what was said when it was planned.
func TestImage_GoesThere(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.takes("p", false)
		imaged := func(s *berth.Request) { s.Image, s.Resources.CPUMilli = "train:3", 10 }
		r.run(d, "waits", imaged)
		if s := r.state(d, "waits"); s.State != berth.StatePending || s.Verdict == nil || !s.Verdict.NeverFits || s.Verdict.Reasons[0].Code != berth.ReasonImage {
			r.t.Errorf("where nobody takes images it is %s: %+v", s.State, s.Verdict)
		}
		leases := map[string]*etcdstore.Lease{"a": r.takes("a", true), "b": r.takes("b", true)}
		r.passes(time.Second)
		at := func(id string) string {
			for _, w := range []string{"p", "a", "b"} {
				if a, _ := r.allocation(w, id); a != nil {
					return w
				}
			}
			r.t.Fatalf("%s is nowhere", id)
			return ""
		}
		r.exits(at("waits"), "waits")
		for _, step := range []struct{ id, on string }{{"r1", "a"}, {"r2", "b"}, {"r3", "b"}, {"r4", "a"}, {"r5", "a"}, {"r6", "b"}} {
			for w, lease := range leases {
				c := berth.Conditions{WarmImages: []string{"other"}}
				if w == step.on {
					c.WarmImages = []string{"other", "train:3"}
				}
				r.ok(r.PutConditions(r.t.Context(), berth.WorkerID(w), lease.ID, c))
			}
			r.passes(time.Second)
			r.run(d, step.id, imaged)
			if got := at(step.id); got != step.on {
				r.t.Errorf("%s is on %s, want %s", step.id, got, step.on)
			}
			r.exits(step.on, step.id)
		}
		stop()
	})
}

// An agent says that it takes images, and which it has: what it was given, and what it
// has started.
func TestImage_SaidByAgents(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		m := r.machine("w")
		stopAgent := m.agent(60 * time.Second)
		r.passes(time.Second)
		want := func(images ...string) {
			r.t.Helper()
			w, err := d.Worker(r.t.Context(), "w")
			r.ok(err)
			if !w.Worker.Images || !slices.Equal(w.WarmImages, images) || len(w.WarmKeys) > 0 {
				r.t.Errorf("takes images: %t, has %v, want %v; warm %v", w.Worker.Images, w.WarmImages, images, w.WarmKeys)
			}
		}
		want()
		for id, image := range map[string]string{"r1": "train:3", "r2": "", "r3": "serve:1", "r4": "train:3"} {
			r.run(d, id, func(s *berth.Request) { s.Image, s.Resources.CPUMilli = image, 10 })
			r.passes(time.Second)
			m.container(id + "/1").end(0)
		}
		r.passes(10 * time.Second)
		want("serve:1", "train:3")
		stopAgent()
		stop()
	})
}
