package daemon

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// exitedLoop is a loop whose watch has come to revision 10 and whose view holds
// that a request has exited; with what it logs as an error.
func exitedLoop(t *testing.T) (*loop, []berth.Fact, *observer.ObservedLogs) {
	t.Helper()
	facts := running("r")
	a, ok := facts[4].Record.(*berth.Allocation)
	if !ok {
		t.Fatal("no allocation")
	}
	a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited}
	core, logs := observer.New(zap.ErrorLevel)
	l := loopLogging(t, zap.New(core), facts...)
	l.take(etcdstore.Delta{Revision: 10})
	return l, facts, logs
}

// lookAtDue looks at all that is due, and returns the plan and how often key was.
func lookAtDue(l *loop, key berth.Key) (b *builder, looks int) {
	b = newBuilder(l, time.Now())
	for k, ok := l.due.pop(); ok; k, ok = l.due.pop() {
		if l.look(k, b); k == key {
			looks++
		}
	}
	return b, looks
}

// A conflict's answer brings the ledger of after an allocation's end, which the
// watch brings later: nothing is written, nothing is an error (in chaos, a
// hundred "run berth fsck" in twenty minutes), nothing is looked at meanwhile.
func TestEnd_LedgerNewer(t *testing.T) {
	l, _, logs := exitedLoop(t)
	key := allocationKey("w", "r")
	l.takeFact(berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1}, Create: 2, Mod: 20})
	l.due.add(key)
	if b, _ := lookAtDue(l, key); !b.plan.Empty() {
		t.Errorf("planned from half of a change: %+v", b.plan)
	}
	l.take(etcdstore.Delta{Revision: 19})
	if _, looks := lookAtDue(l, key); looks > 0 {
		t.Errorf("looked %d times before the rest has come", looks)
	}
	l.take(etcdstore.Delta{Facts: []berth.Fact{{Key: key, Mod: 20}}, Revision: 20})
	if b, looks := lookAtDue(l, key); !b.plan.Empty() || looks != 1 || len(l.halves) > 0 {
		t.Errorf("%d looks, plan %+v, still waiting for %v", looks, b.plan, l.halves)
	}
	if logs.Len() > 0 {
		t.Errorf("logged %v", logs.All())
	}
}

// An answer brings an allocation whose ledger the watch brings later: it ends
// when it has, though its own fact is no news then.
func TestEnd_LedgerOlder(t *testing.T) {
	l, facts, logs := exitedLoop(t)
	key := allocationKey("w", "r")
	l.view.whole[berth.KindLedger][ledgerKey("w")] = berth.Fact{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1}, Create: 2, Mod: 2}
	exited := facts[4]
	exited.Mod = 22
	l.takeFact(exited)
	if b, _ := lookAtDue(l, key); !b.plan.Empty() {
		t.Errorf("planned from half of a change: %+v", b.plan)
	}
	whole := facts[1]
	whole.Mod = 20
	l.take(etcdstore.Delta{Facts: []berth.Fact{whole, exited}, Revision: 22})
	if b, _ := lookAtDue(l, key); len(b.plan.Ends) != 1 {
		t.Errorf("not ended: %+v", b.plan)
	}
	if logs.Len() > 0 {
		t.Errorf("logged %v", logs.All())
	}
}

// The same where it is the request's state that comes later.
func TestEnd_StateOlder(t *testing.T) {
	l, facts, _ := exitedLoop(t)
	key := allocationKey("w", "r")
	second := *facts[4].Record.(*berth.Allocation) //nolint:errcheck // exitedLoop says so
	second.Attempt = 2
	exited := berth.Fact{Key: key, Record: &second, Create: 20, Mod: 22}
	l.takeFact(exited)
	if b, _ := lookAtDue(l, key); !b.plan.Empty() {
		t.Errorf("planned from half of a change: %+v", b.plan)
	}
	state := berth.Fact{Key: stateKey("r"), Record: &berth.Progress{State: berth.StatePlaced, Attempt: 2, Worker: "w", Epoch: 1}, Mod: 20}
	l.take(etcdstore.Delta{Facts: []berth.Fact{state, exited}, Revision: 22})
	if b, _ := lookAtDue(l, key); len(b.plan.Ends) != 1 {
		t.Errorf("not ended: %+v", b.plan)
	}
}

// The same where it is its group's record: by that, the group would not be placed anew,
// and no compare would refuse the plan (found by the simulation, seed 626).
func TestEnd_GroupOlder(t *testing.T) {
	for name, was := range map[string]any{
		"is to be placed":        &berth.Group{Size: 1, MinCount: 1, Attempt: 3, State: berth.GroupPending},
		"is in an older attempt": &berth.Group{Size: 1, MinCount: 1, Attempt: 2, State: berth.GroupPlaced},
		"is not there":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			facts := groupFacts(1, 1, func(int) bool { return false })
			group, exited := facts[2], facts[5]
			member, ok := exited.Record.(*berth.Allocation)
			if !ok {
				t.Fatal("no allocation")
			}
			now := *member
			now.GroupAttempt, now.State, now.Exit = 3, berth.StateExited, &berth.Exit{Kind: berth.ExitRejected}
			exited.Record, exited.Mod = &now, 22
			l := loopLogging(t, zap.NewNop(), facts...)
			l.take(etcdstore.Delta{Facts: []berth.Fact{{Key: group.Key, Record: was, Mod: 9}}, Revision: 10})
			l.takeFact(exited)
			if b, _ := lookAtDue(l, exited.Key); !b.plan.Empty() {
				t.Errorf("planned from half of a change: %+v", b.plan)
			}
			group.Record, group.Mod = &berth.Group{Size: 1, MinCount: 1, Attempt: 3, State: berth.GroupPlaced}, 20
			l.take(etcdstore.Delta{Facts: []berth.Fact{group, exited}, Revision: 22})
			b, _ := lookAtDue(l, exited.Key)
			if len(b.plan.Ends) != 1 || len(b.plan.Groups) != 1 || b.plan.Groups[0].Was != 20 || b.plan.Groups[0].Group.Attempt != 4 {
				t.Errorf("planned %+v, want its end, and the group placed anew", b.plan)
			}
		})
	}
}

// What does not fit though the watch has passed all of it is broken: said once,
// and left alone.
func TestEnd_LedgerBroken(t *testing.T) {
	l, _, logs := exitedLoop(t)
	key := allocationKey("w", "r")
	l.take(etcdstore.Delta{Facts: []berth.Fact{{Key: ledgerKey("w"), Record: &berth.Ledger{Epoch: 1}, Create: 2, Mod: 20}}, Revision: 20})
	l.due.add(key)
	for range 2 {
		if b, _ := lookAtDue(l, key); !b.plan.Empty() {
			t.Errorf("planned: %+v", b.plan)
		}
		l.take(etcdstore.Delta{Revision: 30})
	}
	if logs.Len() != 1 {
		t.Errorf("%d errors, want one", logs.Len())
	}
}

// Who asks about a request while half of a change to it is known is not told that
// the store is corrupt.
func TestBroken(t *testing.T) {
	l, _, _ := exitedLoop(t)
	pending := berth.Fact{Key: stateKey("r"), Record: &berth.Progress{State: berth.StatePending, Attempt: 2}, Mod: 20}
	l.takeFact(pending)
	if l.broken("r") || !l.corrupt("r") {
		t.Errorf("half of a change: broken %v, left alone %v", l.broken("r"), l.corrupt("r"))
	}
	l.take(etcdstore.Delta{Revision: 20})
	if !l.broken("r") {
		t.Error("an allocation that no state knows of is not told")
	}
	l.take(etcdstore.Delta{Facts: []berth.Fact{{Key: allocationKey("w", "r"), Mod: 21}}, Revision: 21})
	if l.broken("r") || l.corrupt("r") {
		t.Error("broken, though the allocation is gone")
	}
}
