package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// A large pool is looked at in parts; what is chosen is of all of it, also where what comes free
// first is in the last one.
func TestKeep_LargePool(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.alone()
		defer stop()
		for i := range 130 {
			r.lives(berth.WorkerID(fmt.Sprintf("w%03d", i)))
		}
		var all []berth.Request
		for i := range 2096 {
			s := r.submission(fmt.Sprintf("s-%04d", i)).Spec
			slots("default", 2)(&s)
			s.Resources.CPUMilli, s.StartTimeoutMS = capacity.CPUMilli/16, 3_600_000
			all = append(all, s)
		}
		for i := range 4 {
			_, err := d.Submit(r.t.Context(), all[520*i:520*i+520])
			r.ok(err)
		}
		r.passes(20 * time.Second)
		if got := len(r.held()); got != 2080 {
			r.t.Fatalf("%d are placed", got)
		}
		for _, k := range r.held() {
			if w, id, _ := strings.Cut(k, "/"); w == "w000" {
				r.runs(w, id)
				r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
			}
		}
		_, err := d.Submit(r.t.Context(), all[2080:])
		r.ok(err)
		r.passes(time.Second)
		_, err = d.Submit(r.t.Context(), []berth.Request{r.whole("g", 1)})
		r.ok(err)
		r.passes(11 * time.Millisecond)
		if got := r.kept(); got != "" {
			r.t.Errorf("kept at once: %q", got)
		}
		r.passes(time.Second)
		if got := r.kept(); got != "g w000" {
			r.t.Errorf("kept: %q", got)
		}
	})
}

// A record of what is kept that nobody can read goes: as long as it were there, nothing could be
// kept in its pool. What a newer program wrote is left to that.
func TestKeep_Unreadable(t *testing.T) {
	for value, goes := range map[string]bool{"{": true, `{"version":99}`: false} {
		t.Run(value, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.lives("w")
				_, err := r.client.Put(r.t.Context(), "/berth/keeps/default", value)
				r.ok(err)
				d, stop := r.alone()
				defer stop()
				r.run(d, "big", slots("default", 10))
				r.submitGroup(d, r.whole("g", 1))
				r.passes(3 * time.Second)
				if kv := r.kv("keeps/default"); goes != (kv != nil && string(kv.Value) != value) {
					r.t.Errorf("there is %v", kv)
				}
			})
		})
	}
}

// Nothing is kept for a group that waits for the end of a long backoff.
func TestKeep_BacksOff(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.alone()
		defer stop()
		g := r.whole("g", 1)
		g.Retry = berth.RetryPolicy{MaxAttempts: 3, OnFailure: true, BackoffMS: berth.MaxBackoffMS}
		r.submitGroup(d, g)
		w, id, _ := strings.Cut(r.held()[0], "/")
		r.runs(w, id)
		r.reported(w, id, berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: 1, At: time.Now().UTC()})
		now := time.Now().UTC()
		_, err := r.SetKeep(r.t.Context(), "default", 0, &berth.Keep{Group: "g", Since: now, Chosen: now, Workers: []berth.KeptWorker{
			{Worker: "v", Share: berth.Share{Quantities: capacity.Quantities}}, {Worker: "w", Share: berth.Share{Quantities: capacity.Quantities}},
		}})
		r.ok(err)
		r.passes(time.Second)
		r.run(d, "small", slots("default", 1))
		r.passes(3 * time.Second)
		if got := r.groupState(d, "g"); got != string(berth.GroupPending) || r.are("small") != 1 || r.kept() != "" {
			r.t.Errorf("the group is %s; kept: %q, held %v", got, r.kept(), r.held())
		}
	})
}

// Where the first group is another daemon's, and that keeps nothing for it, the next one's turn
// comes: which of the two is the first may be another one by that daemon's view.
func TestKeep_PeerKeepsNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 8 { // both daemons have some of them
			r.lives(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.alone()
		defer stop()
		r.run(d, "big", slots("default", 10))
		lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
		r.ok(err)
		ctx, cancel := contextOf(r)
		defer cancel()
		go func() { _ = lease.Run(ctx) }()
		go func() { // it writes all the while: so nobody takes it for dead
			for ctx.Err() == nil {
				_, _ = r.RegisterDaemon(ctx, "other", lease.ID, berth.Daemon{Program: "test", MaxSchema: 1, StartedAt: time.Now().UTC()})
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
		r.passes(time.Second)
		for i := range 30 { // the name decides whose it is
			r.submitGroup(d, r.whole(fmt.Sprintf("g%d", i), 8))
			if r.passes(2 * time.Second); r.kept() == "" {
				break
			}
			_, err := d.CancelGroup(r.t.Context(), berth.GroupID(fmt.Sprintf("g%d", i)), "")
			r.ok(err)
			r.passes(2 * time.Second)
		}
		for i := range 8 {
			r.submitGroup(d, r.whole(fmt.Sprintf("h%d", i), 8))
		}
		r.passes(2 * time.Second)
		if got := r.kept(); got != "" {
			r.t.Errorf("kept while the first one is the other's: %q", got)
		}
		for range 30 {
			if r.passes(time.Second); strings.HasPrefix(r.kept(), "h") {
				return
			}
		}
		r.t.Errorf("kept: %q", r.kept())
	})
}

// Whoever is behind very many groups for which nothing can be kept is kept something all the same.
func TestKeep_BehindVeryMany(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("w")
		r.lives("v")
		d, stop := r.alone()
		defer stop()
		for i := range 2 {
			r.run(d, fmt.Sprintf("long%d", i), func(q *berth.Request) {
				slots("default", 10)(q)
				q.RunLimitMS, q.StartTimeoutMS = 2*time.Hour.Milliseconds(), 3_600_000
			})
		}
		for i := range 120 { // each of another shape
			g := r.whole(fmt.Sprintf("x%03d", i), 2)
			g.Resources.CPUMilli -= int64(i)
			g.PendingLimitMS = 600_000
			r.submitGroup(d, g)
		}
		r.submitGroup(d, r.whole("h", 2))
		r.passes(time.Minute)
		if got := r.kept(); !strings.HasPrefix(got, "h ") {
			r.t.Errorf("kept: %q", got)
		}
	})
}
