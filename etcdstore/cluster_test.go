package etcdstore_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/berthd/berth/etcdstore"
)

// cluster is three real members on loopback.
type cluster struct {
	t       *testing.T
	members []*embed.Etcd // nil: stopped
	configs []*embed.Config
}

func freeURL(t *testing.T) url.URL {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // its port is all that was wanted
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, members: make([]*embed.Etcd, 3)}
	var peers []string
	for i := range c.members {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir = fmt.Sprintf("m%d", i), filepath.Join(t.TempDir(), "etcd")
		client, peer := freeURL(t), freeURL(t)
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		cfg.TickMs, cfg.ElectionMs = 50, 500
		peers = append(peers, cfg.Name+"="+peer.String())
		c.configs = append(c.configs, cfg)
	}
	for _, cfg := range c.configs {
		cfg.InitialCluster = strings.Join(peers, ",")
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.stop(i)
		}
	})
	for i := range c.configs {
		c.start(i)
	}
	for _, m := range c.members {
		select {
		case <-m.Server.ReadyNotify():
		case <-time.After(30 * time.Second):
			t.Fatal("the cluster does not start")
		}
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	var err error
	if c.members[i], err = embed.StartEtcd(c.configs[i]); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop(i int) {
	if c.members[i] != nil {
		c.members[i].Close()
		c.members[i] = nil
	}
}

func (c *cluster) endpoints() []string {
	var out []string
	for _, cfg := range c.configs {
		out = append(out, cfg.AdvertiseClientUrls[0].String())
	}
	return out
}

// leader is the index of the member that leads.
func (c *cluster) leader() int {
	for i, m := range c.members {
		if m != nil && m.Server.Leader() == m.Server.MemberID() {
			return i
		}
	}
	return 0
}

// onCluster is a store on a cluster, by the client that production has.
func onCluster(t *testing.T, c *cluster) *rig {
	t.Helper()
	client, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: c.endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	r := &rig{t: t, client: client}
	if r.Store, err = etcdstore.New(client, etcdstore.Options{TxnTimeout: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	// Members that have just started on a busy machine may change their leader once more.
	for until := time.Now().Add(time.Minute); ; {
		if err = r.Init(t.Context()); err == nil {
			return r
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// Whatever member goes, the leader or the one that the watch stands on, and
// while no leader is there at all: the follower ends in exactly the store's
// state, and writes settle.
func TestFollow_ClusterFaults(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := onCluster(t, c)
	v := &view{}
	r.follow(v)
	r.commit(r.submission("before"))
	r.agrees(v)
	for round := range 3 { // each member once, so also the one that is watched
		i := (c.leader() + round) % 3
		c.stop(i)
		r.commit(r.submission(fmt.Sprintf("without-%d", round)))
		r.agrees(v)
		c.start(i)
		r.commit(r.submission(fmt.Sprintf("with-%d", round)))
		r.agrees(v)
	}
	// No leader: a commit has no answer until there is one.
	a, b := c.leader(), (c.leader()+1)%3
	c.stop(a)
	c.stop(b)
	done := make(chan error, 1)
	go func() {
		_, err := r.Commit(context.Background(), r.submission("no-leader"))
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("committed without a leader: %v", err)
	case <-time.After(3 * time.Second):
	}
	c.start(a)
	c.start(b)
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the commit does not settle")
	}
	r.agrees(v)
}

// A store with authentication is opened with a password from a file, and with
// no other.
func TestDial_Password(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.client.UserAdd(ctx, "root", "secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.UserGrantRole(ctx, "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
	for password, ok := range map[string]bool{"secret\n": true, "wrong\n": false} {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		err := open(ctx, etcdstore.DialOptions{Endpoints: []string{"http://" + r.listen}, Username: "root", PasswordFile: file})
		if (err == nil) != ok || (err != nil && strings.Contains(err.Error(), strings.TrimSpace(password))) {
			t.Errorf("password %q: %v", password, err)
		}
	}
	if err := open(ctx, etcdstore.DialOptions{Endpoints: []string{"http://" + r.listen}}); err == nil {
		t.Error("opened without a password")
	}
}

func open(ctx context.Context, opts etcdstore.DialOptions) error {
	client, err := etcdstore.Dial(opts)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // read only
	store, err := etcdstore.New(client, etcdstore.Options{TxnTimeout: 3 * time.Second})
	if err != nil {
		return err
	}
	return store.Init(ctx)
}
