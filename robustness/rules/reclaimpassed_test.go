package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// passing are two workers full of a tenant without a quota, of which more waits, and of what b has borrowed
// of a, of which a0 waits.
type passing struct {
	*rig
	ds      []*daemon.Daemon
	stop    func()
	all     []string
	stopped int // for a
}

// passingBy has so many of x, of so much each, and three of b; a's request needs what those three have borrowed.
func (r *rig) passingBy(daemons int, each int64, many int) *passing {
	r.t.Helper()
	p := &passing{rig: r, all: append(ids("b", 3), ids("x", many)...)}
	p.ds, p.stop = r.several(daemons)
	r.t.Cleanup(func() { p.stop() })
	for _, id := range ids("x", many) {
		r.run(p.ds[0], id, some("x", each))
	}
	r.passes(time.Second)
	return p
}

func (p *passing) borrow() {
	p.t.Helper()
	p.guarantee(p.ds[0], "b", 1000, 0)
	for _, id := range ids("b", 3) {
		p.run(p.ds[len(p.ds)-1], id, some("b", 100))
	}
	p.passes(time.Second)
	p.run(p.ds[0], "a0", some("a", 300))
}

// pass lets so many seconds go by: what is placed runs, what is told to stop does so, and each that long one of x ends on w.
func (p *passing) pass(seconds, every int) {
	p.t.Helper()
	for i := range seconds {
		p.passes(time.Second)
		ends := i%every == every-1
		for _, w := range []string{"w", "v"} {
			for _, id := range p.all {
				a, _ := p.allocation(w, id)
				switch {
				case a == nil:
				case a.State == berth.StatePlaced && a.Stop == nil:
					p.runs(w, id)
				case a.State == berth.StateExited:
				case a.Stop != nil:
					p.stopped++
					p.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
				case id[0] == 'x' && ends && w == "w":
					ends = false
					p.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
				}
			}
		}
	}
}

// A worker comes free again and again that has room for a lender's request, and who waits for no quota takes it, for the loan is
// not back: it is reclaimed then, once, and the request has its turn with its quota.
func TestReclaim_NoRoomForIt(t *testing.T) {
	for _, daemons := range []int{1, 3} {
		t.Run(fmt.Sprint(daemons), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				_, killV := r.lives("v")
				defer killV()
				defer r.checked()()
				p := r.passingBy(daemons, 800, 12)
				r.reclaimsAfter(p.ds[0], "a", 300, 300, 5*time.Second)
				p.borrow()
				if p.pass(59, 60); p.stopped > 0 {
					t.Errorf("%d are stopped, and no worker came free that would have room", p.stopped)
				}
				if p.pass(241, 60); p.stopped != 3 || r.located("a0") != 1 {
					t.Errorf("%d were stopped while four workers came free, want 3; a0 placed: %v, %+v, %s", p.stopped, r.located("a0") == 1, r.state(p.ds[0], "a0").Verdict, r.record("a"))
				}
			})
		})
	}
}

// What comes free has no room for a lender's request: nothing is stopped for it, however often.
func TestReclaim_TooLittleComesFree(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		_, killV := r.lives("v")
		defer killV()
		defer r.checked()()
		p := r.passingBy(1, 140, 40) // with b's on a worker, one of these leaves 260
		r.reclaimsAfter(p.ds[0], "a", 300, 300, 5*time.Second)
		p.borrow()
		if p.pass(300, 20); p.stopped > 0 || r.located("a0") == 1 {
			t.Errorf("%d were stopped; a0 placed: %v", p.stopped, r.located("a0") == 1)
		}
	})
}

// A worker comes free, long after the time, that nobody else waits for: what was lent is reclaimed then.
func TestReclaim_RoomComesLater(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		_, killV := r.lives("v")
		defer killV()
		defer r.checked()()
		p := r.passingBy(1, 800, 2)
		r.reclaimsAfter(p.ds[0], "a", 300, 300, 5*time.Second)
		p.borrow()
		if p.pass(30, 100); p.stopped > 0 {
			t.Errorf("%d are stopped in vain", p.stopped)
		}
		if p.pass(5, 2); p.stopped != 3 || r.located("a0") != 1 {
			t.Errorf("%d were stopped, want 3; a0 placed: %v", p.stopped, r.located("a0") == 1)
		}
	})
}

// What was lent comes back as what uses it ends, and is kept for the lender's request until a worker comes free, though who waits
// for no quota took those before; also where a lender never reclaims, and where its daemon begins anew.
func TestLoan_BackBeforeAWorker(t *testing.T) {
	for _, tt := range []struct {
		daemons int
		anew    bool
	}{{1, false}, {3, false}, {1, true}, {3, true}} {
		t.Run(fmt.Sprint(tt.daemons, " anew ", tt.anew), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				_, killV := r.lives("v")
				defer killV()
				defer r.checked()()
				p := r.passingBy(tt.daemons, 800, 12)
				r.guarantee(p.ds[0], "a", 300, 300)
				p.borrow()
				for i, id := range ids("b", 3) { // and each time one of x takes what comes free
					p.pass(20, 10)
					r.reported(r.whereIs(id), id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
					if r.run(p.ds[0], "b1"+id, some("b", 100)); r.located("a0") == 1 {
						t.Errorf("a0 is placed after %d ends", i+1)
					}
				}
				if p.pass(25, 100); tt.anew {
					p.stop()
					p.ds, p.stop = r.several(tt.daemons)
				}
				if p.pass(20, 10); r.located("a0") != 1 {
					t.Errorf("a0 waits though its quota is back, and two workers came free: %+v, %s", r.state(p.ds[0], "a0").Verdict, r.record("a"))
				}
			})
		})
	}
}
