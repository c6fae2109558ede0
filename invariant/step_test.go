package invariant

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
	{"claimed while its quota is lent", "", func(s store) { s.claimedLent() }},
	{"a block beyond the limits", "7.8", func(s store) {
		s.amount("tenants/acme/d1", "block", "cpu_milli", 2001)
		s.amount("tenants/acme", "taken", "cpu_milli", 2001)
		s.rewrite("tenants/acme", "tenants/acme/d1")
	}},
	{"a loan of what is idle", "", func(s store) { s.lend(400) }},
	{"a loan of what is taken", "7.11", func(s store) { s.lend(401) }},
	{"a loan that is given back", "", func(s store) {
		s.amount("tenants/borrower", "taken", "cpu_milli", 200)
		s.amount("tenants/borrower/d1", "block", "cpu_milli", 200)
		s.rewrite("tenants/borrower/d1")
		s.lend(200)
	}},
	{"a loan that is given back though it is taken", "7.11", func(s store) { s.lend(299) }},
	{"what is reclaimed is told to stop", "", func(s store) { s.reclaim(200, 1, "2026-11-25T03:06:45Z") }},
	{"reclaimed though nobody wants it back", "7.12", func(s store) { s.reclaim(200, 0, day) }},
	{"reclaimed before its time", "7.12", func(s store) { s.reclaim(200, 1, "2026-11-25T03:06:46Z") }},
	{"reclaimed of what is guaranteed to it", "7.12", func(s store) { s.reclaim(500, 300, "2026-11-25T03:06:00Z") }},
	{"a block of what is lent", "7.8", func(s store) {
		s.amount("tenants/lender", "taken", "cpu_milli", 501)
		s.amount("tenants/lender/d1", "block", "cpu_milli", 501)
		s.rewrite("tenants/lender", "tenants/lender/d1")
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

// lend makes the loan of one tenant to another so much, in both records.
func (s store) lend(cpu int) {
	s.set("tenants/lender", "pools.batch.lent", object{"borrower": object{"cpu_milli": cpu}})
	s.set("tenants/borrower", "pools.batch.borrowed", object{"lender": object{"cpu_milli": cpu}})
	s.rewrite("tenants/lender", "tenants/borrower")
}

// reclaim has r1 told to stop for what its tenant, to which so much is guaranteed, has borrowed, and what is wanted back
// since then: five seconds later, and ten before the deadline.
func (s store) reclaim(guaranteed, back int, since string) {
	s.set("tenants/acme", "pools.batch.guaranteed", object{"cpu_milli": guaranteed}, "pools.batch.borrowed", object{"lender": object{"cpu_milli": 300}})
	s.set("tenants/lender", "pools.batch.guaranteed", object{"cpu_milli": 1000}, "pools.batch.reclaim_after_ms", 5000,
		"pools.batch.lent", object{"acme": object{"cpu_milli": 300}, "borrower": object{"cpu_milli": 300}})
	if back > 0 {
		s.set("tenants/lender", "pools.batch.recalled", object{"acme": object{"cpu_milli": back}}, "pools.batch.recalled_since", object{"acme": since})
	}
	s.set("allocations/w1/r1", "stop", object{"reason": "reclaim", "deadline": day})
	s.rewrite("tenants/acme", "tenants/lender", "allocations/w1/r1")
}
