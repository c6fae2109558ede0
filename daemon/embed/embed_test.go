package embed_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/mtls/mtlstest"
	"github.com/berthd/berth/daemon/embed"
)

func start(t *testing.T, opts embed.Options) *embed.Server {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Listen = "127.0.0.1:0"
	s, err := embed.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStart_Locked(t *testing.T) {
	dir := t.TempDir()
	start(t, embed.Options{Dir: dir})
	_, err := embed.Start(t.Context(), embed.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if !errors.Is(err, embed.ErrLocked) {
		t.Errorf("a second member on the directory: %v", err)
	}
}

func TestStart_Refuses(t *testing.T) {
	tests := []struct {
		name string
		opts embed.Options
		want error
	}{
		{"no directory", embed.Options{}, nil},
		{"every address", embed.Options{Dir: t.TempDir(), Listen: "0.0.0.0:0"}, nil},
		{"no port", embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1"}, nil},
		{"remote without certificates", embed.Options{Dir: t.TempDir(), ListenTLS: "0.0.0.0:0"}, mtls.ErrNotLoopback},
		{"remote without a CA", embed.Options{Dir: t.TempDir(), ListenTLS: "0.0.0.0:0", TLS: mtls.Files{Cert: "x", Key: "y"}}, mtls.ErrIncomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := embed.Start(t.Context(), tt.opts)
			if err == nil {
				s.Close()
				t.Fatal("it starts")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestStart_MutualTLS(t *testing.T) {
	files := mtlstest.New(t)
	s := start(t, embed.Options{ListenTLS: "127.0.0.2:0", TLS: files})
	config, err := files.Client()
	if err != nil {
		t.Fatal(err)
	}
	stranger := config.Clone()
	stranger.GetClientCertificate = nil
	get := func(c clientv3.Config) error {
		c.Endpoints, c.DialTimeout, c.Logger = []string{s.RemoteAddress()}, 2*time.Second, zap.NewNop()
		client, err := clientv3.New(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err = client.Get(ctx, "x")
		return err
	}
	if err := get(clientv3.Config{TLS: config}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if err := get(clientv3.Config{TLS: stranger}); err == nil {
		t.Error("without a certificate: it answers")
	}
	if err := get(clientv3.Config{}); err == nil {
		t.Error("without TLS: it answers")
	}
}

// Within the process, etcd's adapter deadlocks when many watches of one client
// are cancelled while others speak.
func TestClient_ManyWatchesCancelled(t *testing.T) {
	client := start(t, embed.Options{}).Client()
	const watches = 100
	ctx, cancel := context.WithCancel(t.Context())
	var ended, ready sync.WaitGroup
	for i := range watches {
		ready.Add(1)
		ended.Go(func() {
			events := client.Watch(ctx, fmt.Sprint("k", i), clientv3.WithCreatedNotify())
			<-events
			ready.Done()
			for range events {
			}
		})
	}
	ready.Wait()
	cancel()
	done := make(chan struct{})
	go func() { ended.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("watches do not end")
	}
}

// etcd's client within the process panics on this one.
func TestClient_Defragment(t *testing.T) {
	s, err := embed.Start(t.Context(), embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Client().Defragment(t.Context(), "embedded"); err != nil {
		t.Error(err)
	}
}

// A start reads the log since its last snapshot: there is one every so often, and what
// was written before and after it is there.
func TestStart_AfterSnapshots(t *testing.T) {
	const puts, writers = 2500, 50
	dir := t.TempDir()
	s, err := embed.Start(t.Context(), embed.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range puts / writers {
				if _, err := s.Client().Put(t.Context(), fmt.Sprintf("k%d-%d", w, i), "v"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	saved, err := filepath.Glob(filepath.Join(dir, embed.StoreDir, "member", "snap", "*.snap"))
	if err != nil || len(saved) < 2 {
		t.Errorf("%d snapshots after %d entries, %v", len(saved), puts, err)
	}
	again := start(t, embed.Options{Dir: dir})
	resp, err := again.Client().Get(t.Context(), "k", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || resp.Count != puts {
		t.Errorf("%d keys after the restart, want %d; %v", resp.Count, puts, err)
	}
}

// What a client has open ends with the member, and does not keep it from ending: who lives
// by a lease is to be heard by the next one before that is over.
func TestClose_EndsStreams(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := embed.Start(ctx, embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lease, err := client.Grant(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := client.KeepAlive(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-alive
	<-client.Watch(ctx, "k", clientv3.WithCreatedNotify())
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// etcd's own patience with what is open is 7 s.
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it ends after %s", took)
	}
}
