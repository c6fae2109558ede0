package rules

import (
	"encoding/json"
	"fmt"
	"maps"
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
	}
	return ""
}

// vacancies are what capacities, and a tenant's quota, leave beside all allocations, on workers that are kept for no other group.
func (m *typedModel) vacancies(id string) *vacancies {
	v, used, kept := &vacancies{}, map[berth.TenantID]berth.Amounts{}, m.keptFor(id)
	for _, w := range m.workerIDs() {
		l, _ := m.ledger(w)
		f := freeWorker{cpu: l.Capacity.CPUMilli, memory: l.Capacity.MemoryBytes}
		for _, d := range l.Capacity.Devices {
			f.types, f.rooms = append(f.types, d.Type), append(f.rooms, berth.WholeDevice)
		}
		for _, a := range m.on(w) {
			f.without(&a.Share, &l.Capacity)
			sum, err := used[a.Tenant].Plus(berth.AmountsOf(&a.Share, &l.Capacity))
			m.ok(err)
			used[a.Tenant] = sum
		}
		if !kept[w] {
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

// on are the allocations of a worker.
func (m *typedModel) on(w berth.WorkerID) (out []berth.Allocation) {
	resp, err := m.client.Get(m.t.Context(), "/berth/allocations/"+string(w)+"/", clientv3.WithPrefix())
	m.ok(err)
	for _, kv := range resp.Kvs {
		var a berth.Allocation
		m.ok(json.Unmarshal(kv.Value, &a))
		out = append(out, a)
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
