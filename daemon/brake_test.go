package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// braked is a loop whose pool has workers w0 to w(alive-1) that live and l0 to
// l(lost-1) that are lost, each with one container that runs. Its clock stands.
type braked struct {
	*loop
	t   *testing.T
	at  time.Time
	rev berth.Revision
}

func newBraked(t *testing.T, alive, lost int) *braked {
	t.Helper()
	b := &braked{loop: loopWith(t), t: t, at: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), rev: 1000}
	b.d.opts.Now = func() time.Time { return b.at }
	for i := range alive + lost {
		w := berth.WorkerID(fmt.Sprintf("w%d", i))
		if i >= alive {
			w = berth.WorkerID(fmt.Sprintf("l%d", i-alive))
		}
		b.worker(w)
	}
	for i := range lost {
		b.take(berth.Fact{Key: workerKey(berth.WorkerID(fmt.Sprintf("l%d", i)))})
	}
	return b
}

func (b *braked) take(f berth.Fact) {
	b.rev++
	f.Mod = b.rev
	if f.Create == 0 {
		f.Create = b.rev
	}
	b.takeFact(f)
}

// worker is one that lives, with a container that runs on it.
func (b *braked) worker(w berth.WorkerID) {
	id := berth.RequestID("on-" + string(w))
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 100}}
	b.take(berth.Fact{Key: workerKey(w), Record: &berth.Worker{Pool: "default"}})
	epoch := berth.Epoch(b.rev)
	b.take(berth.Fact{Key: ledgerKey(w), Record: &berth.Ledger{StateID: string(w), Epoch: epoch, Count: 1, Reserved: share, KillMS: 1000}})
	b.take(berth.Fact{Key: requestKey(id), Record: &berth.Submission{Spec: berth.Request{ID: id}.Normalize()}})
	b.take(berth.Fact{Key: stateKey(id), Record: &berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: epoch}})
	b.take(berth.Fact{Key: allocationKey(w, id), Record: &berth.Allocation{State: berth.StateRunning, Attempt: 1, Epoch: epoch, Share: share}})
}

// store puts a brake, as any daemon may have.
func (b *braked) store(r berth.Brake) {
	b.take(berth.Fact{Key: brakeKey("default"), Record: &r})
}

// moves looks at all that is due after a while, and counts the ends.
func (b *braked) moves(after time.Duration) int {
	b.at = b.at.Add(after)
	b.timers.due(b.at, b.due.add)
	plan := newBuilder(b.loop, b.at)
	for {
		k, ok := b.due.pop()
		if !ok {
			break
		}
		if k.Kind == berth.KindBrake {
			b.brakes.of("default").writing = true // nothing writes here
		}
		b.look(k, plan)
	}
	for _, e := range plan.plan.Ends {
		delete(b.view.on, e.Worker) // it is gone
	}
	return len(plan.plan.Ends)
}

func TestBrake_FewMoveAfterTheirGrace(t *testing.T) {
	b := newBraked(t, 9, 1)
	if n := b.moves(0); n != 0 {
		t.Errorf("%d moved within the grace", n)
	}
	if n := b.moves(6 * time.Second); n != 1 {
		t.Errorf("%d moved after it, want 1", n)
	}
}

func TestBrake_HoldsUntilReleasedAndPaces(t *testing.T) {
	b := newBraked(t, 200, 200)
	for range 10 {
		if n := b.moves(10 * time.Second); n != 0 {
			t.Fatalf("%d moved while the brake holds", n)
		}
	}
	b.store(berth.Brake{State: berth.BrakeEngaged, Size: 400, Lost: 200, Held: 200, BoundMS: 300_000})
	if n := b.moves(time.Minute); n != 0 {
		t.Fatalf("%d moved while the brake holds", n)
	}
	b.store(berth.Brake{State: berth.BrakeReleased, Why: berth.ReleaseOperator, Size: 400, Lost: 200, Held: 200, BoundMS: 300_000})
	sum := 0
	for second := range 5 {
		n := b.moves(time.Second)
		if sum += n; second < 4 && (n == 0 || n > 2*pacePerSecond) {
			t.Errorf("%d moved in second %d, want about %d", n, second, pacePerSecond)
		}
	}
	if sum != 200 {
		t.Errorf("%d moved in all, want 200", sum)
	}
}

// What was only placed has not run, and moves at once, braked or not.
func TestBrake_PlacedMovesAtOnce(t *testing.T) {
	b := newBraked(t, 5, 5)
	for i := range 3 {
		k := allocationKey(berth.WorkerID(fmt.Sprintf("l%d", i)), berth.RequestID(fmt.Sprintf("on-l%d", i)))
		a, _ := record[berth.Allocation](b.view, k)
		placed := *a
		placed.State = berth.StatePlaced
		b.take(berth.Fact{Key: k, Record: &placed, Create: b.rev})
	}
	b.store(berth.Brake{State: berth.BrakeEngaged, Size: 10, Lost: 5, Held: 5, BoundMS: 300_000})
	if n := b.moves(0); n != 3 {
		t.Errorf("%d moved at once, want the 3 that were only placed", n)
	}
	if n := b.moves(time.Minute); n != 0 {
		t.Errorf("%d moved while the brake holds", n)
	}
}

// The pool's size is what it was before the loss, in whichever order the loss is
// looked at.
func TestBrake_Size(t *testing.T) {
	b := newBraked(t, 60, 40)
	b.brakes.of("default").writing = true // nothing writes here
	b.lookBrake("default", b.at)
	c := b.brakeCaseOf("default", b.at)
	if n := c.count(); c.alive != 60 || n.fresh != 40 || n.size != 100 || c.held != 40 {
		t.Errorf("%d live, %d of %d are lost with %d containers; want 60, 40 of 100, 40", c.alive, n.fresh, n.size, c.held)
	}
}

// Workers that vanish with nothing on them are part of the loss, unless they were
// taken out of use before: so a pool that is hardly used brakes too.
func TestBrake_IdleWorkers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		intent *berth.Intent
		want   bool
	}{
		{"in use", nil, true},
		{"cordoned", &berth.Intent{Cordon: true}, false},
		{"drained", &berth.Intent{Drain: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBraked(t, 9, 0)
			for i := range 6 {
				w := berth.WorkerID(fmt.Sprintf("i%d", i))
				b.take(berth.Fact{Key: workerKey(w), Record: &berth.Worker{Pool: "default"}})
				b.take(berth.Fact{Key: ledgerKey(w), Record: &berth.Ledger{Epoch: berth.Epoch(b.rev), KillMS: 1000}})
				if tt.intent != nil {
					b.take(berth.Fact{Key: intentKey(w), Record: tt.intent})
				}
				b.take(berth.Fact{Key: workerKey(w)})
			}
			b.take(berth.Fact{Key: workerKey("w0")})
			b.moves(0)
			if s := b.brakes.of("default").step; s.engage != tt.want {
				t.Errorf("engaged: %v, want %v, with %d of 15 gone and one of them in use", s.engage, tt.want, 7)
			}
		})
	}
}

// The loss of many workers is judged once, not once for each of their containers.
func TestBrake_JudgedOncePerBatch(t *testing.T) {
	b := newBraked(t, 20, 20)
	b.moves(0)
	b.markBraked("default")
	b.due.drop(brakeKey("default"))
	b.brakes.pools["default"].held = -1 // what no judging leaves
	b.moves(0)
	if n := b.brakes.pools["default"].held; n != -1 {
		t.Errorf("judged again, %d are held, though nothing has changed", n)
	}
}

// What may run on a lost worker is not moved by a judgement of before others were lost
// with it, though its own moment is looked at first.
func TestBrake_JudgedBeforeAMove(t *testing.T) {
	b := newBraked(t, 10, 1)
	b.moves(0)
	b.at = b.at.Add(6 * time.Second) // its grace is over
	for i := range 8 {
		b.take(berth.Fact{Key: workerKey(berth.WorkerID(fmt.Sprintf("w%d", i)))})
	}
	b.brakes.of("default").writing = true // nothing writes here
	plan := newBuilder(b.loop, b.at)
	b.look(allocationKey("l0", "on-l0"), plan)
	if n := len(plan.plan.Ends); n != 0 {
		t.Errorf("%d moved, while 9 of 11 workers are lost", n)
	}
}

// What a released brake was about is not braked again, not even by a daemon that
// starts then; workers that are lost later are.
func TestBrake_LaterLoss(t *testing.T) {
	b := newBraked(t, 10, 10)
	b.moves(0)
	for _, e := range b.lost {
		e.seen = false // they were lost before this daemon's start
	}
	clear(b.brakes.gone)
	b.store(berth.Brake{State: berth.BrakeReleased, Why: berth.ReleaseOperator, Size: 20, Lost: 10, Held: 10, BoundMS: 300_000})
	b.moves(0)
	if s := b.brakes.of("default").step; s.engage {
		t.Fatal("the loss is braked again")
	}
	b.at = b.at.Add(time.Second)
	for i := range 8 {
		b.take(berth.Fact{Key: workerKey(berth.WorkerID(fmt.Sprintf("w%d", i)))})
	}
	b.moves(time.Second)
	if s := b.brakes.of("default").step; !s.engage {
		t.Error("a later loss is not braked")
	}
}

// A worker that comes back as a new epoch proves the old one dead: what it held
// ends at once, braked or not, and it leaves the count.
func TestBrake_Return(t *testing.T) {
	b := newBraked(t, 5, 5)
	b.store(berth.Brake{State: berth.BrakeEngaged, Size: 10, Lost: 5, Held: 5, BoundMS: 300_000})
	if n := b.moves(time.Minute); n != 0 {
		t.Fatalf("%d moved", n)
	}
	for i := range 3 {
		b.take(berth.Fact{Key: workerKey(berth.WorkerID(fmt.Sprintf("l%d", i))), Record: &berth.Worker{Pool: "default", StateID: fmt.Sprintf("l%d", i)}})
	}
	if n := b.moves(time.Second); n != 3 {
		t.Errorf("%d ended, want those of the 3 that came back", n)
	}
	if s := b.brakes.of("default").step; s.release != berth.ReleaseRecovered {
		t.Errorf("%+v, want it released: 2 of 10 are lost", s)
	}
}

// A cancel ends what is held: it runs nowhere again, so nothing is moved.
func TestBrake_Cancel(t *testing.T) {
	b := newBraked(t, 5, 5)
	b.moves(0)
	b.moves(time.Minute)
	b.orderCancel("on-l0", "", make(chan struct{}))
	if n := b.moves(time.Second); n != 1 {
		t.Errorf("%d ended, want the cancelled one", n)
	}
}

// What cannot be read holds: nobody knows whether it was released.
func TestBrake_Unreadable(t *testing.T) {
	b := newBraked(t, 5, 1)
	b.moves(0)
	b.take(berth.Fact{Key: brakeKey("default"), Record: &etcdstore.Undecodable{Err: fmt.Errorf("no JSON")}})
	if n := b.moves(time.Hour); n != 0 {
		t.Errorf("%d moved", n)
	}
}
