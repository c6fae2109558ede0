package invariant

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck_Healthy(t *testing.T) {
	if found := loaded(healthy()).Check(); len(found) > 0 {
		t.Errorf("%v", found)
	}
	if found := NewState(Options{}).Check(); len(found) > 0 {
		t.Errorf("an empty store: %v", found)
	}
	s := healthy()
	s.linked("a", "a")
	if found := loaded(s).Check(); len(found) > 0 {
		t.Errorf("a linked group: %v", found)
	}
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
	{"relations told of no step", "0.5", func(s store) { s.addRelation(object{"from": 1}) }},
	{"relations told backwards", "0.5", func(s store) { s.addRelation(object{"from": 0}, object{"from": -1}) }},
	{"a relation's count of none", "0.5", func(s store) { s.addRelation(object{"counts": object{"rack1": 0}}) }},
	{"a relation told of nothing", "0.5", func(s store) { s.addRelation() }},
	{"a newer version", "0.3", func(s store) { s.set("pools/default", "version", 2) }},
	{"version 0", "0.3", func(s store) { s.set("pools/default", "version", 0) }},
	{"an unknown strategy", "0.4", func(s store) { s.set("pools/default", "strategy", "best") }},
	{"an unknown scorer", "0.4", func(s store) { s.set("pools/default", "weights", object{"speed": 1}) }},
	{"a weight above the most", "0.5", func(s store) { s.set("pools/default", "weights", object{"load": 1001}) }},
	{"a priority below the least", "0.5", func(s store) { s.set("requests/waits", "spec.priority", -100) }},
	{"more cores than can be asked for", "0.5", func(s store) { s.set("requests/waits", "spec.resources.cpu_milli", 9_000_000_000_000_000_000) }},
	{"more of a resource than can be asked for", "0.5", func(s store) { s.set("requests/waits", "spec.resources.custom", object{"x": 2_000_000_000_000_000}) }},
	{"more devices than can be asked for", "0.5", func(s store) {
		s.set("requests/waits", "spec.resources.devices", []any{object{"count": 2_000_000_000, "milli": 1000}})
	}},
	{"a run limit of centuries", "0.5", func(s store) { s.set("requests/waits", "spec.run_limit_ms", 99_999_999_999_999_999) }},
	{"an unknown end of retry", "0.4", func(s store) { s.set("requests/waits", "spec.retry.on", []any{"failed"}) }},
	{"more warm keys than a worker says", "0.5", func(s store) {
		keys := make([]any, 33)
		for i := range keys {
			keys[i] = "k"
		}
		s.add("conditions/w1", 5, 5, s["workers/w1"].lease, object{"warm_keys": keys})
	}},
	{"a warm image without a name", "0.5", func(s store) {
		s.add("conditions/w1", 5, 5, s["workers/w1"].lease, object{"warm_images": []any{"train", ""}})
	}},
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
	{"a linked group in two link domains", "6.10", func(s store) { s.linked("a", "b") }},
	{"a linked group with a device in none", "6.10", func(s store) { s.linked("a", "") }},
	{"a linked group in another domain than its record names", "6.10", func(s store) { s.linked("b", "b") }},
	{"a linked group whose record names no domain", "6.10", func(s store) {
		s.linked("a", "a")
		s.set("groups/g", "link", nil)
	}},
	{"what is left of a linked group's attempt, in two domains", "6.10", func(s store) {
		s.linked("a", "b")
		s.set("groups/g", "state", "PENDING", "attempt", 2, "link", nil)
	}},
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
	{"a time before which nothing is reclaimed that is none", "0.5", func(s store) { s.set("tenants/lender", "pools.batch.reclaim_after_ms", -1) }},
	{"wanted back since never", "0.5", func(s store) {
		s.set("tenants/lender", "pools.batch.recalled_since", object{"borrower": "0001-01-01T00:00:00Z"})
	}},
	{"more taken than the blocks", "7.1", func(s store) { s.amount("tenants/acme", "taken", "cpu_milli", 1001) }},
	{"a block that nobody knows of", "7.1", func(s store) { s.set("tenants/acme", "pools.batch.blocks", 2) }},
	{"lent, and borrowed less", "7.10", func(s store) {
		s.set("tenants/borrower", "pools.batch.borrowed", object{"lender": object{"cpu_milli": 299}})
	}},
	{"borrowed, and lent less", "7.10", func(s store) {
		s.set("tenants/lender", "pools.batch.lent", object{"borrower": object{"cpu_milli": 299}})
	}},
	{"lent to nobody", "7.10", func(s store) {
		delete(s, "tenants/borrower")
		delete(s, "tenants/borrower/d1")
	}},
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
// addRelation adds a plan without steps that tells of a relation.
func (s store) addRelation(told ...object) {
	relation := object{"pool": "batch", "topology": "rack", "requests": object{"label": "app", "value": "web"}, "told": append([]object{}, told...)}
	s.add("plan", 101, 101, 0, object{"daemon": "d1", "clock": day, "revision": 20, "policy": "10", "relations": []any{relation}})
}

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

// linked makes g a linked group, in domain a: its members have the two devices of w2,
// which are of these domains.
func (s store) linked(domains ...string) {
	devices, reserved := []any{}, []any{}
	for i, link := range domains {
		device := object{"name": fmt.Sprintf("gpu%d", i), "type": "t4"}
		if link != "" {
			device["link"] = link
		}
		share := object{"name": device["name"], "milli": 1000}
		devices, reserved = append(devices, device), append(reserved, share)
		id := fmt.Sprintf("g%d", i+1)
		spec := someSpec(id)
		spec["group"] = object{"id": "g", "size": 3, "min_count": 2, "linked": true}
		s.addRequest(id, 23, spec)
		s.set("allocations/w2/"+id, "share", object{"cpu_milli": 100, "devices": []any{share}})
	}
	s.set("workers/w2", "capacity.devices", devices)
	s.set("ledgers/w2", "capacity.devices", devices, "reserved.devices", reserved)
	s.set("groups/g", "link", "a")
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

// claimedLent is claimed where nothing is counted, for that is lent.
func (s store) claimedLent() {
	s.claimed(false)
	s["ledgers/w1"].value["claims"].([]any)[0].(object)["lent"] = true //nolint:errcheck // else it panics
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
