package realetcd

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/berthd/berth/api/mtls"
)

// Options of a Cluster. Zero fields mean the defaults.
type Options struct {
	Members int // default 3
	// Hosts are the members' addresses, without ports; default: all on
	// 127.0.0.1, on free ports.
	Hosts []string
	// TLS makes clients and peers prove who they are; it must hold for all hosts.
	TLS mtls.Files
	// Start starts the process of a member; default: (*exec.Cmd).Start.
	Start func(member int, cmd *exec.Cmd) error
	// Dial reaches a member from the test; default: a plain connection.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Flags are added to each member's.
	Flags []string
}

// Cluster is real members. Its methods belong to one goroutine; different
// members may belong to different ones.
type Cluster struct {
	tb      testing.TB
	opts    Options
	members []*member
}

// New starts a cluster, and returns when it serves. It ends with the test.
func New(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, opts: opts}
	if opts.Members == 0 {
		opts.Members = 3
	}
	if len(opts.Hosts) == 0 {
		for range opts.Members {
			c.opts.Hosts = append(c.opts.Hosts, "127.0.0.1")
		}
	}
	if c.opts.Start == nil {
		c.opts.Start = func(_ int, cmd *exec.Cmd) error { return cmd.Start() }
	}
	ports := freePorts(tb, 2*len(c.opts.Hosts))
	var peers []string
	for i, host := range c.opts.Hosts {
		m := &member{
			name: fmt.Sprintf("m%d", i+1), dir: filepath.Join(tb.TempDir(), "etcd"), log: filepath.Join(tb.TempDir(), "log"),
			client: c.url(host, ports[2*i]), peer: c.url(host, ports[2*i+1]),
		}
		c.members = append(c.members, m)
		peers = append(peers, m.name+"="+m.peer)
	}
	tb.Cleanup(c.end)
	for i := range c.members {
		c.members[i].flags = c.flags(c.members[i], strings.Join(peers, ","))
		c.Start(i)
	}
	c.WaitServes(time.Minute)
	return c
}

func (c *Cluster) url(host string, port int) string {
	scheme := "http"
	if !c.opts.TLS.IsZero() {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:%d", scheme, host, port)
}

func (c *Cluster) flags(m *member, peers string) []string {
	flags := []string{
		"--name", m.name, "--data-dir", m.dir, "--log-level", "warn",
		"--listen-client-urls", m.client, "--advertise-client-urls", m.client,
		"--listen-peer-urls", m.peer, "--initial-advertise-peer-urls", m.peer,
		"--initial-cluster", peers, "--initial-cluster-state", "new",
	}
	if t := c.opts.TLS; !t.IsZero() {
		flags = append(flags,
			"--cert-file", t.Cert, "--key-file", t.Key, "--trusted-ca-file", t.CA, "--client-cert-auth",
			"--peer-cert-file", t.Cert, "--peer-key-file", t.Key, "--peer-trusted-ca-file", t.CA, "--peer-client-cert-auth")
	}
	return append(flags, c.opts.Flags...)
}

// Len is how many members there are.
func (c *Cluster) Len() int { return len(c.members) }

// Endpoints are the members' client URLs.
func (c *Cluster) Endpoints() []string {
	var out []string
	for _, m := range c.members {
		out = append(out, m.client)
	}
	return out
}

// Endpoint is one member's client URL.
func (c *Cluster) Endpoint(i int) string { return c.members[i].client }

// Client is a client of some members, or of all without any; it is closed with
// the test.
func (c *Cluster) Client(members ...int) *clientv3.Client {
	c.tb.Helper()
	config := clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 5 * time.Second, DialKeepAliveTime: 2 * time.Second, DialKeepAliveTimeout: 2 * time.Second, Logger: zap.NewNop()}
	if len(members) > 0 {
		config.Endpoints = nil
		for _, i := range members {
			config.Endpoints = append(config.Endpoints, c.Endpoint(i))
		}
	}
	var err error
	if !c.opts.TLS.IsZero() {
		if config.TLS, err = clientTLS(c.opts.TLS); err != nil {
			c.tb.Fatal(err)
		}
	}
	if dial := c.opts.Dial; dial != nil {
		config.DialOptions = append(config.DialOptions, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dial(ctx, strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"))
		}))
	}
	client, err := clientv3.New(config)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { _ = client.Close() }) // of a cluster that may be gone
	return client
}

// WaitServes waits until the cluster has a leader and every running member
// answers with what all agree on.
func (c *Cluster) WaitServes(within time.Duration) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(c.tb.Context(), within)
	defer cancel()
	for i, m := range c.members {
		if !m.runs() {
			continue
		}
		client := c.Client(i)
		for {
			try, cancelTry := context.WithTimeout(ctx, time.Second)
			_, err := client.Get(try, "waits")
			cancelTry()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				c.tb.Fatalf("member %d does not serve: %v\n%s", i, err, c.Log(i))
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-m.ended:
				c.tb.Fatalf("member %d ended: %v\n%s", i, m.err, c.Log(i))
			}
		}
		_ = client.Close() // read only
	}
}

// Leader is the index of the member that leads, by its own word; -1: none.
func (c *Cluster) Leader(ctx context.Context, clients []*clientv3.Client) int {
	for i := range c.members {
		try, cancel := context.WithTimeout(ctx, time.Second)
		st, err := clients[i].Status(try, c.Endpoint(i))
		cancel()
		if err == nil && st.Leader == st.Header.MemberId {
			return i
		}
	}
	return -1
}

func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var out []int
	var held []net.Listener // all at once, or one might be given twice
	defer func() {
		for _, l := range held {
			_ = l.Close() // its port is all that was wanted
		}
	}()
	for range n {
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		held = append(held, l)
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			tb.Fatalf("no TCP address: %v", l.Addr())
		}
		out = append(out, a.Port)
	}
	return out
}
