package rules

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/invariant"
	"github.com/berthd/berth/robustness/memetcd"
)

// Whatever tenants with quotas of types of devices ask for, alone and in groups, and whatever ends, comes and is limited
// meanwhile: when the cluster is at rest, nothing waits for which there is a place that its tenant's quota allows, by an oracle
// that tries every place (quotaoracleplaces_test.go, quotaoraclewaits_test.go) and knows nothing of how quotas are taken and places are found. The
// invariants hold at every revision: so what is placed had one. And at rest nothing is written.
func TestQuotaTypes_Oracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{}) })
}

// The same where parts of the quotas are guaranteed, and lent while they are idle: nothing waits for which there is a place that
// its tenant's quota allows with what others would lend, who wait for nothing themselves. Nor is anything written at rest.
func TestQuotaTypes_LoansOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{lends: true}) })
}

// The same of groups alone whose members ask for devices twice: they are placed wherever their quota has enough for all of them of
// several types together, however those have to be dealt.
func TestQuotaTypes_MembersOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{alone: "group"}) })
}

// The same of requests by themselves that ask for devices twice, each demand of any of several types: they are placed wherever one
// choice of types for all of their demands finds a place.
func TestQuotaTypes_DemandsOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{alone: "submit"}) })
}

// The same where others make room for some requests: nothing of these waits either for which others could make room on one worker,
// with any choice of types for its demands that its quota has enough of.
func TestQuotaTypes_RoomOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{alone: "submit", room: true}) })
}

// The same among groups, for which something is kept: once it no longer is, nothing waits for which others could make room there.
func TestQuotaTypes_RoomAmongGroupsOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkOracle(t, rt, drawing{room: true}) })
}

func checkOracle(t *testing.T, rt *rapid.T, as drawing) {
	scene := drawScene(rt, as)
	deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) typed { return drawTyped(t, as) }), 2, 14).Draw(rt, "deeds")
	wrong := ""
	synctest.Test(t, func(t *testing.T) { wrong = oracleModel(t, scene, deeds) })
	if wrong != "" {
		rt.Fatal(wrong)
	}
}

// oracleModel does all of it, and says what is wrong then.
func oracleModel(t *testing.T, scene typedScene, deeds []typed) (wrong string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := &typedModel{modelled: newModelled(ctx, t), wants: map[string]typed{}}
	defer m.expire(cancel)
	broken := m.broken()
	m.begins(scene)
	for i, d := range deeds {
		m.happens(fmt.Sprintf("r%02d", i), d)
		if d.soon && i < len(deeds)-1 {
			continue
		}
		if wrong = m.rests(); wrong != "" {
			wrong = fmt.Sprintf("after %d deeds: %s", i+1, wrong)
			break
		}
	}
	if wrong == "" {
		wrong = m.restless()
	}
	endAll(append(m.stops, m.kills...))
	return cmp.Or(broken(), wrong)
}

// typedModel is the store that the daemons of a scene share.
type typedModel struct {
	*modelled
	wants   map[string]typed // by request or group
	workers int
	kills   []func()
}

// mostWorkers are few enough that the oracle can try every place.
const mostWorkers = 6

// broken has the invariants looked at, at every revision, until it is asked what it found.
func (m *typedModel) broken() (found func() string) {
	ctx, cancel := contextOf(m.rig)
	first, checked := "", make(chan struct{})
	go func() {
		defer close(checked)
		_ = invariant.WatchStore(ctx, memetcd.NewClient(ctx, m.conn.Direct), "/berth/", invariant.Options{}, func(rep invariant.Report) error {
			for _, v := range rep.Violations {
				first = cmp.Or(first, fmt.Sprintf("at revision %d: %v", rep.Revision, v))
			}
			return nil
		})
	}()
	return func() string {
		synctest.Wait()
		cancel()
		<-checked
		return first
	}
}

func (m *typedModel) begins(scene typedScene) {
	m.ds, m.stops = make([]*daemon.Daemon, scene.daemons), make([]func(), scene.daemons)
	for i := range m.ds {
		m.begin(i)
	}
	for i, of := range oracleTenants {
		m.limited(0, of, scene.quotas[i])
	}
	for _, has := range scene.machines {
		m.workerComes(has)
	}
}

func (m *typedModel) happens(id string, d typed) {
	by := d.by % len(m.ds)
	switch d.kind {
	case "submit", "group":
		m.asked(by, id, d)
	case "end":
		m.oneEnds(d.pick)
	case "cancel":
		m.oneIsCancelled(by, d.pick)
	case "limit":
		m.limited(by, d.tenant, d.quota)
	case "worker":
		if m.workers < mostWorkers {
			m.workerComes(d.has)
		}
	case "restart":
		m.stops[by]()
		m.begin(by)
	}
}

// asked submits a request, or a group.
func (m *typedModel) asked(by int, id string, d typed) {
	m.wants[id], m.owner[id], m.sizes[id] = d, d.tenant, d.size
	m.run(m.ds[by], id, func(q *berth.Request) {
		some(d.tenant, d.cpu)(q)
		q.Priority, q.Resources.Devices = d.priority, d.wants
		if d.presses {
			q.Preemption = berth.PreemptionLower
		}
		if d.size > 0 {
			q.Group = &berth.Membership{Size: d.size, MinCount: d.least}
			*q = q.Normalize()
		}
	})
}

// oneEnds has one of those that are placed run and end.
func (m *typedModel) oneEnds(pick int) {
	keys := slices.DeleteFunc(m.allocations(), func(key string) bool {
		_, w, id := splitAllocation(key)
		a, _ := m.allocation(w, id)
		return a.State != berth.StatePlaced // no daemon has ended yet what exited just now
	})
	if len(keys) > 0 {
		_, w, id := splitAllocation(keys[pick%len(keys)])
		m.rig.ends(w, id)
	}
}

// oneIsCancelled cancels one of the requests of no group that wait.
func (m *typedModel) oneIsCancelled(by, pick int) {
	var waiting []string
	for _, id := range slices.Sorted(maps.Keys(m.wants)) {
		if left, placed := m.left(id); m.sizes[id] == 0 && left > placed {
			waiting = append(waiting, id)
		}
	}
	if len(waiting) > 0 {
		_, err := m.ds[by].Cancel(m.t.Context(), berth.RequestID(waiting[pick%len(waiting)]), "")
		m.ok(err)
		synctest.Wait()
	}
}

// splitAllocation is the request or group, the worker and the request of an allocation's key.
func splitAllocation(key string) (of, w, id string) {
	parts := strings.Split(key, "/")
	of, _, _ = strings.Cut(parts[2], ".")
	return of, parts[1], parts[2]
}

func (m *typedModel) limited(by int, t berth.TenantID, q quotaOf) {
	if len(q.limits) == 0 && m.kv("tenants/"+string(t)) == nil {
		return // it is not limited
	}
	_, err := m.ds[by].SetQuota(m.t.Context(), daemon.QuotaChange{Tenant: t, Pool: "default", All: true, Set: q.limits, Guarantee: q.guaranteed})
	m.ok(err)
	synctest.Wait()
}

// workerComes registers a worker whose lease is kept alive.
func (m *typedModel) workerComes(has machineOf) {
	lease, err := m.KeepLease(m.t.Context(), 60*time.Second)
	m.ok(err)
	reg := m.registration(lease)
	reg.Capacity.CPUMilli = has.cpu
	for i, kind := range has.devices {
		reg.Capacity.Devices = append(reg.Capacity.Devices, berth.Device{Name: fmt.Sprint("g", i), Type: kind})
	}
	_, err = m.RegisterWorker(m.t.Context(), berth.WorkerID(fmt.Sprint("w", m.workers)), reg)
	m.ok(err)
	m.workers++
	ctx, cancel := contextOf(m.rig)
	ended := make(chan struct{})
	go func() { _ = lease.Run(ctx); close(ended) }()
	m.kills = append(m.kills, func() { cancel(); <-ended })
	synctest.Wait()
}

// rests lets time pass in which nothing happens, and says who waits then though it has a place. That quota is gathered for
// another holds it up for a while, and not for ever; and what that leaves when it ends is not taken in that very moment.
func (m *typedModel) rests() (wrong string) {
	m.passes(time.Minute)
	for range 40 {
		gathered := m.gathered()
		if wrong = m.waitsInVain(); wrong == "" {
			break
		}
		if m.passes(15 * time.Second); !gathered {
			wrong = m.waitsInVain()
			break
		}
	}
	return wrong
}
