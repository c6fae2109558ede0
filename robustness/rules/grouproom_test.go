package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// filled is n workers, each with two requests of a priority that run: those of w0 are w0-0 and w0-1.
func (r *rig) filled(d *daemon.Daemon, n int, priority int32) {
	r.t.Helper()
	for i := range n {
		w := fmt.Sprintf("w%d", i)
		r.lives(berth.WorkerID(w))
		for _, id := range []string{w + "-0", w + "-1"} {
			r.run(d, id, sized(500, priority))
			r.runs(w, id)
		}
	}
}

// pressing is a group whose members want a whole worker each, and for which others make room.
func (r *rig) pressing(id string, size, need int64, priority int32) berth.Request {
	g := r.whole(id, size)
	g.Group.MinCount, g.Priority, g.Preemption = need, priority, berth.PreemptionLower
	return g
}

// madeRoom is what is kept in the pool, and of which revision.
func (r *rig) madeRoom() (k berth.Keep, rev berth.Revision) {
	r.t.Helper()
	kv := r.kv("keeps/default")
	if kv == nil {
		return k, 0
	}
	r.ok(json.Unmarshal(kv.Value, &k))
	return k, berth.Revision(kv.ModRevision)
}

// told are those who are told to make room, and whether all are by one revision.
func (r *rig) told() (out []string, at berth.Revision) {
	r.t.Helper()
	for _, k := range r.held() {
		w, id, _ := strings.Cut(k, "/")
		a, _ := r.allocation(w, id)
		if a == nil || a.Stop == nil || a.Stop.Reason != berth.StopPreempt {
			continue
		}
		if mod := r.mod("allocations/" + k); at == 0 || at == mod {
			at = mod
		} else {
			at = -1
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return out, at
}

// exitsAll lets those end who are told to make room.
func (r *rig) exitsAll() {
	r.t.Helper()
	ids, _ := r.told()
	for _, id := range ids {
		r.exits(id[:2], id)
	}
	r.passes(2 * time.Second)
}

// Stops and what is kept are one transaction. What those who make room free goes to nobody else, and
// when the last has ended the group is placed whole; then nothing is kept any more.
func TestGroupRoom_Transactions(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 3, 0)
		r.submitGroup(d, r.pressing("g", 2, 2, 50))
		r.passes(time.Second)
		told, at := r.told()
		k, rev := r.madeRoom()
		if len(told) != 4 || at != rev || k.Group != "g" || len(k.Workers) != 2 || k.MadeRoom.IsZero() || k.By.Sub(k.MadeRoom) != 5*time.Second {
			t.Fatalf("told %v at %d; kept %+v at %d", told, at, k, rev)
		}
		a, _ := r.allocation(told[0][:2], told[0])
		if a.Stop.Message != "makes room for group g" {
			t.Errorf("told %+v", a.Stop)
		}
		r.exits(told[0][:2], told[0])
		r.run(d, "other", sized(500, 0)) // finds no room in what is kept
		r.passes(2 * time.Second)
		if r.are("other") > 0 {
			t.Errorf("another is placed in what is kept: %v", r.held())
		}
		r.exitsAll()
		if n := r.are("g.0", "g.1"); n != 2 {
			t.Errorf("%d of the group are placed: %v", n, r.held())
		}
		if got := r.kept(); got != "" {
			t.Errorf("still kept: %s", got)
		}
		for _, id := range []berth.RequestID{"g.0", "g.1", "other"} {
			e, err := d.Explain(r.t.Context(), id)
			r.ok(err)
			switch m := e.MadeRoom; {
			case id == "other" && m != nil, id != "other" && m == nil:
				t.Errorf("room made for %s: %+v", id, m)
			case m != nil && (m.Revision != rev || len(m.By) != 4 || m.By[0] != berth.RequestID(told[0])):
				t.Errorf("room for %s was made by %+v, told were %v at %d", id, m, told, rev)
			}
			if id == "other" {
				continue // it waits
			}
			again, err := d.Replay(r.t.Context(), id, 0)
			r.ok(err)
			switch v := again.Victims; {
			case again.Outcome != daemon.ReplaySame, v == nil:
				t.Errorf("replay of %s: %s, victims %+v", id, again.Outcome, v)
			case v.Outcome != daemon.ReplayCannot, v.Why == "", v.At != rev, len(v.Were) != 4:
				t.Errorf("replay of %s tells of who made room %+v", id, *v)
			}
		}
		stop()
	})
}

// Nobody is told to stop where that is not for something that matters more, and may be placed.
func TestGroupRoom_Nobody(t *testing.T) {
	for name, of := range map[string]func(r *rig, d *daemon.Daemon, g *berth.Request){
		"equal priority":  func(_ *rig, _ *daemon.Daemon, g *berth.Request) { g.Priority = 10 },
		"it does not ask": func(_ *rig, _ *daemon.Daemon, g *berth.Request) { g.Preemption = "" },
		"its quota has no room": func(r *rig, d *daemon.Daemon, g *berth.Request) {
			g.Tenant = "limited"
			r.limit(d, "limited", 1500)
		},
		"too few workers": func(_ *rig, _ *daemon.Daemon, g *berth.Request) {
			g.Group.Size, g.Group.MinCount = 3, 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				r.filled(d, 2, 10)
				g := r.pressing("g", 2, 2, 50)
				of(r, d, &g)
				r.submitGroup(d, g)
				r.passes(time.Minute)
				if told, _ := r.told(); len(told) > 0 {
					t.Errorf("told to stop: %v", told)
				}
				stop()
			})
		})
	}
}

// No more end than as many members as must begin together need, whatever comes meanwhile.
func TestGroupRoom_NoMoreThanNeeded(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		r.filled(d, 4, 0)
		r.submitGroup(d, r.pressing("g", 4, 2, 50))
		r.passes(4 * time.Second)
		told, _ := r.told()
		if len(told) != 4 {
			t.Fatalf("told %v", told)
		}
		r.exits(told[0][:2], told[0])
		r.passes(time.Minute) // one of them does not end in time
		if again, _ := r.told(); !slices.Equal(again, told[1:]) {
			t.Errorf("told %v, then %v", told, again)
		}
		r.exitsAll()
		if n := r.are("g.0", "g.1", "g.2", "g.3"); n != 2 {
			t.Errorf("%d of the group are placed: %v", n, r.held())
		}
		r.passes(time.Minute)
		if again, _ := r.told(); len(again) > 0 { // the others follow as they fit
			t.Errorf("told for who follows: %v", again)
		}
		stop()
	})
}

// Where they are too many for one transaction, several tell them, and no more than needed.
func TestGroupRoom_SeveralTransactions(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{MaxTxnOps: 32}), daemon.Options{ID: "d"})
		for i := range 4 {
			w := fmt.Sprintf("w%d", i)
			r.lives(berth.WorkerID(w))
			for j := range 12 {
				id := fmt.Sprintf("%s-%d", w, j)
				r.run(d, id, sized(80, 0))
			}
		}
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			r.runs(w, id)
		}
		r.submitGroup(d, r.pressing("g", 3, 3, 50))
		r.passes(3 * time.Second)
		told, at := r.told()
		if len(told) != 36 || at != -1 {
			t.Errorf("told %v at %d", told, at)
		}
		for _, k := range r.held() {
			if w, id, _ := strings.Cut(k, "/"); slices.Contains(told, id) {
				r.exits(w, id)
			}
		}
		r.passes(2 * time.Second)
		if n := r.are("g.0", "g.1", "g.2"); n != 3 {
			t.Errorf("%d of the group are placed: %v", n, r.held())
		}
		stop()
	})
}

// A group that makes room is told so whole, wherever its members are, and has nobody make room itself before
// it has run again.
func TestGroupRoom_OfAGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		for _, w := range []string{"w0", "w1", "w2"} {
			r.lives(berth.WorkerID(w))
		}
		r.submitGroup(d, r.pressing("low", 2, 2, 20))
		r.run(d, "w2-0", sized(1000, 10))
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			r.runs(w, id)
		}
		r.submitGroup(d, r.pressing("high", 2, 2, 50))
		r.passes(3 * time.Second)
		stopped := 0
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			if a, _ := r.allocation(w, id); a.Stop != nil {
				stopped++
			}
		}
		if told, _ := r.told(); stopped != 3 && stopped != 2 || len(told) == 0 {
			t.Fatalf("%d stopped, told %v", stopped, told)
		}
		for _, k := range r.held() {
			w, id, _ := strings.Cut(k, "/")
			if a, _ := r.allocation(w, id); a.Stop != nil {
				r.exits(w, id)
			}
		}
		r.passes(3 * time.Second)
		if n := r.are("high.0", "high.1"); n != 2 {
			t.Errorf("%d of the group are placed: %v", n, r.held())
		}
		r.passes(time.Minute) // w2-0 would be enough for nobody; low waits
		if told, _ := r.told(); len(told) > 0 {
			t.Errorf("told for a group that made room: %v", told)
		}
		stop()
	})
}

// What is kept is replaced only where it is as it was seen: two daemons that both have others make room meet there.
func TestGroupRoom_ComparesWhatIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		now := time.Now().UTC()
		k := berth.Keep{Group: "g", Since: now, Chosen: now, MadeRoom: now, Workers: []berth.KeptWorker{{Worker: "w"}}}
		p := &berth.Plan{ID: r.NewTxnID(), Keeps: []berth.KeepWrite{{Pool: "default", Keep: k}}}
		r.commit(p)
		r.conflicts(&berth.Plan{ID: r.NewTxnID(), Keeps: []berth.KeepWrite{{Pool: "default", Keep: k}}})
		r.commit(&berth.Plan{ID: r.NewTxnID(), Keeps: []berth.KeepWrite{{Pool: "default", Was: r.mod("keeps/default"), Keep: k}}})
	})
}

// TestGroupRoom_QuotaGone: what others free for a group is kept for it no longer than its whole quota has room for it, however long the
// others may take to stop.
func TestGroupRoom_QuotaGone(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		r.limit(d, "a", 2*capacity.CPUMilli)
		for _, w := range []string{"w0", "w1"} {
			r.lives(berth.WorkerID(w))
			r.run(d, w+"-f", func(q *berth.Request) {
				sized(capacity.CPUMilli, 1)(q)
				q.StopTimeoutMS = 3_600_000
			})
			r.runs(w, w+"-f")
		}
		g := r.pressing("g", 2, 2, 50)
		g.Tenant = "a"
		r.submitGroup(d, g)
		r.passes(time.Second)
		if told, _ := r.told(); len(told) != 2 {
			t.Fatalf("told: %v", told)
		}
		r.exits("w0", "w0-f")
		r.passes(5 * time.Second)
		if got := r.kept(); r.are("w0-f") > 0 || !strings.HasPrefix(got, "g ") {
			t.Fatalf("kept: %q, held: %v", got, r.held())
		}
		r.limit(d, "a", 2*capacity.CPUMilli-1)
		r.passes(5 * time.Second)
		if got := r.kept(); r.are("w0-f") != 1 || got != "" {
			t.Errorf("kept for what could never be placed: %q, held: %v", got, r.held())
		}
		if v := r.state(d, "g.0").Verdict; v == nil || !v.NeverFits || v.Reasons[0].Code != berth.ReasonQuota {
			t.Errorf("told: %+v", v)
		}
	})
}
