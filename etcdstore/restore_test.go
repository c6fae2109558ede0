package etcdstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// replace puts another, empty etcd in the place of the one that answers.
func (r *rig) replace() {
	r.t.Helper()
	if err := r.etcd.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.dir = filepath.Join(r.t.TempDir(), "other")
	r.startEtcd()
}

func (r *rig) open(layout int64) *etcdstore.Store {
	r.t.Helper()
	s, err := etcdstore.New(r.client, etcdstore.Options{Layout: layout})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// The answer of another cluster is of another history, whatever was asked; Init
// begins with it anew.
func TestStore_ClusterChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	lease, err := r.KeepLease(ctx, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r.commit(r.submission("before"))
	r.replace()
	for name, ask := range map[string]func() error{
		"commit": func() error { _, err := r.Commit(ctx, r.submission("after")); return err },
		"get":    func() error { _, err := r.Get(ctx, berth.Key{Kind: berth.KindSchema}); return err },
		"lease":  func() error { _, _, err := r.LeaseRemaining(ctx, lease.ID); return err },
		"follow": func() error {
			return r.Follow(ctx, func(context.Context, etcdstore.Delta) error { return nil })
		},
		"intent": func() error {
			_, err := r.SetIntent(ctx, "w", func(*berth.Intent) *berth.Intent { return nil })
			return err
		},
	} {
		if err := ask(); !errors.Is(err, etcdstore.ErrClusterChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Init(ctx); err != nil {
		t.Fatal(err)
	}
	r.commit(r.submission("after"))
}

// A lease that another cluster answers for is lost, though that one knows its
// id, as a restored store does.
func TestLease_ClusterChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lease, err := r.KeepLease(t.Context(), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r.replace()
	id, err := strconv.ParseInt(lease.ID, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pb.NewLeaseClient(r.client.ActiveConnection()).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: 60}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	if err := lease.Run(t.Context()); err != nil { // it would be kept alive for ever
		t.Fatal(err)
	}
	<-lease.Lost()
}

// What is in service is not taken for restored: its workers would be dropped.
func TestPrepareRestored_InService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker("w")
	if _, err := r.open(0).PrepareRestored(t.Context(), etcdstore.RestoreOptions{}); !errors.Is(err, etcdstore.ErrNotBumped) {
		t.Errorf("%v, want ErrNotBumped", err)
	}
	if facts, err := r.Get(t.Context(), berth.Key{Kind: berth.KindWorker, ID: "w"}); err != nil || facts[0].Record == nil {
		t.Errorf("the worker is gone: %v", err)
	}
	if _, err := r.open(0).PrepareRestored(t.Context(), etcdstore.RestoreOptions{}); err == nil {
		t.Error("prepared")
	}
}

func TestRaiseSchema(t *testing.T) {
	t.Parallel()
	r := newRig(t) // knows layout 1
	ctx := t.Context()
	lease, err := r.KeepLease(ctx, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	register := func(name string, newest int64) {
		t.Helper()
		if _, err := r.RegisterDaemon(ctx, berth.DaemonID(name), lease.ID, berth.Daemon{Program: "test", MaxSchema: newest, StartedAt: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
	}
	newer := r.open(2)
	if err := newer.Init(ctx); err != nil {
		t.Fatal(err)
	}
	raise := func(s *etcdstore.Store, want bool) {
		t.Helper()
		if raised, err := s.RaiseSchema(ctx); err != nil || raised != want {
			t.Fatalf("raised %t, %v; want %t", raised, err, want)
		}
	}
	register("new", 2)
	register("old", 1)
	raise(newer, false) // the old one does not know it
	raise(r.Store, false)
	r.commit(r.submission("while-mixed"))
	register("old", 2) // upgraded
	raise(newer, true)
	raise(newer, false) // there is no third
	if newer.Layout() != 2 {
		t.Errorf("layout %d", newer.Layout())
	}
	if _, err := newer.Commit(ctx, r.submission("by-the-new")); err != nil {
		t.Error(err)
	}
	// What does not know the new one is refused, in service and at its start.
	if _, err := r.Commit(ctx, r.submission("by-the-old")); !errors.Is(err, etcdstore.ErrNewerSchema) {
		t.Errorf("commit: %v, want ErrNewerSchema", err)
	}
	if _, err := r.RegisterDaemon(ctx, "late", lease.ID, berth.Daemon{Program: "test", MaxSchema: 1}); !errors.Is(err, etcdstore.ErrNewerSchema) {
		t.Errorf("register: %v, want ErrNewerSchema", err)
	}
	if err := r.open(1).Init(ctx); !errors.Is(err, etcdstore.ErrNewerSchema) {
		t.Errorf("open: %v, want ErrNewerSchema", err)
	}
}

// An old daemon that registers between the look at the daemons and the
// transaction keeps the layout where it is.
func TestRaiseSchema_RegisteredMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	lease, err := r.KeepLease(ctx, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	newer := r.open(2)
	if err := newer.Init(ctx); err != nil {
		t.Fatal(err)
	}
	r.before.Store(new(func() {
		if _, err := r.RegisterDaemon(ctx, "old", lease.ID, berth.Daemon{Program: "test", MaxSchema: 1}); err != nil {
			t.Error(err)
		}
	}))
	if raised, err := newer.RaiseSchema(ctx); err != nil || raised {
		t.Errorf("raised %t, %v", raised, err)
	}
	r.commit(r.submission("by-the-old"))
}
