package daemon

import (
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// loopWith is a loop that nothing runs, with facts in its view.
func loopWith(t testing.TB, facts ...berth.Fact) *loop {
	t.Helper()
	return loopLogging(t, zap.NewNop(), facts...)
}

func loopLogging(t testing.TB, log *zap.Logger, facts ...berth.Fact) *loop {
	t.Helper()
	store, err := etcdstore.New(new(clientv3.Client), etcdstore.Options{MaxTxnOps: 8192})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(store, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for i := range facts {
		facts[i].Create, facts[i].Mod = berth.Revision(i+1), berth.Revision(i+1)
	}
	d.loop.takeFacts(facts)
	return d.loop
}

func running(id berth.RequestID) []berth.Fact {
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}
	return []berth.Fact{
		{Key: workerKey("w"), Record: &berth.Worker{Pool: "default"}},
		{Key: berth.Key{Kind: berth.KindLedger, ID: "w"}, Record: &berth.Ledger{Epoch: 1, Count: 1, Reserved: share}},
		{Key: requestKey(id), Record: &berth.Submission{Spec: berth.Request{ID: id}.Normalize()}},
		{Key: berth.Key{Kind: berth.KindState, ID: string(id)}, Record: &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: "w", Epoch: 1}},
		{Key: allocationKey("w", id), Record: &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: 1, Share: share}},
	}
}

// A request whose allocation is due twice in one step, first by a report and
// then by its cancel, is ordered to stop once: etcd refuses a transaction that
// writes a key twice, and settled as an unknown outcome it held up the daemon
// for ever (found by TestChaos).
func TestStep_CancelDueTwice(t *testing.T) {
	l := loopWith(t, running("r")...)
	l.orderCancel("r", "", make(chan struct{}))
	b := newBuilder(l, time.Now())
	for _, k := range []berth.Key{allocationKey("w", "r"), requestKey("r"), allocationKey("w", "r")} {
		l.look(k, b)
	}
	if n := len(b.plan.Stops); n != 1 {
		t.Errorf("%d stop orders in one plan, want 1: %+v", n, b.plan.Stops)
	}
}

// The same for one that has exited: it ends once.
func TestStep_EndDueTwice(t *testing.T) {
	facts := running("r")
	a, ok := facts[4].Record.(*berth.Allocation)
	if !ok {
		t.Fatal("no allocation")
	}
	a.State, a.Exit = berth.StateExited, &berth.Exit{Kind: berth.ExitExited}
	l := loopWith(t, facts...)
	b := newBuilder(l, time.Now())
	l.look(allocationKey("w", "r"), b)
	l.look(allocationKey("w", "r"), b)
	if n := len(b.plan.Ends); n != 1 {
		t.Errorf("%d ends in one plan, want 1", n)
	}
}

// What cannot be read, or was deleted by another hand, is left alone, and does
// not keep the daemon from the rest (found by trying: it spun).
func TestStep_Corrupt(t *testing.T) {
	bad := &etcdstore.Undecodable{Err: errors.New("no JSON")}
	for name, damage := range map[string]func(l *loop){
		"unreadable state":      func(l *loop) { l.takeFact(berth.Fact{Key: stateKey("r"), Record: bad, Mod: 90}) },
		"unreadable allocation": func(l *loop) { l.takeFact(berth.Fact{Key: allocationKey("w", "r"), Record: bad, Mod: 90}) },
		"state deleted":         func(l *loop) { l.takeFact(berth.Fact{Key: stateKey("r"), Mod: 90}) },
		"unreadable ledger":     func(l *loop) { l.takeFact(berth.Fact{Key: ledgerKey("w"), Record: bad, Mod: 90}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := loopWith(t, running("r")...)
			damage(l)
			b := newBuilder(l, time.Now())
			for _, k := range []berth.Key{requestKey("r"), workerKey("w"), allocationKey("w", "r"), requestKey("r")} {
				l.look(k, b)
			}
			l.admit(b)
			if !b.plan.Empty() || l.queue.len() > 0 {
				t.Errorf("planned all the same: %+v", b.plan)
			}
		})
	}
}
