package rules

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// registersDaemon says whether a request puts a daemon's key.
func registersDaemon(req proto.Message) bool {
	txn, ok := req.(*pb.TxnRequest)
	return ok && len(txn.Success) == 1 && strings.Contains(string(txn.Success[0].GetRequestPut().GetKey()), "/daemons/")
}

// firstRegistration lets do stand in for the store at the first registration of a daemon.
func (c *conn) firstRegistration(do func(apply func() (proto.Message, error)) (proto.Message, error)) {
	var once sync.Once
	c.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		first := false
		if registersDaemon(req) {
			once.Do(func() { first = true })
		}
		if first {
			return do(apply)
		}
		return apply()
	})
}

func (r *rig) wantMember(when string) {
	r.t.Helper()
	if r.kv("daemons/d") == nil {
		r.t.Errorf("%s the daemon, which lives, is no member", when)
	}
}

// A registration that has no answer for longer than the lease would last without
// a keepalive: the lease is kept alive meanwhile.
func TestMember_SlowRegistration(t *testing.T) {
	bubble(t, func(r *rig) {
		granted := ""
		r.conn.firstRegistration(func(func() (proto.Message, error)) (proto.Message, error) {
			leases, err := r.client.Leases(r.t.Context())
			r.ok(err)
			granted = strconv.FormatInt(int64(leases.Leases[0].ID), 16)
			<-time.After(15 * time.Second) // a lease is of 10 s
			return nil, errLost
		})
		_, stop := r.daemon()
		wait(r, 20)
		r.wantMember("20 s later")
		if _, gone, err := r.LeaseRemaining(r.t.Context(), granted); err != nil || gone {
			r.t.Errorf("the lease is gone: %v, %v; want it kept alive while the registration had no answer", gone, err)
		}
		stop()
	})
}

// A registration whose lease ends all the same is not sent for ever.
func TestMember_LeaseEndsBeforeRegistration(t *testing.T) {
	bubble(t, func(r *rig) {
		r.conn.firstRegistration(func(func() (proto.Message, error)) (proto.Message, error) {
			leases, err := r.client.Leases(r.t.Context())
			r.ok(err)
			_, err = r.client.Revoke(r.t.Context(), leases.Leases[0].ID)
			r.ok(err)
			return nil, errLost
		})
		_, stop := r.daemon()
		wait(r, 10)
		r.wantMember("10 s later")
		stop()
	})
}

// What is put under a lease that is gone is refused for good.
func TestRegister_LeaseGone(t *testing.T) {
	bubble(t, func(r *rig) {
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Hour)
		defer cancel()
		if _, err := r.RegisterDaemon(ctx, "d", lease.ID, berth.Daemon{Program: "test", MaxSchema: 1}); !errors.Is(err, etcdstore.ErrLeaseGone) {
			r.t.Errorf("register daemon: %v", err)
		}
		if _, err := r.RegisterWorker(ctx, "w", r.registration(lease)); !errors.Is(err, etcdstore.ErrLeaseGone) {
			r.t.Errorf("register worker: %v", err)
		}
	})
}

// The registration of a daemon's former life comes after its present one's: the key
// is under the former lease, and goes with it.
func TestMember_LateRegistration(t *testing.T) {
	bubble(t, func(r *rig) {
		var late func() (proto.Message, error)
		r.conn.firstRegistration(func(apply func() (proto.Message, error)) (proto.Message, error) {
			late = apply
			return nil, errLost
		})
		former := r.store(etcdstore.Options{})
		lease, err := former.KeepLease(r.t.Context(), 10*time.Second)
		r.ok(err)
		ctx, kill := context.WithTimeout(r.t.Context(), time.Millisecond)
		_, err = former.RegisterDaemon(ctx, "d", lease.ID, berth.Daemon{Program: "former", MaxSchema: 1, StartedAt: time.Now().UTC()})
		kill()
		if !errors.Is(err, etcdstore.ErrOutcomeUnknown) {
			r.t.Fatalf("the former life: %v", err)
		}
		_, stop := r.daemon()
		synctest.Wait()
		r.wantMember("at first")
		_, err = late()
		r.ok(err)
		for range 30 { // beyond the end of the former lease
			wait(r, 1)
			r.wantMember("after the former life's registration")
		}
		stop()
	})
}

// Of two daemons of one name the second ends, and says why; the first goes on as if
// nothing had been. They overwrote each other for ever.
func TestMember_TwoOfOneName(t *testing.T) {
	bubble(t, func(r *rig) {
		_, stop := r.daemon()
		wait(r, 1)
		second, err := daemon.New(r.side().Store, daemon.Options{ID: "d"})
		r.ok(err)
		began := time.Now()
		if err := second.Run(r.t.Context()); !errors.Is(err, daemon.ErrNameTaken) {
			r.t.Errorf("the second ended with %v, want that the name is taken", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			r.t.Errorf("it ended after %s", took)
		}
		for range 30 {
			wait(r, 1)
			r.wantMember("after the second has ended")
		}
		stop()
	})
}

// A life that ended without a word is followed by the next, whose name is free.
func TestMember_NextLife(t *testing.T) {
	bubble(t, func(r *rig) {
		ctx, kill := context.WithCancel(r.t.Context())
		former := r.side()
		lease, err := former.KeepLease(ctx, 10*time.Second)
		r.ok(err)
		_, err = former.RegisterDaemon(ctx, "d", lease.ID, berth.Daemon{Program: "former", MaxSchema: 1, StartedAt: time.Now().UTC()})
		r.ok(err)
		kill()
		_, stop := r.daemon()
		for range 30 {
			wait(r, 1)
			r.wantMember("in its second life")
		}
		stop()
	})
}

func TestMember_KeyDeleted(t *testing.T) {
	bubble(t, func(r *rig) {
		_, stop := r.daemon()
		synctest.Wait()
		r.remove("daemons/d")
		wait(r, 3)
		r.wantMember("after its key was deleted")
		stop()
	})
}

// The key went before the watch told that it was there: the reload tells that it is not.
func TestMember_KeyDeletedUnwatched(t *testing.T) {
	bubble(t, func(r *rig) {
		hold := make(chan struct{})
		r.conn.hear(func(w *pb.WatchResponse) {
			if len(w.Events) > 0 {
				<-hold
				w.Events, w.Canceled, w.CompactRevision = nil, true, w.Header.Revision
			}
		})
		_, stop := r.daemon()
		synctest.Wait()
		r.remove("daemons/d")
		r.conn.hear(nil)
		close(hold)
		wait(r, 3)
		r.wantMember("after its key was deleted")
		stop()
	})
}

// A daemon whose registration took long is a member again, and the layout is not
// raised under it.
func TestMember_NoLayoutRaisedUnderIt(t *testing.T) {
	bubble(t, func(r *rig) {
		old := r.side()
		old.conn.firstRegistration(func(func() (proto.Message, error)) (proto.Message, error) {
			<-time.After(15 * time.Second)
			return nil, errLost
		})
		first, end := old.member("d", etcdstore.Options{})
		wait(r, 60)
		_, end2 := r.member("new", etcdstore.Options{Layout: 2})
		wait(r, 30)
		res, err := first.Submit(r.t.Context(), []berth.Request{r.submission("r").Spec})
		if err != nil || res[0].Err != nil {
			r.t.Errorf("submit to the old daemon: %+v, %v", res, err)
		}
		end()
		end2()
	})
}

// member runs a daemon until end.
func (r *rig) member(id berth.DaemonID, opts etcdstore.Options) (d *daemon.Daemon, end func()) {
	r.t.Helper()
	d, err := daemon.New(r.store(opts), daemon.Options{ID: id})
	r.ok(err)
	ctx, cancel := contextOf(r)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	return d, func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("daemon %s: %v", id, err)
		}
	}
}
