package worker

import (
	"sync"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon/embed"
	"github.com/berthd/berth/etcdstore"
)

// newSite has a store on an embedded etcd of its own.
func newSite(t *testing.T) *site {
	s, _ := newCutSite(t)
	return s
}

// newCutSite also returns what cuts everybody off from the store, for good.
func newCutSite(t *testing.T) (*site, func()) {
	t.Helper()
	server, err := embed.Start(t.Context(), embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cut := sync.OnceFunc(func() { server.Close() })
	t.Cleanup(cut)
	s := &site{t: t}
	if s.store, err = etcdstore.New(server.Client(), etcdstore.Options{Log: s.log()}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.deleteWorker = func(w berth.WorkerID) {
		t.Helper()
		if _, err := server.Client().Delete(t.Context(), "/berth/workers/"+string(w)); err != nil {
			t.Fatal(err)
		}
	}
	s.raiseLayout = func() {
		t.Helper()
		next, err := etcdstore.New(server.Client(), etcdstore.Options{Layout: etcdstore.Layout + 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		if raised, err := next.RaiseSchema(t.Context()); err != nil || !raised {
			t.Fatalf("raised %t, %v", raised, err)
		}
	}
	return s, cut
}
