package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// What was placed before there was a quota counts against it, and so does what is there when it
// is set lower; nothing of it is stopped.
func TestQuota_SetBelowWhatRuns(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		for i := range 3 {
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		r.limit(d, "a", 300)
		r.run(d, "r3", of("a"))
		if r.located("r3") != 0 {
			t.Error("placed beyond a quota that is used by what was placed before it")
		}
		r.limit(d, "a", 400)
		if r.located("r3") != 1 {
			t.Error("not placed though there is room")
		}
		r.limit(d, "a", 200)
		r.run(d, "r4", of("a"))
		for _, id := range []string{"r0", "r1"} {
			r.runs("w", id)
			r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		}
		if r.located("r4") != 0 {
			t.Error("placed while the quota is full")
		}
		r.runs("w", "r2")
		r.reported("w", "r2", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		if r.located("r4") != 1 {
			t.Error("not placed when there was room again")
		}
		stop()
	})
}

// What a daemon has taken and not used is no room any more when the quota is set lower.
func TestQuota_SetBelowABlock(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.limit(d, "a", 900)
		for i := range 2 { // the second within a second: more is taken than it needs
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		if q := r.quota(d, "a"); q.Taken["cpu_milli"] <= q.Used["cpu_milli"] {
			t.Fatalf("nothing is taken ahead: %+v", q)
		}
		r.limit(d, "a", 250)
		r.run(d, "r2", of("a"))
		if r.located("r2") != 0 {
			t.Error("placed beyond the quota")
		}
		r.passes(20 * time.Second)
		if q := r.quota(d, "a"); q.Taken["cpu_milli"] != 200 {
			t.Errorf("more is kept than is used: %+v", q)
		}
		stop()
	})
}

// What was placed before there were limits is used beside all blocks: a limit that is set
// between what is taken and all of that leaves no room in a block that is not used up.
func TestQuota_SetBetweenBlocksAndAll(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		for i := range 3 {
			r.run(d, fmt.Sprint("before", i), of("a"))
		}
		r.limit(d, "a", 900)
		for i := range 2 { // the second within a second: more is taken than it needs
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		q := r.quota(d, "a")
		if q.Taken["cpu_milli"] <= 200 || q.Used["cpu_milli"] != 500 {
			t.Fatalf("nothing is taken ahead: %+v", q)
		}
		r.limit(d, "a", max(q.Taken["cpu_milli"], 500))
		r.run(d, "r2", of("a"))
		if r.located("r2") != 0 {
			t.Error("placed beyond the quota")
		}
		stop()
	})
}

// A quota that is set below what is used, of which a part is counted in no block: what ends
// in a block lets nothing else in before all of it is within the quota.
func TestQuota_BelowWhatNoBlockCounts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemon()
		r.limit(d, "a", 500)
		r.run(d, "counted", of("a"))
		r.limit(d, "a", -1)
		for _, id := range []string{"r0", "r1", "r2"} {
			r.run(d, id, of("a"))
		}
		r.limit(d, "a", 250)
		r.run(d, "next", of("a"))
		r.passes(15 * time.Second)
		r.runs("w", "counted")
		r.reported("w", "counted", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		r.passes(10 * time.Second)
		if r.located("next") > 0 {
			t.Error("placed while three of 250 are used")
		}
		for _, id := range []string{"r0", "r1"} {
			r.runs("w", id)
			r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		}
		r.passes(10 * time.Second)
		if r.located("next") != 1 {
			t.Errorf("waits, though one of 250 is used: %+v", r.quota(d, "a"))
		}
		stop()
		checked()
	})
}

// A daemon that begins again knows its block before it knows what no block counts: while the
// rest is loaded, nothing is placed in it.
func TestEarly_UnderAQuota(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		checked := r.checked()
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		for i := range 3 {
			r.run(d, fmt.Sprint("before", i), of("a"))
		}
		r.limit(d, "a", 900)
		for i := range 2 { // the second within a second: more is taken than it needs
			r.run(d, fmt.Sprint("r", i), of("a"))
		}
		taken := r.quota(d, "a").Taken[berth.DimensionCPU]
		stop()
		_, err := r.side().SetQuota(r.t.Context(), "a", "default", func(berth.Amounts) berth.Amounts {
			return berth.Amounts{berth.DimensionCPU: max(taken, 500)}
		})
		r.ok(err)
		d, goOn, stop := r.loading()
		next := r.submission("next").Spec
		of("a")(&next)
		res, err := d.Submit(r.t.Context(), []berth.Request{next})
		if err != nil || res[0].Err != nil || res[0].Status.State != berth.StatePending {
			r.t.Errorf("while the rest is loaded: %v, %+v", err, res)
		}
		goOn()
		r.known(d)
		if r.located("next") > 0 {
			t.Error("placed beyond the quota")
		}
		stop()
		checked()
	})
}
