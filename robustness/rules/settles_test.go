package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// TestPreempt_Settles: where nothing comes and nothing ends by itself, whoever makes room for whom, near whom, and apart from whom:
// after a while all is as it stays. Nobody is stopped for ever, for somebody who never gets the place.
func TestPreempt_Settles(t *testing.T) {
	for seed := range uint64(60) { // of the first 2,000 all settle
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(r *rig) { settles(r, rand.New(rand.NewPCG(seed, 5))) }) //nolint:gosec // a test's
		})
	}
}

// settling is how long everything may take, and settled how long nothing may happen then: longer than any backoff.
const (
	settling = 10 * time.Minute
	settled  = 2 * time.Minute
)

func settles(r *rig, random *rand.Rand) {
	d, stop := r.alone()
	defer stop()
	for i := range 2 + random.IntN(4) {
		lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
		r.ok(err)
		reg := r.registration(lease)
		reg.Labels = map[string]string{"rack": fmt.Sprint(random.IntN(2))}
		r.t.Logf("w%d in rack %s", i, reg.Labels["rack"])
		_, err = r.RegisterWorker(r.t.Context(), berth.WorkerID(fmt.Sprint("w", i)), reg)
		r.ok(err)
		go func() { _ = lease.Run(r.t.Context()) }()
	}
	r.passes(time.Second)
	for _, of := range []berth.TenantID{"a", "b"} {
		if limit := 100 * (3 + random.Int64N(20)); random.IntN(2) > 0 {
			r.lends(d, random, of, limit)
		}
	}
	for i := range 3 + random.IntN(6) {
		r.asks(d, random, fmt.Sprint("low", i), random.Int32N(3))
	}
	r.work(random, 10*time.Second)
	for i := range 1 + random.IntN(4) {
		r.asks(d, random, fmt.Sprint("high", i), 3+random.Int32N(3))
		r.work(random, time.Duration(random.IntN(20))*time.Second)
	}
	r.work(random, settling)
	before := r.stands()
	r.work(random, settled)
	if after := r.stands(); !slices.Equal(before, after) {
		r.t.Errorf("it does not settle: after %v\n%s\nand %v later\n%s", settling, strings.Join(before, "\n"), settled, strings.Join(after, "\n"))
	}
	r.noneIdles(d)
}

// noneIdles says that nobody waits for what another like it, that comes now and matters least, would get.
func (r *rig) noneIdles(d *daemon.Daemon) {
	list, err := d.List(r.t.Context(), daemon.Filter{States: []berth.State{berth.StatePending}, Blocked: true})
	r.ok(err)
	for i := range list {
		s := &list[i]
		if s.Spec.Group != nil {
			continue
		}
		like := "like-" + string(s.ID)
		r.run(d, like, func(q *berth.Request) {
			*q = s.Spec
			q.ID, q.Priority, q.Preemption = berth.RequestID(like), 0, berth.PreemptionNever
		})
		r.passes(2 * time.Second)
		if r.are(like) > 0 && r.are(string(s.ID)) == 0 {
			r.t.Errorf("%s waits, told %+v, and one like it is placed: %v", s.ID, s.Verdict, r.held())
		}
		_, err := d.Cancel(r.t.Context(), berth.RequestID(like), "")
		r.ok(err)
		r.passes(time.Second)
	}
}

// lends limits a tenant, who may have some of it for sure, and may want that back.
func (r *rig) lends(d *daemon.Daemon, random *rand.Rand, of berth.TenantID, limit int64) {
	c := daemon.QuotaChange{Tenant: of, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: limit}}
	if random.IntN(2) > 0 {
		c.Guarantee = berth.Amounts{berth.DimensionCPU: random.Int64N(limit + 1)}
		if after := 1000 * random.Int64N(30); random.IntN(2) > 0 {
			c.ReclaimAfterMS = &after
		}
	}
	r.t.Logf("tenant %s: %+v", of, c)
	_, err := d.SetQuota(r.t.Context(), c)
	r.ok(err)
}

// asks submits a request, or a group, that may have to be near others, or apart from them, and may have others make room.
func (r *rig) asks(d *daemon.Daemon, random *rand.Rand, id string, priority int32) {
	app := func() string { return string(rune('a' + random.IntN(3))) }
	edit := func(q *berth.Request) {
		sized([]int64{100, 300, 500, 900}[random.IntN(4)], priority)(q)
		q.Tenant = []berth.TenantID{"a", "b", "c"}[random.IntN(3)]
		q.StopTimeoutMS = []int64{1000, 10_000, 120_000}[random.IntN(3)]
		q.Labels = map[string]string{"app": app()}
		if random.IntN(3) > 0 {
			q.Preemption = berth.PreemptionLower
		}
		topology := []string{berth.TopologyHost, "rack"}[random.IntN(2)]
		switch random.IntN(5) {
		case 0, 1:
			q.AntiAffinity = near(app())
			q.AntiAffinity[0].Topology = topology
		case 2:
			q.Affinity = near(app())
			q.Affinity[0].Topology = topology
		case 3:
			q.Spread = []berth.Spread{{Requests: berth.RequestLabel{Label: "app", Value: q.Labels["app"]}, Topology: topology, MaxSkew: 1}}
		}
	}
	if random.IntN(3) > 0 {
		r.run(d, id, func(q *berth.Request) { edit(q); r.t.Logf("%s", describe(q)) })
		return
	}
	size := 1 + random.Int64N(3)
	g := r.group(id, size, 1+random.Int64N(size))
	edit(&g)
	r.t.Logf("%s of %d, at least %d", describe(&g), size, g.Group.MinCount)
	r.submitGroup(d, g)
}

// work lets workers start what is placed there, and what is told to stop end at some time in its grace.
func (r *rig) work(random *rand.Rand, of time.Duration) {
	for ends := time.Now().Add(of); time.Now().Before(ends); r.passes(time.Second) {
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			switch a, _ := r.allocation(w, id); {
			case a == nil:
			case a.State == berth.StatePlaced && a.Stop == nil:
				if random.IntN(4) > 0 {
					r.runs(w, id)
				}
			case a.Stop != nil && a.State != berth.StateExited && (random.IntN(8) == 0 || time.Now().After(a.Stop.Deadline)):
				r.exits(w, id)
			}
		}
	}
}

// stands is what is where, and in which attempt.
func (r *rig) stands() (all []string) {
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		a, _ := r.allocation(w, id)
		line := fmt.Sprintf("%s %s attempt %d", k, a.State, a.Attempt)
		if a.Stop != nil {
			line += ", " + a.Stop.Message
		}
		all = append(all, line)
	}
	return all
}

// describe is what a request asks for.
func describe(q *berth.Request) string {
	return fmt.Sprintf("%s of %s: %d, %v, priority %d %s, stops in %v, affinity %v, apart %v, spread %v", q.ID, q.Tenant, q.Resources.CPUMilli, q.Labels, q.Priority, q.Preemption,
		q.StopTimeoutMS, words(q.Affinity), words(q.AntiAffinity), q.Spread)
}

func words(all []berth.Affinity) (out []string) {
	for _, a := range all {
		out = append(out, a.Requests.String()+"@"+a.Topology)
	}
	return out
}
