package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/api/mtls"
	"github.com/berthd/berth/api/mtls/mtlstest"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/integration/netns"
	"github.com/berthd/berth/integration/realetcd"
)

// options of a run.
type options struct {
	hosts, agents int           // of workers; agents on each
	ttl           time.Duration // of the agents' leases
	span          time.Duration // in which faults begin
	every         time.Duration // between two of them
	scale         float64       // of how long they last
	rate          float64       // requests a second
	long          time.Duration // that a tenth of the containers run at least
}

const members, daemons = 3, 3

// whole is a run of the size that docs/robustness.md tells of.
func whole(span time.Duration) options {
	return options{
		hosts: 10, agents: 3, ttl: 10 * time.Second, span: span, every: 4 * time.Second, scale: 1, rate: 24,
		long: 14 * time.Second, // TTL + kill bound + 1 % of the TTL, and more
	}
}

// short is a run for every day.
func short() options {
	return options{
		hosts: 3, agents: 2, ttl: 3 * time.Second, span: 20 * time.Second, every: 500 * time.Millisecond, scale: 0.15, rate: 12,
		long: 5500 * time.Millisecond,
	}
}

func (o options) count(of target) int {
	switch of {
	case oneMember:
		return members
	case oneDaemon:
		return daemons
	case oneHost:
		return o.hosts
	case oneAgent:
		return o.hosts * o.agents
	case theStore:
		return 1
	}
	panic("no such target: " + string(of))
}

// site is the whole, on a network of its own.
type site struct {
	t       *testing.T
	opts    options
	dir     string
	network *netns.Network
	tls     mtls.Files
	etcd    *realetcd.Cluster
	asks    []*clientv3.Client // one of each member, by the driver
	store   *clientv3.Client   // of all
	berth   string             // program
	payload string             // program

	memberHosts, daemonHosts, workerHosts []*netns.Host
	daemons, agents                       []*keeper
	locks                                 map[target][]sync.Mutex // a target suffers one fault at a time
}

func newSite(t *testing.T, opts options) *site {
	t.Helper()
	s := &site{t: t, opts: opts, dir: t.TempDir(), network: netns.New(t), locks: map[target][]sync.Mutex{}}
	for _, of := range []target{oneMember, oneDaemon, oneAgent, oneHost, theStore} {
		s.locks[of] = make([]sync.Mutex, opts.count(of))
	}
	build(t, s.dir, "berth-shim", "cmd/berth-shim")
	s.berth, s.payload = build(t, s.dir, "berth", "cmd/berth"), build(t, s.dir, "container", "integration/chaos/container")
	s.memberHosts = s.hosts("member", members)
	s.daemonHosts = s.hosts("daemon", daemons)
	s.workerHosts = s.hosts("host", opts.hosts)
	var addresses []string
	for _, h := range s.memberHosts {
		addresses = append(addresses, h.Address)
	}
	s.tls = mtlstest.New(t, addresses...)
	s.etcd = realetcd.New(t, realetcd.Options{
		Hosts: addresses, TLS: s.tls,
		Start: func(i int, cmd *exec.Cmd) error { return s.memberHosts[i].Start(cmd) },
		Dial:  func(ctx context.Context, address string) (net.Conn, error) { return s.network.Dial(ctx, address) },
		// A 2-core machine under such a load elects by no heartbeat of 100 ms.
		Flags: []string{"--heartbeat-interval", "200", "--election-timeout", "2000"},
	})
	s.store = s.etcd.Client()
	for i := range members {
		s.asks = append(s.asks, s.etcd.Client(i))
	}
	for _, name := range []string{"locks", "logs"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// build builds a program of this module.
func build(t *testing.T, dir, name, pkg string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/berthd/berth/"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

func (s *site) hosts(name string, n int) []*netns.Host {
	var out []*netns.Host
	for i := range n {
		out = append(out, s.network.Host(fmt.Sprintf("%s-%d", name, i+1)))
	}
	return out
}

// etcdFlags reach all members, or those given.
func (s *site) etcdFlags(endpoints ...string) []string {
	if len(endpoints) == 0 {
		endpoints = s.etcd.Endpoints()
	}
	return []string{
		"--etcd-endpoints", strings.Join(endpoints, ","),
		"--etcd-ca", s.tls.CA, "--etcd-cert", s.tls.Cert, "--etcd-key", s.tls.Key,
	}
}

func (s *site) log(name string) string { return filepath.Join(s.dir, "logs", name) }

func (s *site) socket(daemon int) string {
	return filepath.Join(s.dir, fmt.Sprintf("d%d.sock", daemon))
}

// startAll starts the daemons and the agents, and returns when all workers can
// be placed on.
func (s *site) startAll() {
	s.t.Helper()
	for i, host := range s.daemonHosts {
		name := "d" + strconv.Itoa(i)
		command := append([]string{s.berth, "daemon", "--name", name, "--socket", s.socket(i), "--listen", "", "--log-level", "info"}, s.etcdFlags()...)
		s.daemons = append(s.daemons, newKeeper(name, host, s.log(name), command...))
	}
	for h, host := range s.workerHosts {
		for a := range s.opts.agents {
			name := fmt.Sprintf("w%d-%d", h, a)
			command := append([]string{
				s.berth, "worker", "--name", name, "--data-dir", filepath.Join(s.dir, name), "--ttl", s.opts.ttl.String(), "--cpu", "4",
				"--memory", "4GiB", "--wait-for-name", "--no-cgroups", "--log-level", "info",
			}, s.etcdFlags()...)
			s.agents = append(s.agents, newKeeper(name, host, s.log(name), command...))
		}
	}
	for _, k := range append(s.daemons[:daemons:daemons], s.agents...) {
		background(s.t, k.run)
	}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.keepLogs()
		}
	})
	for i := range s.daemons {
		s.waitReady(i)
	}
}

// keepLogs leaves what everybody said where the test's end does not remove it.
func (s *site) keepLogs() {
	dir, err := os.MkdirTemp("", "berth-chaos-")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(filepath.Join(s.dir, "logs")))
	}
	s.t.Logf("the logs are in %s (%v)", dir, err)
}

func (s *site) client(daemon int) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Options{Address: s.socket(daemon), RetryFor: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// waitReady waits until a daemon can place on all workers.
func (s *site) waitReady(daemon int) {
	s.t.Helper()
	c := s.client(daemon)
	ready := 0
	for end := time.Now().Add(2 * time.Minute); ready < len(s.agents); {
		if time.Now().After(end) {
			s.t.Fatalf("daemon %d sees %d workers ready of %d\n%s", daemon, ready, len(s.agents), tail(s.log("d0"), 20))
		}
		<-time.After(50 * time.Millisecond)
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		all, err := c.Workers(ctx)
		cancel()
		if unreachable := new(client.UnreachableError); err != nil && !errors.As(err, &unreachable) {
			s.t.Logf("workers of daemon %d: %v", daemon, err)
		}
		ready = 0
		for _, w := range all {
			if w.GetState() == "ready" {
				ready++
			}
		}
	}
}
