package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/snapshot"
)

// holds has a worker of so much CPU, in a rack of its own name.
func (r *rig) holds(w berth.WorkerID, milli int64) {
	r.t.Helper()
	lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
	r.ok(err)
	reg := r.registration(lease)
	reg.Capacity.CPUMilli, reg.Labels = milli, map[string]string{"rack": string(w)}
	_, err = r.RegisterWorker(r.t.Context(), w, reg)
	r.ok(err)
	r.passes(time.Second)
}

// inRack has what an edit makes of a request go to one worker alone.
func inRack(w string, edit func(*berth.Request)) func(*berth.Request) {
	return func(q *berth.Request) {
		edit(q)
		q.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorIn, Values: []string{w}}}
	}
}

// heldOn is where each is.
func (r *rig) heldOn() map[berth.RequestID]berth.WorkerID {
	r.t.Helper()
	on := make(map[berth.RequestID]berth.WorkerID)
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		on[berth.RequestID(id)] = berth.WorkerID(w)
	}
	return on
}

// Who makes room for what a drain moves, or for what comes with it, may be what has got its place just before, by that drain or by a worker that opened up with
// it: where it is one that matters least, not others. A plan tells so.
func TestForecast_MovedMakesRoom(t *testing.T) {
	for name, there := range map[string]func(*rig, *daemon.Daemon){
		"one of more priority": func(r *rig, d *daemon.Daemon) { r.run(d, "x", inRack("w1", sizedOf("c", 1000, 3))) },
		"one that is older":    func(r *rig, d *daemon.Daemon) { r.run(d, "x", inRack("w1", sizedOf("c", 1000, 0))) },
		"two": func(r *rig, d *daemon.Daemon) {
			r.run(d, "x", inRack("w1", sizedOf("c", 500, 0)))
			r.run(d, "y", inRack("w1", sizedOf("c", 500, 0)))
		},
		"a group": func(r *rig, d *daemon.Daemon) {
			g := r.group("x", 2, 2)
			inRack("w1", sizedOf("c", 500, 0))(&g)
			r.submitGroup(d, g)
		},
	} {
		for _, tt := range []movedCase{{}, {comes: true}, {waits: true}} {
			tt.there = there
			bubbleSub(t, fmt.Sprintf("%s, comes %v, waits %v", name, tt.comes, tt.waits), tt.looksAt)
		}
	}
}

// movedCase is who is there already on w1, beside w0 that has room for one of two: low and high are on w2, that is drained.
type movedCase struct {
	there func(*rig, *daemon.Daemon)
	comes bool // high is new
	waits bool // low waits for w0, that opens up
}

func (tt *movedCase) looksAt(r *rig) {
	d, stop := r.daemon()
	r.holds("w1", 1000)
	tt.there(r, d)
	r.holds("w2", 2000)
	intends := func(w berth.WorkerID, wish daemon.Wish) {
		_, err := d.SetIntent(r.t.Context(), w, wish)
		r.ok(err)
		r.passes(time.Second)
	}
	high := func(q *berth.Request) { urgent(1000, 5)(q); q.Tenant = "b" }
	change, moved := snapshot.Change{Drain: []berth.WorkerID{"w2"}}, []string{}
	if tt.waits {
		change.Uncordon = append(change.Uncordon, "w0")
		r.run(d, "low", inRack("w0", sizedOf("a", 1000, 0)))
	} else {
		r.run(d, "low", inRackNot("w1", sizedOf("a", 1000, 0)))
		moved = append(moved, "low")
	}
	if tt.comes {
		r.holds("w3", 10)
		r.run(d, "beside", inRack("w3", sizedOf("b", 10, 0))) // so its tenant has more than low's, and comes behind it
		q := r.submission("high").Spec
		high(&q)
		change.Requests = append(change.Requests, q)
	} else {
		r.run(d, "high", high)
		moved = append(moved, "high")
	}
	r.allRun()
	before := r.heldOn()
	if tt.waits {
		_, err := r.SetIntent(r.t.Context(), "w0", func(*berth.Intent) *berth.Intent { return &berth.Intent{Cordon: true} })
		r.ok(err)
	}
	r.holds("w0", 1000)
	for _, o := range r.foretold(&change) {
		if o.Request == "high" && (o.Worker != "w0" || len(o.Victims) != 1 || o.Victims[0] != "low") || o.Request != "high" && (o.Request != "low" || o.Worker != "") {
			r.t.Errorf("a plan tells %+v; held %v", o, before)
		}
	}
	if tt.waits {
		intends("w0", daemon.Wish{})
	}
	intends("w2", daemon.Wish{Drain: true})
	for _, id := range moved {
		r.exits("w2", id)
		r.passes(time.Second)
	}
	if tt.comes {
		r.run(d, "high", high)
		r.passes(time.Second)
	}
	on := r.heldOn()
	for id, w := range map[berth.RequestID]berth.WorkerID{"high": "w0", "low": "", "x": before["x"], "y": before["y"], "x.0": before["x.0"], "x.1": before["x.1"]} {
		if on[id] != w {
			r.t.Errorf("%s is on %q, not %q; held %v, before %v", id, on[id], w, on, before)
		}
	}
	stop()
}

// inRackNot keeps what an edit makes of a request off one worker.
func inRackNot(w string, edit func(*berth.Request)) func(*berth.Request) {
	return func(q *berth.Request) {
		edit(q)
		q.Constraints = []berth.Constraint{{Label: "rack", Operator: berth.OperatorNotIn, Values: []string{w}}}
	}
}
