package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// waitsInVain says who waits though there is a place for it: of a group, for as many as have to begin together.
func (m *typedModel) waitsInVain() string {
	for _, id := range slices.Sorted(maps.Keys(m.wants)) {
		d := m.wants[id]
		left, placed := m.left(id)
		if placed >= left {
			continue
		}
		n := int64(1)
		if d.size > 0 && placed == 0 {
			n = m.atLeast(id)
		}
		if m.vacancies(id).haveRoom(&d, n) {
			return fmt.Sprintf("%s waits, %d of %d are placed, and %d more could be: %s", id, placed, left, n, m.why(id))
		}
		if on := m.couldHaveRoom(id, &d); on != "" {
			return fmt.Sprintf("%s waits, and others could make room for it on %s: %s", id, on, m.why(id))
		}
	}
	return ""
}

// vacancies are what capacities, and a tenant's quota, leave beside all allocations, on workers that are kept for no other group.
func (m *typedModel) vacancies(id string) *vacancies { return m.without(id, "", 0) }

// couldHaveRoom is a worker on which a request would fit, had those there ended that matter less; "": there is none, or nobody ends for it.
func (m *typedModel) couldHaveRoom(id string, d *typed) string {
	if !d.presses || m.hadToGo(id) {
		return ""
	}
	for _, w := range m.workerIDs() {
		if m.without(id, w, d.priority).haveRoom(d, 1) {
			return string(w)
		}
	}
	return ""
}

// hadToGo says whether a request has made room for another, and has not run again since.
func (m *typedModel) hadToGo(id string) bool {
	facts, err := m.Get(m.t.Context(), berth.Key{Kind: berth.KindState, ID: id})
	m.ok(err)
	p, ok := facts[0].Record.(*berth.Progress)
	return ok && p.LastEnd.MadeRoom()
}

// without is vacancies; from a worker: of that alone, were those gone that matter less than a priority.
func (m *typedModel) without(id string, from berth.WorkerID, priority int32) *vacancies {
	v, used, kept := &vacancies{}, map[berth.TenantID]berth.Amounts{}, m.keptFor(id)
	for _, w := range m.workerIDs() {
		l, _ := m.ledger(w)
		f := freeWorker{cpu: l.Capacity.CPUMilli, memory: l.Capacity.MemoryBytes}
		for _, d := range l.Capacity.Devices {
			f.types, f.rooms = append(f.types, d.Type), append(f.rooms, berth.WholeDevice)
		}
		for one, a := range m.on(w) {
			if of, _, _ := strings.Cut(one, "."); w != from || m.wants[of].priority >= priority {
				f.without(&a.Share, &l.Capacity)
			}
			sum, err := used[a.Tenant].Plus(berth.AmountsOf(&a.Share, &l.Capacity))
			m.ok(err)
			used[a.Tenant] = sum
		}
		if !kept[w] && (from == "" || w == from) {
			v.workers = append(v.workers, f)
		}
	}
	v.allowed = m.leaves(m.owner[id], used)
	return v
}

// leaves is what a tenant's quota leaves it: its limits, less what it uses; and where a part of one is guaranteed, at most what
// is idle of the guaranteed parts of all: what others wait for themselves they do not lend.
func (m *typedModel) leaves(t berth.TenantID, used map[berth.TenantID]berth.Amounts) berth.Amounts {
	q := m.tenant(t).Pools["default"]
	out := berth.Amounts{}
	for dim, most := range q.Limits {
		out[dim] = most - used[t][dim]
		if _, some := q.Guaranteed[dim]; !some {
			out[dim] -= q.Lent.Of(dim) // of before nothing of it was guaranteed any more
			continue
		}
		idle := int64(0)
		for _, o := range oracleTenants {
			g, lends := m.tenant(o).Pools["default"].Guaranteed[dim]
			if rest := g - used[o][dim]; lends && (rest < 0 || o == t || !m.waits(o)) {
				idle += rest
			}
		}
		out[dim] = min(out[dim], idle)
	}
	return out
}

// waits says whether something of a tenant waits.
func (m *typedModel) waits(t berth.TenantID) bool {
	for id, of := range m.owner {
		if left, placed := m.left(id); of == t && left > placed {
			return true
		}
	}
	return false
}

func (f *freeWorker) without(s *berth.Share, of *berth.Capacity) {
	f.cpu -= s.CPUMilli
	f.memory -= s.MemoryBytes
	for _, d := range s.Devices {
		f.rooms[slices.IndexFunc(of.Devices, func(o berth.Device) bool { return o.Name == d.Name })] -= d.Milli
	}
}

// left are those of a request, or of a group, that have not ended, and that are placed.
func (m *typedModel) left(id string) (left, placed int64) {
	all := []string{id}
	if n := m.sizes[id]; n > 0 {
		all = ids(id+".", int(n))
	}
	for _, id := range all {
		left += m.there("requests/" + id)
	}
	for _, key := range m.allocations() {
		if of, _, _ := splitAllocation(key); of == id {
			placed++
		}
	}
	return left, placed
}

// keptFor are the workers that are kept for another group.
func (m *typedModel) keptFor(id string) map[berth.WorkerID]bool {
	kv, out := m.kv("keeps/default"), map[berth.WorkerID]bool{}
	if kv == nil {
		return out
	}
	var k berth.Keep
	m.ok(json.Unmarshal(kv.Value, &k))
	for _, w := range k.Workers {
		out[w.Worker] = k.Group != berth.GroupID(id)
	}
	return out
}

// gathered says whether quota is gathered for something.
func (m *typedModel) gathered() bool {
	return slices.ContainsFunc(oracleTenants, func(t berth.TenantID) bool { return len(m.tenant(t).Pools["default"].Gathering) > 0 })
}

func (m *typedModel) tenant(t berth.TenantID) (rec berth.Tenant) {
	if kv := m.kv("tenants/" + string(t)); kv != nil {
		m.ok(json.Unmarshal(kv.Value, &rec))
	}
	return rec
}

func (m *typedModel) workerIDs() (out []berth.WorkerID) {
	for i := range m.workers {
		out = append(out, berth.WorkerID(fmt.Sprint("w", i)))
	}
	return out
}

// on are the allocations of a worker, by request.
func (m *typedModel) on(w berth.WorkerID) map[string]berth.Allocation {
	out := map[string]berth.Allocation{}
	resp, err := m.client.Get(m.t.Context(), "/berth/allocations/"+string(w)+"/", clientv3.WithPrefix())
	m.ok(err)
	for _, kv := range resp.Kvs {
		var a berth.Allocation
		m.ok(json.Unmarshal(kv.Value, &a))
		out[path.Base(string(kv.Key))] = a
	}
	return out
}

// why is what a request, or a group, is told that it waits for, with what stands in the records.
func (m *typedModel) why(id string) string {
	var b strings.Builder
	if m.sizes[id] > 0 {
		s, err := m.ds[0].Group(m.t.Context(), berth.GroupID(id))
		m.ok(err)
		fmt.Fprintf(&b, "%+v", s.Verdict)
	} else {
		fmt.Fprintf(&b, "%+v", m.state(m.ds[0], id).Verdict)
	}
	for _, w := range m.workerIDs() {
		l, _ := m.ledger(w)
		fmt.Fprintf(&b, "\n%s: %+v of %+v", w, l.Reserved, l.Capacity)
	}
	if kv := m.kv("keeps/default"); kv != nil {
		fmt.Fprintf(&b, "\nkept: %s", kv.Value)
	}
	return b.String() + "\n" + m.dump()
}
