package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// heldBy is a worker of ten slots, of which tenants hold some, one of each rune of who.
func heldBy(who string) []berth.Fact {
	each := berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 20}
	capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 10_000, MemoryBytes: 100 << 20}}
	facts := []berth.Fact{
		{Key: workerKey("w"), Record: &berth.Worker{Pool: "default", Capacity: capacity}},
		{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1, Capacity: capacity, Count: int64(len(who)), Reserved: berth.Share{Quantities: berth.Quantities{
			CPUMilli: 1000 * int64(len(who)), MemoryBytes: int64(len(who)) << 20,
		}}}},
	}
	for i, t := range who {
		id := berth.RequestID(fmt.Sprintf("%c%d", t, i))
		spec := berth.Request{ID: id, Tenant: berth.TenantID(string(t)), Command: []string{"x"}, Resources: berth.Demand{Quantities: each}}.Normalize()
		facts = append(facts,
			berth.Fact{Key: requestKey(id), Record: &berth.Submission{Spec: spec}},
			berth.Fact{Key: stateKey(id), Record: &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w", Epoch: 1}},
			berth.Fact{Key: allocationKey("w", id), Record: &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: 1, Tenant: spec.Tenant, Share: berth.Share{Quantities: each}}})
	}
	return facts
}

// wait puts requests into the queue of a loop, one of each rune of who, the first first.
func (l *loop) wait(who string) {
	for i, t := range who {
		spec := berth.Request{
			ID: berth.RequestID(fmt.Sprintf("new-%c%d", t, i)), Tenant: berth.TenantID(string(t)), Command: []string{"x"},
			Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 20}},
		}.Normalize()
		l.queue.put(&waiting{id: spec.ID, request: &spec, seq: berth.Revision(1000 + i)})
	}
}

// placedBy are the tenants whose requests a plan places, in its order.
func placedBy(p *berth.Plan) (who string) {
	for _, place := range p.Places {
		who += string(place.Allocation.Tenant)
	}
	return who
}

// What is free goes to who holds the least, by weight, and within a plan what it places
// counts.
func TestFair_WithinAPlan(t *testing.T) {
	for _, tt := range []struct {
		name, held, waits string
		weights           map[berth.TenantID]int64
		want              string
	}{
		{name: "one alone takes all", held: "aaaaa", waits: "aaaaaaa", want: "aaaaa"},
		{name: "the first are not the only ones", held: "", waits: "aaaaaaaaaabbbbb", want: "ababababab"},
		{name: "who holds nothing catches up", held: "aaaaa", waits: "aaaaabbbbbbb", want: "bbbbb"},
		{name: "up to what the other holds", held: "aaab", waits: "aaaaabbbbbbb", want: "bbabab"},
		{name: "twice the weight, twice the share", held: "", waits: "aaaaaaaaaaabbbbbbbbbbb", weights: map[berth.TenantID]int64{"b": 2}, want: "abbabbabba"},
		{name: "what a tenant does not want is the others'", held: "", waits: "aaaaaaaaaaab", want: "abaaaaaaaa"},
		{name: "who waits for nothing is not waited for", held: "cc", waits: "aaaabbbb", want: "abababab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loopWith(t, heldBy(tt.held)...)
			l.allKnown()
			for id, weight := range tt.weights {
				l.takeFact(berth.Fact{Key: tenantKey(id), Mod: 900, Create: 900, Record: &berth.Tenant{Weight: weight}})
			}
			l.look(workerKey("w"), newBuilder(l, time.Now()))
			l.wait(tt.waits)
			shares := func() (of [2]float64) {
				for i, id := range []berth.TenantID{"a", "b"} {
					of[i], _ = l.fair.shares.Dominant(id, "default")
				}
				return of
			}
			before := shares()
			b := newBuilder(l, time.Now())
			l.admit(b)
			if got := placedBy(b.plan); got != tt.want {
				t.Errorf("placed %s, want %s", got, tt.want)
			}
			for i, now := range shares() {
				if want := before[i] + float64(strings.Count(tt.want, string("ab"[i])))/10; now < want-1e-9 || now > want+1e-9 {
					t.Errorf("%c holds %v, want %v", "ab"[i], now, want)
				}
			}
			b.unhold()
			if now := shares(); now != before {
				t.Errorf("held are %v without the plan, and were %v", now, before)
			}
		})
	}
}

// An end that a plan makes counts in it: who gives something back has its turn sooner.
func TestFair_EndCounts(t *testing.T) {
	facts := heldBy("aaaaabbbbb")
	l := loopWith(t, facts...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	l.wait("ab")
	l.admit(newBuilder(l, time.Now()))
	if l.queue.blockedCount() != 2 {
		t.Fatal("what fits nowhere is not blocked")
	}
	exited := &berth.Allocation{
		State: berth.StateExited, Attempt: 1, Epoch: 1, Tenant: "b", Exit: &berth.Exit{Kind: berth.ExitExited},
		Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1 << 20}},
	}
	l.takeFact(berth.Fact{Key: allocationKey("w", "b9"), Record: exited, Mod: 950})
	b := newBuilder(l, time.Now())
	l.look(allocationKey("w", "b9"), b)
	l.admit(b)
	if len(b.plan.Ends) != 1 || placedBy(b.plan) != "b" {
		t.Errorf("%d ends, placed %q, want b", len(b.plan.Ends), placedBy(b.plan))
	}
}

// Shares are of the pool as it is, whatever comes and goes, and what is counted is gone
// when all has ended.
func TestFair_Follows(t *testing.T) {
	l := loopWith(t, heldBy("aab")...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	share := func(of berth.TenantID) float64 {
		s, _ := l.fair.shares.Dominant(of, "default")
		return s
	}
	if share("a") != 0.2 || share("b") != 0.1 {
		t.Errorf("a holds %v, b %v", share("a"), share("b"))
	}
	more := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 30_000}}
	l.takeFact(berth.Fact{Key: workerKey("v"), Record: &berth.Worker{Pool: "default", Capacity: more}, Create: 900, Mod: 900})
	l.look(workerKey("v"), newBuilder(l, time.Now()))
	if share("a") != 0.05 {
		t.Errorf("of a larger pool a holds %v", share("a"))
	}
	l.takeFact(berth.Fact{Key: workerKey("w"), Mod: 901})
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	if share("a") != 2./30 {
		t.Errorf("of the worker that is left a holds %v", share("a"))
	}
	for i, id := range []berth.RequestID{"a0", "a1", "b2"} {
		l.takeFact(berth.Fact{Key: allocationKey("w", id), Mod: berth.Revision(910 + i)})
	}
	if share("a") != 0 || share("b") != 0 {
		t.Errorf("when all has ended a holds %v, b %v", share("a"), share("b"))
	}
}

// Whoever is above its share is told so, with who goes first.
func TestFair_TurnStatus(t *testing.T) {
	l := loopWith(t, heldBy("aaaaaabbcc")...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	l.wait("abbbd")
	s := l.turnExplained(&berth.Request{Tenant: "a", Pool: "default"})
	if s.Share != 0.6 || s.Of != berth.ReasonCPU || s.Tenants != 2 || s.Ahead != 4 || s.Weight != 1 {
		t.Errorf("%+v", s)
	}
	if s := l.turnExplained(&berth.Request{Tenant: "d", Pool: "default"}); s.Ahead != 0 || s.Of != "" {
		t.Errorf("who holds nothing: %+v", s)
	}
	var got []string
	for _, of := range l.accounts(l.waitingAll()) {
		got = append(got, string(of.tenant))
	}
	if fmt.Sprint(got) != "[a b c d]" {
		t.Errorf("accounts %v", got)
	}
}

// Of those of the same tenant, who has a higher priority goes first, then who is older.
func TestFair_OwnAhead(t *testing.T) {
	l := loopWith(t, heldBy("a")...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	for i, priority := range []int32{10, 900, 20, 20, 0, 20} {
		spec := berth.Request{
			ID: berth.RequestID(fmt.Sprintf("r%d", i)), Tenant: "a", Priority: priority, Command: []string{"x"},
			Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: int64(20_000 + i%2)}},
		}.Normalize()
		l.queue.put(&waiting{id: spec.ID, request: &spec, priority: priority, seq: berth.Revision(1000 + i)})
	}
	l.wait("b")
	for priority, want := range map[int32]string{0: "5 r1 900", 10: "4 r1 900", 20: "1 r1 900", 900: "0  0"} {
		s := l.turnExplained(&berth.Request{Tenant: "a", Pool: "default", Priority: priority})
		if got := fmt.Sprintf("%d %s %d", s.Own, s.OwnFirst, s.OwnPriority); got != want {
			t.Errorf("before priority %d: %s, want %s", priority, got, want)
		}
	}
	for id, want := range map[berth.RequestID]string{"r0": "4 r1 900 0 ", "r1": "0  0 0 ", "r2": "1 r1 900 0 ", "r3": "1 r1 900 1 r2", "r4": "5 r1 900 0 ", "r5": "1 r1 900 2 r2"} {
		s := l.turnExplained(&berth.Request{ID: id, Tenant: "a", Pool: "default"})
		if got := fmt.Sprintf("%d %s %d %d %s", s.Own, s.OwnFirst, s.OwnPriority, s.Older, s.OlderFirst); got != want {
			t.Errorf("before %s: %s, want %s", id, got, want)
		}
	}
	if s := l.turnExplained(&berth.Request{Tenant: "b", Pool: "default"}); s.Own != 0 {
		t.Errorf("of another tenant: %+v", s)
	}
}

// Of many older ones no more are counted than are told of; the first of all of them is told all the same.
func TestFair_ManyOlder(t *testing.T) {
	l := loopWith(t, heldBy("a")...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	put := func(id berth.RequestID, seq berth.Revision, priority int32, milli int64) {
		spec := berth.Request{ID: id, Tenant: "a", Priority: priority, Command: []string{"x"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: milli}}}.Normalize()
		l.queue.put(&waiting{id: id, request: &spec, priority: priority, seq: seq})
	}
	for i := range OlderCounted {
		put(berth.RequestID(fmt.Sprintf("r%d", i)), berth.Revision(1001+i), 0, 20_000)
	}
	put("urgent", 500_000, 7, 20_001)
	put("oldest", 1000, 0, 20_001)
	put("last", 600_000, 0, 20_002)
	s := l.turnExplained(&berth.Request{ID: "last", Tenant: "a", Pool: "default"})
	if s.Older != OlderCounted || s.OlderFirst != "oldest" || s.Own != 1 || s.OwnFirst != "urgent" {
		t.Errorf("%+v", s)
	}
}
