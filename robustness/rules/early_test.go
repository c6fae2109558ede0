package rules

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// loading is a daemon whose load has come to the requests, and goes on with goOn: it
// knows workers and allocations.
func (r *rig) loading() (d *daemon.Daemon, goOn, stop func()) {
	r.t.Helper()
	held := make(chan struct{})
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		if page, ok := req.(*pb.RangeRequest); ok && string(page.Key) == "/berth/requests/" && page.Limit > 0 {
			<-held
		}
		return apply()
	})
	d, stop = r.begun(r.store(etcdstore.Options{}), daemon.Options{ID: "d", Retention: daemon.Retention{MaxAge: time.Minute}})
	<-d.Accepting()
	synctest.Wait()
	select {
	case <-d.Ready():
		r.t.Fatal("everything is known already")
	default:
	}
	return d, func() { close(held) }, stop
}

// known waits until a daemon knows everything, and has done what it owes.
func (r *rig) known(d *daemon.Daemon) {
	<-d.Ready()
	wait(r, 5)
}

// ended archives a request that never ran.
func (r *rig) ended(id string) {
	r.t.Helper()
	r.submit(id)
	r.commit(&berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: berth.RequestID(id), RequestWas: r.mod("requests/" + id), Archive: r.archive(id)}}})
}

// reserved is a request that is placed, and counted in the ledger.
func (r *rig) reserved(w, id string) {
	r.t.Helper()
	r.submit(id)
	r.commit(r.placement(w, id))
}

// While a daemon loads, what is new is placed, and nothing else is decided: neither
// releases nor what was lost, no ledger is opened, nothing that waits is placed, nothing
// is purged. All of it is when everything is known.
func TestEarly_DecidesOnlyWhatIsNew(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ended("old")
		wait(r, 120)
		r.worker("w")
		r.reserved("w", "exits")
		r.runs("w", "exits")
		r.reported("w", "exits", berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
		_, lease := r.worker("v")
		r.reserved("v", "moves")
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		r.register("x")
		r.submit("waits")
		d, goOn, stop := r.loading()
		res, err := d.Submit(r.t.Context(), []berth.Request{r.submission("new").Spec})
		if err != nil || res[0].Err != nil || res[0].Status.State != berth.StatePlaced || res[0].Status.Revision == 0 {
			r.t.Errorf("a new request, while the rest is loaded: %v, %+v", err, res)
		}
		wait(r, 2)
		standing := map[string]bool{ // whether the key is there once everything is known
			"allocations/w/exits": false, "allocations/v/moves": false, "archive/old": false, "requests/waits": true,
		}
		for key := range standing {
			if r.kv(key) == nil {
				r.t.Errorf("%s went before everything was known", key)
			}
		}
		appears := []string{"ledgers/x", "states/waits", "archive/exits"}
		for _, key := range appears {
			if r.kv(key) != nil {
				r.t.Errorf("%s was put before everything was known", key)
			}
		}
		goOn()
		r.known(d)
		for key, stays := range standing {
			if (r.kv(key) != nil) != stays {
				r.t.Errorf("%s, when everything is known: there %t, want %t", key, !stays, stays)
			}
		}
		for _, key := range appears {
			if r.kv(key) == nil {
				r.t.Errorf("%s is absent though everything is known", key)
			}
		}
		stop()
	})
}

// An id that the store knows is answered when everything is known, whether it has
// been read by then or not: before, its answer could not be told from what is read.
func TestEarly_AnswersWhatIsThere(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ended("ended")
		r.worker("w")
		r.reserved("w", "runs")
		r.runs("w", "runs")
		r.submit("other")
		d, goOn, stop := r.loading()
		answers := make(chan daemon.SubmitResult, 3)
		for _, id := range []string{"ended", "runs", "other"} {
			s := r.submission(id).Spec
			if id == "other" {
				s.Command = []string{"false"}
			}
			go func() {
				res, err := d.Submit(r.t.Context(), []berth.Request{s})
				if err != nil {
					res = []daemon.SubmitResult{{ID: s.ID, Err: err}}
				}
				answers <- res[0]
			}()
		}
		wait(r, 2)
		if len(answers) > 0 {
			r.t.Errorf("answered before everything was known: %+v", <-answers)
		}
		goOn()
		r.known(d)
		for range 3 {
			a := <-answers
			switch s := a.Status; a.ID {
			case "ended":
				if a.Err != nil || !a.Existing || s.State != berth.StateSucceeded {
					r.t.Errorf("ended: %+v", a)
				}
			case "runs":
				if a.Err != nil || !a.Existing || s.State != berth.StateRunning || s.Worker != "w" {
					r.t.Errorf("runs: %+v", a)
				}
			case "other":
				if !errors.Is(a.Err, daemon.ErrConflictingID) {
					r.t.Errorf("another request of that id: %+v", a)
				}
			}
		}
		if l, _ := r.ledger("w"); l.Count != 2 { // and "other", which is placed by now
			r.t.Errorf("%d allocations, want 2", l.Count)
		}
		stop()
	})
}

// What comes early and fits nowhere waits, and is judged and placed when everything is known.
func TestEarly_FitsNowhere(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.reserved("w", "runs")
		d, goOn, stop := r.loading()
		s := r.submission("large").Spec
		s.Resources.CPUMilli = capacity.CPUMilli
		res, err := d.Submit(r.t.Context(), []berth.Request{s})
		if err != nil || res[0].Err != nil || res[0].Status.State != berth.StatePending || res[0].Status.Blocked {
			r.t.Errorf("while the rest is loaded: %v, %+v", err, res)
		}
		goOn()
		r.known(d)
		if st, err := d.Get(r.t.Context(), "large"); err != nil || !st.Blocked {
			r.t.Errorf("when everything is known: %v, %+v", err, st)
		}
		stop()
	})
}

// A daemon that ends while it loads refuses what waits for the end of that: its
// submitter goes on with another.
func TestEarly_Stops(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.reserved("w", "runs")
		d, goOn, stop := r.loading()
		answer := make(chan error, 1)
		go func() {
			_, err := d.Submit(r.t.Context(), []berth.Request{r.submission("runs").Spec})
			answer <- err
		}()
		synctest.Wait()
		go stop()
		if err := <-answer; !errors.Is(err, daemon.ErrStopping) {
			r.t.Errorf("what waited is answered by %v, want %v", err, daemon.ErrStopping)
		}
		goOn()
		synctest.Wait()
	})
}
