package invariant

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestCheck_Healthy(t *testing.T) {
	if found := loaded(healthy()).Check(); len(found) > 0 {
		t.Errorf("%v", found)
	}
	if found := NewState(Options{}).Check(); len(found) > 0 {
		t.Errorf("an empty store: %v", found)
	}
}

// unplace takes the allocation of r1 and all that counts it away.
func unplace(s store) {
	delete(s, "allocations/w1/r1")
	delete(s, "states/r1")
	s.set("ledgers/w1", "reserved", object{}, "count", 0)
	s.set("tenants/acme/d1", "pools.batch.used", object{})
}

// corruptions break one clause each. More are named only where one cannot be
// broken without the others.
var corruptions = []struct {
	name string
	want string
	harm func(s store)
}{
	{"a foreign key", "0.1", func(s store) { s["things/x"] = &cell{raw: "1", create: 50, mod: 50} }},
	{"an id in capitals", "0.1", func(s store) { s["requests/BIG"] = s["requests/waits"]; delete(s, "requests/waits") }},
	{"a key too short", "0.1", func(s store) { s["allocations/w1"] = &cell{raw: "{}", create: 50, mod: 50} }},
	{"no JSON", "0.2", func(s store) { s["pools/default"].raw = "spread" }},
	{"an unknown field", "0.2", func(s store) { s.set("pools/default", "colour", "red") }},
	{"a field in capitals", "0.2", func(s store) { s.set("pools/default", "strategy", nil, "Strategy", "spread") }},
	{"a missing field", "0.2", func(s store) { s.set("daemons/d1", "program", nil) }},
	{"a field twice", "0.2", func(s store) {
		s["pools/default"].raw = `{"version":1,"txn":"t","strategy":"spread","strategy":"spread"}`
	}},
	{"null", "0.2", func(s store) { s["pools/default"].raw = `{"version":1,"txn":"t","strategy":null}` }},
	{"a number with a fraction", "0.2", func(s store) { s.set("schema", "layout", 1.5) }},
	{"trailing garbage", "0.2", func(s store) { s["pools/default"].raw = `{"version":1,"txn":"t","strategy":"spread"}}` }},
	{"a newer version", "0.3", func(s store) { s.set("pools/default", "version", 2) }},
	{"version 0", "0.3", func(s store) { s.set("pools/default", "version", 0) }},
	{"an unknown strategy", "0.4", func(s store) { s.set("pools/default", "strategy", "best") }},
	{"an unknown brake", "0.4", func(s store) { s.set("brakes/default", "state", "on") }},
	{"an unknown release", "0.4", func(s store) { s.set("brakes/default", "state", "released", "why", "luck") }},
	{"a release without a reason", "0.5", func(s store) { s.set("brakes/default", "state", "released") }},
	{"a brake without a bound", "0.5", func(s store) { s.set("brakes/default", "bound_ms", 0) }},
	{"more lost than there were", "0.5", func(s store) { s.set("brakes/default", "lost", 4) }},
	{"a brake's share above the whole", "0.5", func(s store) { s.set("pools/default", "brake_percent", 101) }},
	{"an unknown end", "0.4", func(s store) { s.set("archive/done", "state", "RUNNING") }},
	{"a negative amount", "0.5", func(s store) {
		s.set("tenants/acme", "pools.batch.limits", object{"cpu_milli": -1})
		delete(s, "tenants/acme/d1")
		s.set("allocations/w1/r1", "quota_block", nil)
	}},
	{"exit without EXITED", "0.5", func(s store) { s.set("daemons/d1", "version", 1); s.set("archive/done", "attempt", -1) }},
	{"an archive of another id", "0.5", func(s store) { s.set("archive/done", "spec.id", "other") }},
	{"a daemon without a lease", "0.6", func(s store) { s["daemons/d1"].lease = 0 }},
	{"a ledger with a lease", "0.6", func(s store) { s["ledgers/w1"].lease = 7 }},
	{"a worker under another lease", "0.6", func(s store) { s["workers/w1"].lease = 7 }},
	{"no schema", "0.7", func(s store) { delete(s, "schema") }},
	{"another layout", "0.7", func(s store) { s.set("schema", "layout", 2) }},

	{"too many cores", "1.1", func(s store) { s.both("cpu_milli", 500, 300) }},
	{"too much memory", "1.2", func(s store) { s.both("memory_bytes", 1000, 900) }},
	{"too much disk", "1.3", func(s store) { s.both("disk_bytes", 10, 9) }},
	{"too many licenses", "1.4", func(s store) { s.both("custom", object{"license": 1}, object{"license": 0}) }},
	{"a port out of range", "1.5", func(s store) {
		s.set("allocations/w1/r1", "share.ports", []any{30000})
		s.set("ledgers/w1", "reserved.ports", []any{30000})
	}},
	{"a device that is not there", "1.6", func(s store) {
		s.set("allocations/w1/r1", "share.devices", []any{object{"name": "gpu9", "milli": 500}})
		s.set("ledgers/w1", "reserved.devices", []any{object{"name": "gpu9", "milli": 500}})
		s.amount("tenants/acme/d1", "used", "devices.t4", 0)
	}},
	{"a device given out twice", "1.7", func(s store) {
		s.claim(object{"devices": []any{object{"name": "gpu0", "milli": 600}}})
	}},
	{"a port given out twice", "1.8", func(s store) { s.claim(object{"ports": []any{20000}}) }},
	{"another capacity than registered", "1.9", func(s store) { s.set("ledgers/w1", "capacity.cpu_milli", 2000) }},
	{"another device type than registered", "1.9", func(s store) {
		s.set("ledgers/w1", "capacity.devices", []any{object{"name": "gpu0", "type": "h100"}, object{"name": "gpu1", "type": "t4"}})
		s.amount("tenants/acme/d1", "used", "devices.t4", 0)
		s.amount("tenants/acme/d1", "used", "devices.h100", 500)
	}},

	{"cores leak", "2.1", func(s store) { s.set("ledgers/w1", "reserved.cpu_milli", 600) }},
	{"memory leaks", "2.2", func(s store) { s.set("ledgers/w1", "reserved.memory_bytes", 1001) }},
	{"disk leaks", "2.3", func(s store) { s.set("ledgers/w1", "reserved.disk_bytes", 11) }},
	{"a license leaks", "2.4", func(s store) { s.set("ledgers/w1", "reserved.custom", object{"license": 2}) }},
	{"a port leaks", "2.5", func(s store) { s.set("ledgers/w1", "reserved.ports", []any{20000, 20001}) }},
	{"a device leaks", "2.6", func(s store) {
		s.set("ledgers/w1", "reserved.devices", []any{object{"name": "gpu0", "milli": 500}, object{"name": "gpu1", "milli": 1}})
	}},
	{"a wrong count", "2.7", func(s store) { s.set("ledgers/w1", "count", 2) }},
	{"a claim beyond what it wants", "2.11", func(s store) {
		s.claim(object{"cpu_milli": 100})
		s.set("ledgers/w1", "claims", []any{object{"request": "waits", "attempt": 1, "share": object{"cpu_milli": 100}, "wants": object{"cpu_milli": 50}}})
	}},
	{"a claim that waits for nobody", "2.11", func(s store) {
		s.set("ledgers/w1", "claims", []any{object{"request": "waits", "attempt": 1, "share": object{}, "wants": object{"cpu_milli": 50}}})
	}},
	{"a victim that is gone", "2.12", func(s store) { s.waitFor("waits", "gone") }},
	{"a victim that nobody has told", "2.12", func(s store) { s.waitFor("waits", "r1") }},
	{"a victim of two claims", "2.12", func(s store) {
		s.set("allocations/w1/r1", "stop", object{"reason": "preempt", "deadline": "2026-11-25T03:07:02Z"})
		s.waitFor("waits", "r1", "r1")
	}},
	{"a claim that is not there", "2.13", func(s store) {
		s.add("states/waits", 50, 50, 0, object{"state": "PENDING", "attempt": 1, "used_attempts": 0, "claim_on": "w1"})
	}},
	{"held without a claim", "2.8", func(s store) { s.set("ledgers/w1", "held", object{"cpu_milli": 100}) }},
	{"no ledger", "2.9", func(s store) { delete(s, "ledgers/w1") }},
	{"a ledger of another epoch", "2.10", func(s store) { s.set("ledgers/w1", "epoch", 9) }},

	{"placed twice", "3.1", func(s store) {
		s.add("allocations/w2/r1", 41, 41, 0, maps.Clone(s["allocations/w1/r1"].value))
		s.set("allocations/w2/r1", "epoch", 11, "share", object{}, "quota_block", nil)
		s.set("ledgers/w2", "count", 3)
	}},
	{"placed nowhere", "3.2", func(s store) {
		delete(s, "allocations/w1/r1")
		s.set("ledgers/w1", "reserved", object{}, "count", 0)
		s.set("tenants/acme/d1", "pools.batch.used", object{})
	}},
	{"another attempt than the state's", "3.3", func(s store) { s.set("states/r1", "attempt", 2) }},
	{"another plan than the state's", "3.3", func(s store) { s.set("states/r1", "plan_id", "q") }},
	{"an allocation without a state", "3.4", func(s store) { delete(s, "states/r1") }},
	{"a state of another worker", "3.4", func(s store) { s.set("states/r1", "worker", "w2") }},
	{"a request and its archive", "3.5", func(s store) { s.addArchive("waits", 50, someSpec("waits")) }},
	{"a state of what ended", "3.6", func(s store) {
		s.add("states/done", 21, 21, 0, object{"state": "PENDING", "attempt": 1, "used_attempts": 0})
	}},
	{"an allocation of what ended", "3.7", func(s store) {
		delete(s, "requests/r1")
		delete(s, "states/r1")
		s.addArchive("r1", 50, countedSpec())
	}},

	{"a state without a request", "4.1", func(s store) {
		s.add("states/lost", 50, 50, 0, object{"state": "PENDING", "attempt": 1, "used_attempts": 0})
	}},
	{"a request written again", "4.4", func(s store) { s["requests/waits"].mod = 60 }},
	{"another request than was accepted", "4.5", func(s store) { s.set("requests/waits", "spec.command", []any{"false"}) }},
	{"another archive than was accepted", "4.5", func(s store) { s.set("archive/done", "spec.command", []any{"false"}) }},

	{"created before its epoch", "5.1", func(s store) { s["allocations/w1/r1"].create = 9 }},
	{"created for an epoch that was over", "5.3", func(s store) {
		s.set("allocations/w1/r1", "epoch", 8)
		s.set("states/r1", "epoch", 8)
		s.set("ledgers/w1", "epoch", 8)
	}},
	{"a ledger open for an epoch to come", "5.4", func(s store) {
		unplace(s)
		s.set("ledgers/w1", "epoch", 31)
		delete(s, "workers/w1")
	}},
	{"a registration put again", "5.5", func(s store) { s["workers/w1"].mod = 60 }},

	{"half a group", "6.1", func(s store) { s["allocations/w2/g2"].create = 41; s["allocations/w2/g2"].mod = 41 }},
	{"no group", "6.2", func(s store) { delete(s, "groups/g") }},
	{"an attempt to come", "6.3", func(s store) {
		s.set("allocations/w2/g1", "group_attempt", 2)
		s.set("allocations/w2/g2", "group_attempt", 2)
	}},
	{"too many failed", "6.7", func(s store) { s.set("groups/g", "failed", 2) }},
	{"another group than the request's", "6.4", func(s store) {
		s.set("allocations/w1/r1", "group", "g", "group_attempt", 1)
		s["allocations/w1/r1"].create = 40
		s["allocations/w1/r1"].mod = 40
	}},

	{"a limit of nothing that there is", "0.5", func(s store) {
		s.set("tenants/acme", "pools.batch.limits", object{"cores": 1})
		delete(s, "tenants/acme/d1")
		s.set("allocations/w1/r1", "quota_block", nil)
	}},
	{"more taken than the blocks", "7.1", func(s store) { s.amount("tenants/acme", "taken", "cpu_milli", 1001) }},
	{"a block that nobody knows of", "7.1", func(s store) { s.set("tenants/acme", "pools.batch.blocks", 2) }},
	{"use beyond the block", "7.2", func(s store) {
		s.amount("tenants/acme/d1", "block", "cpu_milli", 499)
		s.amount("tenants/acme", "taken", "cpu_milli", 499)
	}},
	{"use of devices beyond the block", "7.2", func(s store) {
		s.amount("tenants/acme/d1", "block", "devices.t4", 499)
		s.amount("tenants/acme", "taken", "devices.t4", 499)
	}},
	{"use that nobody has", "7.3", func(s store) { s.amount("tenants/acme/d1", "used", "cpu_milli", 600) }},
	{"devices that nobody has", "7.3", func(s store) { s.amount("tenants/acme/d1", "used", "devices.t4", 600) }},
	{"use of another pool", "7.3", func(s store) {
		s.set("tenants/acme/d1", "pools.default", object{"used": object{"cpu_milli": 1}})
		s.set("tenants/acme", "pools.default", object{"blocks": 1})
	}},
	{"a block of a pool that the tenant does not have", "7.4", func(s store) {
		s.set("tenants/acme/d1", "pools.default", object{"block": object{"cpu_milli": 0}})
	}},
	{"a block without a tenant", "7.4", func(s store) { delete(s, "tenants/acme") }},
	{"no block", "7.5", func(s store) {
		delete(s, "tenants/acme/d1")
		s.set("tenants/acme", "pools.batch.blocks", nil, "pools.batch.taken", nil)
	}},
	{"a claim that is counted and not used", "7.3", func(s store) { s.countedClaim("d1", 0) }},
	{"a claim's use that is no claim's", "7.3", func(s store) {
		s.countedClaim("d1", 50)
		s.set("ledgers/w1", "claims", nil, "held", object{})
	}},
	{"a claim counted in no block that is there", "7.5", func(s store) { s.countedClaim("d2", 0) }},
	{"another tenant than the request's", "7.6", func(s store) {
		s.set("allocations/w1/r1", "tenant", "other", "quota_block", nil)
		s.set("tenants/acme/d1", "pools.batch.used", object{})
	}},

	{"an archive written again", "8.1", func(s store) { s["archive/done"].mod = 60 }},
	{"a request that came back", "8.2", func(s store) { s.addRequest("done", 50, someSpec("done")) }},
}

// addCounted places a request of the pool batch on w2, at revision 101.
func (s store) addCounted(id string, cpu int64) {
	spec := someSpec(id)
	spec["pool"] = "batch"
	s.addRequest(id, 101, spec)
	s.addPlaced("w2", id, 11, 101, object{"cpu_milli": cpu})
	s.set("allocations/w2/"+id, "quota_block", "d1")
	s.set("ledgers/w2", "reserved", object{"cpu_milli": 200 + cpu}, "count", 3)
	s.rewrite("ledgers/w2", "tenants/acme/d1")
}

// amount sets one of a tenant's in the pool batch; its name may have a dot.
func (s store) amount(key, of, dimension string, v int64) {
	at := s[key].value["pools"].(object)["batch"].(object)[of].(object) //nolint:errcheck // else it panics
	at[dimension] = v
}

// both makes the capacity of w1, registered and in the ledger, smaller than what
// is reserved.
func (s store) both(resource string, _, most any) {
	s.set("ledgers/w1", "capacity."+resource, most)
	s.set("workers/w1", "capacity."+resource, most)
}

// claim holds a share of w1.
func (s store) claim(share object) {
	s.set("ledgers/w1", "held", share, "claims", []any{object{"request": "waits", "attempt": 1, "share": share, "wants": share}})
}

// countedClaim has a claim of w1 counted in a block of the pool batch, which uses so much for it.
func (s store) countedClaim(block string, used int64) {
	s.claim(object{"cpu_milli": 50})
	s.set("ledgers/w1", "claims", []any{object{
		"request": "waits", "attempt": 1, "share": object{"cpu_milli": 50}, "wants": object{"cpu_milli": 50},
		"counted": object{"tenant": "acme", "pool": "batch", "block": block},
	}})
	s.amount("tenants/acme/d1", "used", "cpu_milli", 500+used)
}

// claimed is a claim of a request of the pool batch, at revision 101.
func (s store) claimed(counted bool) {
	spec := someSpec("b1")
	spec["pool"] = "batch"
	s.addRequest("b1", 101, spec)
	s.countedClaim("d1", 50)
	c := s["ledgers/w1"].value["claims"].([]any)[0].(object) //nolint:errcheck // else it panics
	if c["request"] = "b1"; !counted {
		delete(c, "counted")
		s.amount("tenants/acme/d1", "used", "cpu_milli", 500)
	}
	s.rewrite("ledgers/w1", "tenants/acme/d1")
}

// waitFor has w1 claimed by a request that waits for these.
func (s store) waitFor(by string, victims ...any) {
	s.set("ledgers/w1", "claims", []any{object{"request": by, "attempt": 1, "share": object{}, "wants": object{"cpu_milli": 50}, "victims": victims}})
}

// TestCheck_Corrupted breaks a healthy store by hand, one clause at a time: the
// check names the clause, and nothing else.
func TestCheck_Corrupted(t *testing.T) {
	for _, tt := range corruptions {
		t.Run(tt.want+" "+tt.name, func(t *testing.T) {
			s := healthy()
			tt.harm(s)
			found := loaded(s).Check()
			if diff := cmp.Diff([]string{tt.want}, clausesIn(found)); diff != "" {
				t.Errorf("-want +got\n%s\n%v", diff, found)
			}
			for _, v := range found {
				if v.Key == "" || v.Message == "" || v.Revision != 100 || fmt.Sprint(v.Invariant) != strings.Split(v.Clause, ".")[0] {
					t.Errorf("incomplete: %+v", v)
				}
			}
		})
	}
}

// transitions go from the healthy store to one at revision 101.
var transitions = []struct {
	name string
	want string // empty: all is well
	step func(s store)
}{
	{"an end", "", func(s store) {
		unplace(s)
		s.rewrite("ledgers/w1", "tenants/acme/d1")
		delete(s, "requests/r1")
		s.addArchive("r1", 101, countedSpec())
	}},
	{"back to pending", "", func(s store) {
		unplace(s)
		s.rewrite("ledgers/w1", "tenants/acme/d1")
		s.add("states/r1", 30, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 1})
	}},
	{"a report", "", func(s store) { s.set("allocations/w1/r1", "state", "STARTING"); s.rewrite("allocations/w1/r1") }},
	{"a cancel of what waits", "", func(s store) {
		delete(s, "requests/waits")
		s.addArchive("waits", 101, someSpec("waits"))
		s.set("archive/waits", "state", "CANCELLED", "reason", "cancelled", "attempt", 0)
	}},
	{"deleted without an archive", "4.2", func(s store) { delete(s, "requests/waits") }},
	{"purged too early", "4.3", func(s store) { delete(s, "archive/done") }},
	{"another digest in the archive", "4.6", func(s store) {
		delete(s, "requests/waits")
		other := someSpec("waits")
		other["command"] = []any{"false"}
		s.addArchive("waits", 101, other)
	}},
	{"placed on a worker that is gone", "5.2", func(s store) {
		delete(s, "workers/w1")
		s.addPlaced("w1", "waits", 10, 101, object{})
		s.set("ledgers/w1", "count", 2)
		s.rewrite("ledgers/w1")
	}},
	{"a ledger opened for an epoch that is over", "5.4", func(s store) {
		unplace(s)
		s.rewrite("tenants/acme/d1")
		s.add("states/r1", 30, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 1})
		delete(s, "workers/w1")
		s.set("ledgers/w1", "epoch", 9)
		s.rewrite("ledgers/w1")
	}},
	{"makes room for nobody", "2.14", func(s store) {
		s.set("allocations/w1/r1", "stop", object{"reason": "preempt", "deadline": day})
		s.rewrite("allocations/w1/r1")
	}},
	{"makes room for what matters as much", "2.14", func(s store) {
		s.set("allocations/w1/r1", "stop", object{"reason": "preempt", "deadline": day})
		s.waitFor("waits", "r1")
		s.rewrite("allocations/w1/r1", "ledgers/w1")
	}},
	{"makes room for what matters more", "", func(s store) {
		s.set("allocations/w1/r1", "stop", object{"reason": "preempt", "deadline": day})
		s.waitFor("urgent", "r1")
		s.rewrite("allocations/w1/r1", "ledgers/w1")
		spec := someSpec("urgent")
		spec["priority"] = 9
		s.addRequest("urgent", 101, spec)
	}},
	{"replaced by what does not run", "4.7", func(s store) {
		s.set("allocations/w1/r1", "stop", object{"reason": "drain", "deadline": day, "replaced_by": "waits"})
		s.rewrite("allocations/w1/r1")
	}},
	{"archived for what does not run", "4.7", func(s store) {
		delete(s, "requests/waits")
		s.addArchive("waits", 101, someSpec("waits"))
		s.set("archive/waits", "state", "CANCELLED", "reason", "replaced", "replaced_by", "waits.r2", "attempt", 0)
	}},
	{"archived for what runs", "", func(s store) {
		s.set("allocations/w1/r1", "state", "RUNNING")
		s.rewrite("allocations/w1/r1")
		delete(s, "requests/waits")
		s.addArchive("waits", 101, someSpec("waits"))
		s.set("archive/waits", "state", "CANCELLED", "reason", "replaced", "replaced_by", "r1", "attempt", 0)
	}},
	{"a worker that is gone is removed", "", func(s store) {
		unplace(s)
		s.rewrite("tenants/acme/d1")
		s.add("states/r1", 30, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 1})
		delete(s, "workers/w1")
		delete(s, "ledgers/w1")
	}},
	{"a worker that is alive is removed", "5.6", func(s store) {
		unplace(s)
		s.rewrite("tenants/acme/d1")
		s.add("states/r1", 30, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 1})
		delete(s, "ledgers/w1")
	}},
	{"an attempt's number goes back", "8.3", func(s store) {
		unplace(s)
		s.rewrite("ledgers/w1", "tenants/acme/d1")
		s.add("states/r1", 30, 101, 0, object{"state": "PENDING", "attempt": 1, "used_attempts": 0})
	}},
	{"another share under the same allocation", "8.4", func(s store) {
		s.set("allocations/w1/r1", "share.cpu_milli", 400)
		s.set("ledgers/w1", "reserved.cpu_milli", 400)
		s.amount("tenants/acme/d1", "used", "cpu_milli", 400)
		s.rewrite("allocations/w1/r1", "ledgers/w1", "tenants/acme/d1")
	}},
	{"placed within the limits", "", func(s store) {
		s.addCounted("b1", 500)
		s.amount("tenants/acme/d1", "used", "cpu_milli", 1000)
	}},
	{"placed beyond the limits", "7.7", func(s store) {
		s.addCounted("b1", 500)
		s.amount("tenants/acme/d1", "used", "cpu_milli", 1000)
		s.amount("tenants/acme", "limits", "cpu_milli", 999)
		s.rewrite("tenants/acme")
	}},
	{"limits below what is used", "", func(s store) {
		s.amount("tenants/acme", "limits", "cpu_milli", 100)
		s.rewrite("tenants/acme")
	}},
	{"placed and not counted", "7.9", func(s store) {
		s.addCounted("b1", 500)
		s.set("allocations/w2/b1", "quota_block", nil)
	}},
	{"claimed within the limits", "", func(s store) { s.claimed(true) }},
	{"claimed beyond the limits", "7.7", func(s store) {
		s.claimed(true)
		s.amount("tenants/acme", "limits", "cpu_milli", 549)
		s.rewrite("tenants/acme")
	}},
	{"claimed and not counted", "7.9", func(s store) { s.claimed(false) }},
	{"a block beyond the limits", "7.8", func(s store) {
		s.amount("tenants/acme/d1", "block", "cpu_milli", 2001)
		s.amount("tenants/acme", "taken", "cpu_milli", 2001)
		s.rewrite("tenants/acme", "tenants/acme/d1")
	}},
	{"a block as large as the limits", "", func(s store) {
		s.amount("tenants/acme/d1", "block", "cpu_milli", 2000)
		s.amount("tenants/acme", "taken", "cpu_milli", 2000)
		s.rewrite("tenants/acme", "tenants/acme/d1")
	}},
	{"a member of an attempt that is over", "6.5", func(s store) {
		s.placeThird(1)
		s.set("groups/g", "state", "PENDING", "attempt", 2)
		s.rewrite("groups/g")
	}},
	{"half a group's next attempt", "6.1", func(s store) {
		for _, id := range []string{"g1", "g2"} {
			delete(s, "allocations/w2/"+id)
			s.add("states/"+id, 40, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 0})
		}
		s.placeThird(2)
		s.set("ledgers/w2", "count", 1, "reserved", object{"cpu_milli": 100})
		s.set("groups/g", "attempt", 2)
		s.rewrite("groups/g")
	}},
	{"an attempt beside what is left of the one before", "6.6", func(s store) {
		s.placeThird(2)
		s.set("groups/g", "attempt", 2, "min_count", 1)
		s.rewrite("groups/g")
	}},
	{"a member that has failed", "", func(s store) {
		s.endMember()
		s.set("groups/g", "failed", 1)
		s.rewrite("groups/g")
	}},
	{"a member that runs again alone", "6.9", func(s store) {
		delete(s, "allocations/w2/g1")
		s.add("states/g1", 40, 101, 0, object{"state": "PENDING", "attempt": 2, "used_attempts": 0})
		s.set("ledgers/w2", "count", 1, "reserved", object{"cpu_milli": 100})
		s.rewrite("ledgers/w2")
	}},
	{"a failure that is not counted", "6.8", func(s store) { s.endMember() }},
	{"a failure that is counted twice", "6.8", func(s store) {
		s.endMember()
		s.set("groups/g", "state", "ENDING", "reason", "group", "failed", 2)
		s.rewrite("groups/g")
	}},
	{"an archive of nothing", "8.6", func(s store) { s.addArchive("never", 101, someSpec("never")) }},
	{"an archive of an attempt before the last", "8.8", func(s store) {
		unplace(s)
		s.rewrite("ledgers/w1", "tenants/acme/d1")
		delete(s, "requests/r1")
		s.addArchive("r1", 101, countedSpec())
		s.set("archive/r1", "attempt", 0)
	}},
}

// placeThird places the member that waits, in an attempt of its group.
func (s store) placeThird(attempt int) {
	s.addPlaced("w2", "g3", 11, 101, object{"cpu_milli": 100})
	s.set("allocations/w2/g3", "group", "g", "group_attempt", attempt)
	s.set("ledgers/w2", "count", 3, "reserved", object{"cpu_milli": 300})
	s.rewrite("ledgers/w2")
}

// endMember ends the first member, other than well.
func (s store) endMember() {
	spec, _ := s["requests/g1"].value["spec"].(object)
	for _, k := range []string{"requests/g1", "states/g1", "allocations/w2/g1"} {
		delete(s, k)
	}
	s.addArchive("g1", 101, spec)
	s.set("archive/g1", "state", "FAILED")
	s.set("ledgers/w2", "count", 1, "reserved", object{"cpu_milli": 100})
	s.rewrite("ledgers/w2")
}

// rewrite notes that revision 101 wrote the keys.
func (s store) rewrite(list ...string) {
	for _, k := range list {
		s[k].mod = 101
	}
}

// eventsTo are what a watch tells of the way from one store to the other.
func eventsTo(before, after store) []Event {
	var out []Event
	for _, k := range slices.Sorted(maps.Keys(before)) {
		if after[k] == nil {
			out = append(out, Event{Pair: Pair{Key: k, Mod: 101}, Deleted: true})
		}
	}
	for _, p := range after.pairs() {
		if was := before[p.Key]; was == nil || was.mod != p.Mod {
			out = append(out, Event{Pair: p})
		}
	}
	return out
}

func TestStep(t *testing.T) {
	for _, tt := range transitions {
		t.Run(tt.name, func(t *testing.T) {
			before, after := healthy(), healthy()
			tt.step(after)
			st := loaded(before)
			st.Check()
			found := st.Step(101, eventsTo(before, after))
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if diff := cmp.Diff(want, clausesIn(found)); diff != "" {
				t.Errorf("-want +got\n%s\n%v", diff, found)
			}
		})
	}
}

// Two steps show what one cannot: an attempt that is created a second time, and
// a state that goes back.
func TestStep_Twice(t *testing.T) {
	s0, s1, s2 := healthy(), healthy(), healthy()
	s1.set("allocations/w1/r1", "state", "EXITED", "exit", object{"kind": "exited", "code": 0, "at": day})
	s1.rewrite("allocations/w1/r1")
	st := loaded(s0)
	st.Check()
	if found := st.Step(101, eventsTo(s0, s1)); len(found) > 0 {
		t.Fatalf("%v", found)
	}
	s2["allocations/w1/r1"].mod = 102
	if found := clausesIn(st.Step(102, eventsTo(s1, s2))); !slices.Equal(found, []string{"8.7"}) {
		t.Errorf("EXITED, then PLACED: %v", found)
	}
	again := loaded(s0)
	again.Check()
	again.Step(101, []Event{{Pair: Pair{Key: "allocations/w1/r1", Mod: 101}, Deleted: true}})
	back := s0.pair("allocations/w1/r1")
	back.Create, back.Mod = 102, 102
	if found := clausesIn(again.Step(102, []Event{{Pair: back}})); !slices.Equal(found, []string{"8.5"}) {
		t.Errorf("attempt 1 again: %v", found)
	}
}

// Standing keeps what is wrong until it is put right.
func TestStep_Standing(t *testing.T) {
	bad := healthy()
	bad.set("ledgers/w1", "count", 2)
	st := loaded(bad)
	if found := st.Check(); len(found) != 1 {
		t.Fatalf("%v", found)
	}
	s := healthy()
	s.set("pools/default", "strategy", "binpack")
	s.rewrite("pools/default")
	if found := st.Step(101, []Event{{Pair: s.pair("pools/default")}}); len(found) > 0 || len(st.Standing()) != 1 {
		t.Errorf("said again: %v; standing %v", found, st.Standing())
	}
	s.rewrite("ledgers/w1")
	if st.Step(102, []Event{{Pair: s.pair("ledgers/w1")}}); len(st.Standing()) != 0 {
		t.Errorf("put right, and still: %v", st.Standing())
	}
}

var clauseOf = regexp.MustCompile(`"(\d\.\d+)"`)

// Each clause of the page is broken by a test, is in the code, and the other way round.
func TestClauses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "keyspace.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d\.\d+)( ↦)? \|`).FindAllStringSubmatch(string(text), -1) {
		page[m[1]] = true
	}
	code, tests := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		into := code
		if strings.HasSuffix(f, "_test.go") {
			into = tests
		}
		for _, m := range clauseOf.FindAllStringSubmatch(string(source), -1) {
			into[m[1]] = true
		}
	}
	if diff := cmp.Diff(page, code); diff != "" {
		t.Errorf("-page +code\n%s", diff)
	}
	if diff := cmp.Diff(page, tests); diff != "" {
		t.Errorf("-page +tests\n%s", diff)
	}
}
