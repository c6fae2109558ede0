package rules

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// Of tenants with equal shares the one that was served longest ago has what becomes free, whoever of them waits longer and
// however many at once: by a daemon that has run for a while, by one that has started since, and by a plan.
func TestTurn_ServedLongestAgo(t *testing.T) {
	for _, since := range []string{"", "restarted", "all ended"} {
		for n := range 16 {
			c := servedCase{since: since, groupOf: [2]bool{n&1 > 0, n&2 > 0}, first: n >> 2 & 1, waitsFirst: n >> 3}
			bubbleSub(t, fmt.Sprintf("%+v", c), func(r *rig) { c.on(r) })
		}
	}
}

type servedCase struct {
	since      string  // what has happened since they were served
	groupOf    [2]bool // whether each asks for a group
	first      int     // who was served first
	waitsFirst int
}

func (c servedCase) on(r *rig) {
	r.t.Helper()
	tenants := []berth.TenantID{"a", "b"}
	defer r.livesOf("w", 800, 1<<30)()
	d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
	defer func() { stop() }()
	r.passes(time.Second)
	for _, t := range c.order(c.first) {
		r.run(d, fmt.Sprint("has-", tenants[t]), ofSize(tenants[t], 400))
		r.passes(time.Second)
	}
	if c.since == "all ended" {
		for _, t := range tenants {
			r.runs("w", fmt.Sprint("has-", t))
			endsAll(r, fmt.Sprint("has-", t))
		}
		_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent { return &berth.Intent{Cordon: true} })
		r.ok(err)
		r.passes(time.Second)
	}
	for _, t := range c.order(c.waitsFirst) {
		q := r.submission(fmt.Sprint("wants-", tenants[t])).Spec
		if c.groupOf[t] {
			q = r.group(fmt.Sprint("wants-", tenants[t]), 2, 2)
			ofSize(tenants[t], 150)(&q)
		} else {
			ofSize(tenants[t], 300)(&q)
		}
		r.submitGroup(d, q)
		r.passes(time.Second)
	}
	if c.since == "restarted" {
		stop()
		d, stop = r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		r.passes(time.Second)
	}
	want := string(tenants[c.first])
	if got := c.planned(r, d); got != want {
		r.t.Errorf("by the plan %q are placed, want %q", got, want)
	}
	defer r.livesOf("w2", 400, 1<<30)()
	r.passes(time.Second)
	got := make(map[string]bool)
	for _, k := range r.held() {
		if w, id, _ := strings.Cut(k, "/"); w == "w2" {
			got[strings.TrimPrefix(id, "wants-")[:1]] = true
		}
	}
	if got := strings.Join(slices.Sorted(maps.Keys(got)), " "); got != want {
		r.t.Errorf("%q are placed, want %q", got, want)
	}
}

// order is both, the first first.
func (servedCase) order(first int) [2]int { return [2]int{first, 1 - first} }

func ofSize(t berth.TenantID, milli int64) func(*berth.Request) {
	return func(q *berth.Request) { sized(milli, 0)(q); q.Tenant = t; q.Resources.MemoryBytes = 1 << 20 }
}

// planned are those of whom something would be placed on one worker more.
func (servedCase) planned(r *rig, d *daemon.Daemon) string {
	r.t.Helper()
	var told bytes.Buffer
	r.ok(d.Snapshot(r.t.Context(), 0, &told))
	s, err := snapshot.Read(&told, nil)
	r.ok(err)
	more := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 400, MemoryBytes: 1 << 30}}
	outcomes, err := s.Forecast(&snapshot.Change{Add: []snapshot.Addition{{Count: 1, Pool: "default", Capacity: more}}})
	r.ok(err)
	all := make(map[string]bool)
	for i := range outcomes {
		if o := &outcomes[i]; o.Worker != "" {
			all[string(o.Tenant)] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}
