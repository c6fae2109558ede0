package invariant

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// object is a JSON object. The tests write values by hand: with the code of the
// check they would repeat its errors.
type object = map[string]any

// cell is one key of a hand-made store.
type cell struct {
	value       object
	raw         string // instead of value
	create, mod int64
	lease       int64
}

type store map[string]*cell

func (s store) pairs() []Pair {
	var out []Pair
	for _, k := range slices.Sorted(maps.Keys(s)) {
		out = append(out, s.pair(k))
	}
	return out
}

func (s store) pair(key string) Pair {
	c := s[key]
	value := []byte(c.raw)
	if c.raw == "" {
		var err error
		if value, err = json.Marshal(c.value); err != nil {
			panic(err)
		}
	}
	return Pair{Key: key, Value: value, Create: c.create, Mod: c.mod, Lease: c.lease}
}

// set replaces fields, named by paths.
func (s store) set(key string, pairs ...any) {
	for i := 0; i < len(pairs); i += 2 {
		at := s[key].value
		path := strings.Split(fmt.Sprint(pairs[i]), ".")
		for _, p := range path[:len(path)-1] {
			at = at[p].(object) //nolint:errcheck // a path that is not there is a bug of the test: it panics
		}
		if pairs[i+1] == nil {
			delete(at, path[len(path)-1])
		} else {
			at[path[len(path)-1]] = pairs[i+1]
		}
	}
}

func (s store) add(key string, create, mod, lease int64, value object) {
	value["version"], value["txn"] = 1, "t"
	s[key] = &cell{value: value, create: create, mod: mod, lease: lease}
}

const day = "2026-11-25T03:07:00Z"

func someShare() object {
	return object{
		"cpu_milli": 500, "memory_bytes": 1000, "disk_bytes": 10, "custom": object{"license": 1},
		"ports": []any{20000}, "devices": []any{object{"name": "gpu0", "milli": 500}},
	}
}

func someCapacity() object {
	return object{
		"cpu_milli": 1000, "memory_bytes": 4000, "disk_bytes": 100, "custom": object{"license": 4},
		"ports": object{"first": 20000, "last": 20010}, "devices": []any{object{"name": "gpu0", "type": "t4"}, object{"name": "gpu1", "type": "t4"}},
	}
}

func someSpec(id string) object {
	return object{
		"id": id, "tenant": "acme", "pool": "default", "command": []any{"true"}, "resources": object{"cpu_milli": 500},
		"retry": object{"max_attempts": 3, "backoff_ms": 100}, "stop_timeout_ms": 10000, "start_timeout_ms": 10000,
	}
}

// countedSpec is of r1, alone in a pool in which its tenant is limited.
func countedSpec() object {
	spec := someSpec("r1")
	spec["pool"] = "batch"
	return spec
}

// usedByR1 is what it counts for.
func usedByR1() object {
	return object{"cpu_milli": 500, "memory_bytes": 1000, "disk_bytes": 10, "custom.license": 1, "devices.t4": 500}
}

func digestOfSpec(spec object) string {
	b, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (s store) addRequest(id string, create int64, spec object) {
	s.add("requests/"+id, create, create, 0, object{"digest": digestOfSpec(spec), "submitted_at": day, "spec": spec})
}

func (s store) addArchive(id string, rev int64, spec object) {
	s.add("archive/"+id, rev, rev, 0, object{
		"digest": digestOfSpec(spec), "spec": spec, "state": "SUCCEEDED", "reason": "exited", "attempt": 1,
		"submitted_at": day, "ended_at": day,
	})
}

func (s store) addPlaced(worker, id string, epoch, rev int64, share object) {
	s.add("states/"+id, rev, rev, 0, object{"state": "PLACED", "attempt": 1, "used_attempts": 0, "worker": worker, "epoch": epoch, "plan_id": "p"})
	s.add("allocations/"+worker+"/"+id, rev, rev, 0, object{
		"state": "PLACED", "attempt": 1, "epoch": epoch, "plan_id": "p", "tenant": "acme", "share": share, "start_timeout_ms": 10000,
		"placed_at": day, "planned": object{"revision": 20, "clock": day, "seed": 1, "policy": "spread/1"},
	})
}

// healthy is a store at revision 100 where nothing is wrong: one allocation that
// uses every resource, a request that waits, one that ended, a group of two, a
// quota with a block.
func healthy() store {
	s := store{}
	s.add("schema", 1, 1, 0, object{"layout": 1})
	s.add("daemons/d1", 2, 2, 5, object{"program": "v1", "max_schema": 1, "started_at": day})
	s.add("pools/default", 3, 3, 0, object{"strategy": "spread"})
	s.add("brakes/default", 3, 3, 0, object{
		"state": "engaged", "size": 3, "lost": 3, "held": 9, "since": day, "at": day, "bound_ms": 300_000,
	})
	for i, w := range []string{"w1", "w2"} {
		epoch := int64(10 + i)
		s.add("workers/"+w, epoch, epoch, 0xabc+int64(i), object{
			"pool": "default", "capacity": someCapacity(), "lease": fmt.Sprintf("%x", 0xabc+i), "ttl_seconds": 10, "kill_bound_ms": 2000,
			"agent": "v1", "started_at": day,
		})
	}
	s.add("ledgers/w1", 15, 30, 0, object{"epoch": 10, "capacity": someCapacity(), "count": 1, "reserved": someShare(), "held": object{}})
	s.add("ledgers/w2", 16, 40, 0, object{"epoch": 11, "capacity": someCapacity(), "count": 2, "reserved": object{"cpu_milli": 200}, "held": object{}})
	s.addRequest("r1", 20, countedSpec())
	s.addPlaced("w1", "r1", 10, 30, someShare())
	s.set("allocations/w1/r1", "quota_block", "d1")
	s.addRequest("waits", 21, someSpec("waits"))
	s.addArchive("done", 22, someSpec("done"))
	s.add("tenants/acme", 4, 25, 0, object{"pools": object{"batch": object{
		"limits": object{"cpu_milli": 2000, "devices.t4": 1000, "custom.license": 2}, "blocks": 1, "short": []any{"d2"},
		"taken": object{"cpu_milli": 1000, "devices.t4": 1000, "custom.license": 1},
	}}})
	s.add("tenants/acme/d1", 5, 30, 0, object{"pools": object{"batch": object{
		"block": object{"cpu_milli": 1000, "devices.t4": 1000, "custom.license": 1}, "used": usedByR1(),
	}}})
	s.add("tenants/lender", 6, 26, 0, object{"pools": object{"batch": object{
		"limits": object{"cpu_milli": 1000}, "guaranteed": object{"cpu_milli": 800}, "taken": object{"cpu_milli": 400}, "blocks": 1,
		"lent": object{"borrower": object{"cpu_milli": 300}}, "recalled": object{"borrower": object{"cpu_milli": 100}},
	}}})
	s.add("tenants/lender/d1", 7, 26, 0, object{"pools": object{"batch": object{"block": object{"cpu_milli": 400}}}})
	s.add("tenants/borrower", 8, 26, 0, object{"pools": object{"batch": object{
		"limits": object{"cpu_milli": 500}, "guaranteed": object{"cpu_milli": 0}, "taken": object{"cpu_milli": 300}, "blocks": 1,
		"borrowed": object{"lender": object{"cpu_milli": 300}},
	}}})
	s.add("tenants/borrower/d1", 9, 26, 0, object{"pools": object{"batch": object{"block": object{"cpu_milli": 300}}}})
	s.add("groups/g", 23, 40, 0, object{"size": 3, "min_count": 2, "digest": "x", "attempt": 1, "state": "PLACED", "since": day})
	for _, id := range []string{"g1", "g2", "g3"} {
		spec := someSpec(id)
		spec["group"] = object{"id": "g", "size": 3, "min_count": 2}
		s.addRequest(id, 23, spec)
		if id == "g3" {
			break // it waits
		}
		s.addPlaced("w2", id, 11, 40, object{"cpu_milli": 100})
		s.set("allocations/w2/"+id, "group", "g", "group_attempt", 1)
	}
	return s
}

func loaded(s store) *State {
	st := NewState(Options{MinRetention: time.Hour, Now: func() time.Time { return time.Date(2026, 11, 25, 3, 8, 0, 0, time.UTC) }})
	st.Load(100, s.pairs())
	return st
}

func clausesIn(list []Violation) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.Clause)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unplace takes the allocation of r1 and all that counts it away.
func unplace(s store) {
	delete(s, "allocations/w1/r1")
	delete(s, "states/r1")
	s.set("ledgers/w1", "reserved", object{}, "count", 0)
	s.set("tenants/acme/d1", "pools.batch.used", object{})
}
