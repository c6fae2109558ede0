package rules

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// keptDevices are how many devices are kept on a worker.
func (r *rig) keptDevices(w berth.WorkerID) (n int) {
	r.t.Helper()
	kv := r.kv("keeps/default")
	if kv == nil {
		return 0
	}
	var k berth.Keep
	r.ok(json.Unmarshal(kv.Value, &k))
	for _, one := range k.Workers {
		if one.Worker == w {
			n += len(one.Share.Devices)
		}
	}
	return n
}

// twoTypes are two devices of each of two types in use, and a group of two that may have either, of whose tenant's quota there is one
// h100.
func (r *rig) twoTypes(d *daemon.Daemon, holdsOthers berth.TenantID) {
	r.t.Helper()
	r.limitTypes(d, "a", map[string]int64{"h100": 1})
	for i := range 2 {
		r.run(d, fmt.Sprint("h", i), wants("other", "h100"))
		r.run(d, fmt.Sprint("a", i), wants(holdsOthers, "a100"))
		r.runs("w", fmt.Sprint("h", i))
		r.runs("v", fmt.Sprint("a", i))
	}
	g := r.group("g", 2, 2)
	wants("a", "h100", "a100")(&g)
	r.submitGroup(d, g)
	r.passes(2 * time.Second)
}

// What is free is kept for a group as far as it may have it by its quota, and no further: it keeps nobody off what it never gets.
func TestKeep_WithinItsQuotaOfTypes(t *testing.T) {
	for _, of := range []berth.TenantID{"a", "other"} {
		t.Run("the rest is held by "+string(of), func(t *testing.T) {
			bubble(t, func(r *rig) {
				defer r.livesWithDevices("w")()
				defer r.livesWithOnly("v", "a100", "a100")()
				d, stop := r.alone()
				defer stop()
				r.twoTypes(d, of)
				r.exits("w", "h0")
				r.exits("w", "h1")
				r.passes(3 * time.Second)
				if n := r.keptDevices("w"); n > 1 {
					t.Errorf("%d devices are kept for a group that may have one", n)
				}
				r.run(d, "pair", func(q *berth.Request) { wants("other", "h100")(q); q.Resources.Devices[0].Count = 2 })
				r.mustRun(time.Minute, "pair")
			})
		})
	}
}

// What is left of what it may have is waited for: the group is placed, whoever else takes what comes free.
func TestKeep_WithinItsQuotaOfTypes_IsPlaced(t *testing.T) {
	bubble(t, func(r *rig) {
		defer r.livesWithDevices("w")()
		defer r.livesWithOnly("v", "a100", "a100")()
		d, stop := r.alone()
		defer stop()
		r.twoTypes(d, "other")
		r.exits("w", "h0")
		r.passes(3 * time.Second)
		r.run(d, "small0", wants("other", "a100"))
		r.run(d, "small1", wants("other", "a100"))
		r.exits("w", "h1")
		r.passes(time.Second)
		r.run(d, "beside", wants("other", "h100"))
		for _, id := range []string{"a1", "a0"} { // what is kept is a device of one of them
			r.exits("v", id)
		}
		r.passes(3 * time.Second)
		if n := r.are("g.0", "g.1"); n != 2 {
			t.Errorf("%d members are placed: %v, kept %q", n, r.held(), r.kept())
		}
		r.mustRun(time.Minute, "beside")
	})
}
