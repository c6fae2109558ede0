package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is a bridge that hosts stand on. It is safe for concurrent use, once
// the hosts are there.
type Network struct {
	tb    testing.TB
	hub   namespace
	hosts []*Host
}

// New makes a network without hosts.
func New(tb testing.TB) *Network {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "iptables"} {
		if _, err := exec.LookPath(tool); err != nil {
			tb.Skipf("network namespaces need %s (apt-get install iproute2 iptables): %v", tool, err)
		}
	}
	hub, err := newNamespace()
	if err != nil {
		tb.Skipf("this machine gives no network namespaces: %v", err)
	}
	n := &Network{tb: tb, hub: hub}
	tb.Cleanup(n.close)
	if err := hub.ip("link set lo up", "link add hub type bridge", "addr add 10.0.0.1/16 dev hub", "link set hub up"); err != nil {
		tb.Fatal(err)
	}
	return n
}

// Host is one machine of a network.
type Host struct {
	name    string
	Address string
	link    string // the bridge's end
	own     namespace
	hub     namespace
	mu      sync.Mutex // orders cuts and what heals them
}

// Host adds a machine.
func (n *Network) Host(name string) *Host {
	n.tb.Helper()
	own, err := newNamespace()
	if err != nil {
		n.tb.Fatal(err)
	}
	i := len(n.hosts) + 1
	h := &Host{name: name, Address: fmt.Sprintf("10.0.%d.%d", 1+i/200, 1+i%200), link: fmt.Sprintf("h%d", i), own: own, hub: n.hub}
	n.hosts = append(n.hosts, h)
	if err := n.hub.ip("link add "+h.link+" type veth peer name eth0 netns "+own.path(), "link set "+h.link+" master hub up"); err != nil {
		n.tb.Fatal(err)
	}
	if err := own.ip("link set lo up", "addr add "+h.Address+"/16 dev eth0", "link set eth0 up"); err != nil {
		n.tb.Fatal(err)
	}
	return h
}

// Dial connects from the bridge itself, which is never cut off.
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	return n.hub.dial(ctx, address)
}

// Start starts a process on the bridge.
func (n *Network) Start(cmd *exec.Cmd) error { return n.hub.start(cmd) }

func (n *Network) close() {
	for _, h := range n.hosts {
		_ = h.own.file.Close() // it vanishes
	}
	_ = n.hub.file.Close()
}

// Name is what it was called.
func (h *Host) Name() string { return h.name }

// Start starts a process on the host.
func (h *Host) Start(cmd *exec.Cmd) error { return h.own.start(cmd) }

// Do runs fn on the host: sockets that it makes are the host's.
func (h *Host) Do(fn func() error) error { return h.own.in(fn) }

// Kill kills every process on the host at once, as a loss of power does, and
// returns when none is left; it says how many there were. They are stopped first: none sees
// another's end, which a shim would report as its container's own.
func (h *Host) Kill() (killed int, err error) {
	var own unix.Stat_t
	if err := unix.Fstat(int(h.own.file.Fd()), &own); err != nil {
		return 0, fmt.Errorf("kill all on %s: %w", h.name, err)
	}
	for stopped := make(map[int]bool); ; {
		pids, err := inNamespace(own.Ino)
		if err != nil || len(pids) == 0 {
			return killed, err
		}
		signal := unix.SIGKILL
		for _, pid := range pids {
			if !stopped[pid] {
				signal = unix.SIGSTOP // and whom it has started meanwhile, the next time
			}
		}
		for _, pid := range pids {
			stopped[pid] = true
			if unix.Kill(pid, signal) == nil && signal == unix.SIGKILL {
				killed++
			}
		}
	}
}

// inNamespace are the processes in a network namespace; one that has ended and
// was not reaped yet is in none.
func inNamespace(inode uint64) ([]int, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	want := fmt.Sprintf("net:[%d]", inode)
	var out []int
	for _, d := range dirs {
		var pid int
		if _, err := fmt.Sscanf(d.Name(), "%d", &pid); err != nil {
			continue
		}
		if link, err := os.Readlink("/proc/" + d.Name() + "/ns/net"); err == nil && strings.TrimSpace(link) == want {
			out = append(out, pid)
		}
	}
	return out, nil
}
