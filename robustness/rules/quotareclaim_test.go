package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// reclaimsAfter sets a tenant's limit in cores, how much of that is guaranteed to it, and how long it
// waits for what it has lent.
func (r *rig) reclaimsAfter(d *daemon.Daemon, t berth.TenantID, most, guaranteed int64, after time.Duration) {
	r.t.Helper()
	r.guarantee(d, t, most, guaranteed)
	ms := after.Milliseconds()
	_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: t, Pool: "default", ReclaimAfterMS: &ms})
	r.ok(err)
}

// stoppedFor are those of some requests whose allocation was told to stop for a reason.
func (r *rig) stoppedFor(why berth.StopReason, ids ...string) (out []string) {
	for _, k := range r.held() {
		if w, id, _ := strings.Cut(k, "/"); slices.Contains(ids, id) {
			if a, _ := r.allocation(w, id); a.Stop != nil && a.Stop.Reason == why {
				out = append(out, id)
			}
		}
	}
	return out
}

// borrowed is a worker, a lender that waits for so long, and a borrower of which so many of 100 run, all but
// three on what is lent; they run for ever.
func (r *rig) borrowed(d *daemon.Daemon, after time.Duration, n int) []string {
	r.t.Helper()
	r.reclaimsAfter(d, "a", 300, 300, after)
	r.guarantee(d, "b", 1000, 300)
	all := ids("b", n)
	for _, id := range all {
		r.run(d, id, of("b"))
		r.passes(10 * time.Millisecond)
		r.runs("w", id)
	}
	r.passes(time.Second)
	return all
}

// stops lets the containers end that were told to.
func (r *rig) stops(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.reported("w", id, berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
	}
	r.passes(time.Second)
}

// What a lender has wanted back for as long as it says is reclaimed: the youngest of the borrower's are told to stop, as many
// as it wants and no more, and they wait again with no attempt used up.
func TestReclaim_AfterItsTime(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		all := r.borrowed(d, 30*time.Second, 6)
		r.run(d, "a0", of("a"))
		r.run(d, "a1", of("a"))
		r.passes(28 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) > 0 {
			t.Errorf("%v are told to stop before the time", told)
		}
		r.passes(3 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); !slices.Equal(told, []string{"b4", "b5"}) {
			t.Errorf("%v are told to stop, want the two youngest", told)
		}

		if a, _ := r.allocation("w", "b5"); a.Stop == nil || !strings.Contains(a.Stop.Message, "tenant a") || time.Until(a.Stop.Deadline) < 5*time.Second {
			t.Errorf("the stop order is %+v", a.Stop)
		}
		if r.located("a0", "a1") != 0 {
			t.Error("placed before what is reclaimed has ended")
		}
		r.stops("b4", "b5")
		if n := r.located("a0", "a1"); n != 2 {
			t.Errorf("%d of the lender's are placed", n)
		}
		s := r.state(d, "b5")
		if s.State != berth.StatePending || s.Reason != berth.EndReclaimed || s.Attempt != 2 || s.UsedAttempts != 0 {
			t.Errorf("what was stopped is %+v", s)
		}
		r.passes(time.Minute)
		before := r.revision()
		r.passes(time.Minute)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) > 0 || r.revision() > before {
			t.Errorf("%v are told to stop, %d transactions, though nothing is wanted back", told, r.revision()-before)
		}
		stop()
	})
}

// A borrower's limit is set below what it uses: what it has borrowed stays so until what uses it ends, or is told to
// for the lender, which has nothing of its part before.
func TestReclaim_LimitLowered(t *testing.T) {
	for _, tt := range []struct {
		name             string
		most, guaranteed int64
		want             []string
	}{
		{"the limit", 400, 300, []string{"b5"}},
		{"both", 100, 100, []string{"b3", "b4", "b5"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				all := r.borrowed(d, 5*time.Second, 6)
				r.guarantee(d, "b", tt.most, tt.guaranteed)
				r.passes(time.Minute)
				if q := r.quota(d, "b"); q.Loans.Borrowed["a"][berth.DimensionCPU] != 300 {
					t.Errorf("of what is in use has gone back: %+v", q)
				}
				r.run(d, "a0", of("a"))
				r.passes(4 * time.Second)
				if n := r.located("a0"); n > 0 {
					t.Error("the lender's is placed though its part is in use")
				}
				r.passes(3 * time.Second)
				if told := r.stoppedFor(berth.StopReclaim, all...); !slices.Equal(told, tt.want) {
					t.Errorf("%v are told to stop, want %v", told, tt.want)
				}
				r.stops(tt.want...)
				if n := r.located("a0"); n != 1 {
					t.Error("the lender's is not placed")
				}
				stop()
			})
		})
	}
}

// Whom it costs what: never what the borrower's own part has room for, nothing where enough stops already or comes back
// by itself, what has not started at once, and of a group all or nothing.
func TestReclaim_Whom(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(r *rig, d *daemon.Daemon)
		want   []string
	}{
		{"all that is on what is lent, and no more", func(*rig, *daemon.Daemon) {}, []string{"b3", "b4", "b5"}},
		{"one is cancelled, and stops already", func(r *rig, d *daemon.Daemon) {
			_, err := d.Cancel(r.t.Context(), "b0", "")
			r.ok(err)
		}, []string{"b4", "b5"}},
		{"one ends meanwhile", func(r *rig, _ *daemon.Daemon) { r.stops("b5") }, []string{"b3", "b4"}},
		{"the lender waits for ever", func(r *rig, d *daemon.Daemon) {
			_, err := d.SetQuota(r.t.Context(), daemon.QuotaChange{Tenant: "a", Pool: "default", NeverReclaim: true})
			r.ok(err)
		}, nil},
		{"nothing of the lender's waits any more", func(r *rig, d *daemon.Daemon) {
			for _, id := range ids("a", 3) {
				_, err := d.Cancel(r.t.Context(), berth.RequestID(id), "")
				r.ok(err)
			}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				d, stop := r.daemon()
				all := r.borrowed(d, 20*time.Second, 6)
				for _, id := range ids("a", 3) {
					r.run(d, id, of("a"))
				}
				r.passes(time.Second)
				tt.before(r, d)
				r.passes(30 * time.Second)
				if told := r.stoppedFor(berth.StopReclaim, all...); !slices.Equal(told, tt.want) {
					t.Errorf("%v are told to stop, want %v", told, tt.want)
				}
				stop()
			})
		})
	}
}

// What has not started is taken back at once; and a group goes whole, though a part of it would do.
func TestReclaim_NotStartedAndGroup(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.reclaimsAfter(d, "a", 300, 300, 5*time.Second)
		r.guarantee(d, "b", 1000, 0)
		r.run(d, "g", func(s *berth.Request) {
			of("b")(s)
			s.Group = &berth.Membership{Size: 2, MinCount: 2}
			*s = s.Normalize()
		})
		r.passes(time.Second)
		r.runs("w", "g.0")
		r.runs("w", "g.1")
		r.run(d, "late", of("b"))
		r.passes(time.Second)
		r.run(d, "a0", of("a"))
		r.passes(10 * time.Second)
		if r.located("late") != 0 || r.located("a0") != 1 {
			t.Error("what had not started keeps its place")
		}
		r.run(d, "a1", of("a"))
		r.passes(10 * time.Second)
		if told := len(r.stoppedFor(berth.StopReclaim, "g.0", "g.1")) + len(r.stoppedFor(berth.StopGroup, "g.0", "g.1")); told != 2 {
			t.Errorf("%d of the group are told to stop", told)
		}
		r.stops("g.0", "g.1")
		r.passes(time.Second)
		if r.located("a1") != 1 || r.located("g.0", "g.1") != 0 {
			t.Error("the lender's waits though the group has ended")
		}
		stop()
	})
}

// A daemon that is restarted meanwhile does not begin to wait anew; and one that does not hear whether its orders were
// taken orders nothing more.
func TestReclaim_RestartAndUnknownOutcome(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		all := r.borrowed(d, 30*time.Second, 6)
		r.run(d, "a0", of("a"))
		r.passes(20 * time.Second)
		stop()
		_, stop = r.daemon()
		lost := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if strings.Contains(fmt.Sprint(req), "reclaim") && writes(req) && lost < 2 && len(r.stoppedFor(berth.StopReclaim, all...)) > 0 {
				lost++
				return nil, errLost
			}
			return resp, err
		})
		r.passes(11 * time.Second)
		r.conn.between(nil)
		if told := r.stoppedFor(berth.StopReclaim, all...); !slices.Equal(told, []string{"b5"}) || lost == 0 {
			t.Errorf("%v are told to stop, %d answers were lost", told, lost)
		}
		r.passes(time.Minute)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) != 1 {
			t.Errorf("%v are told to stop at last", told)
		}
		stop()
	})
}

// While the pool's brake is engaged nothing is reclaimed.
func TestReclaim_Braked(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		all := r.borrowed(d, 5*time.Second, 6)
		for i := range 3 {
			w := fmt.Sprintf("v%d", i)
			r.joins(berth.WorkerID(w))
			r.run(d, "on-"+w, func(s *berth.Request) { s.Resources.CPUMilli = 1000 })
			r.runs(w, "on-"+w)
		}
		r.run(d, "a0", of("a"))
		for i := range 3 {
			r.remove(fmt.Sprintf("workers/v%d", i))
		}
		r.passes(time.Second)
		if r.kv("brakes/default") == nil {
			t.Fatal("no brake")
		}
		r.passes(10 * time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) > 0 {
			t.Errorf("%v are told to stop during a mass loss", told)
		}
		_, err := d.SetBrake(r.t.Context(), "default", daemon.BrakeWord{Release: true})
		r.ok(err)
		r.passes(time.Second)
		if told := r.stoppedFor(berth.StopReclaim, all...); len(told) != 1 {
			t.Errorf("%v are told to stop when the brake has let go", told)
		}
		stop()
	})
}
