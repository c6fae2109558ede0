package integration_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/invariant"
)

var openb = flag.String("openb", "", "the folder of the openb trace (docs/runbook.md)")

// TestOpenb places a real trace on a real fleet's shapes, through the API of a
// daemon in a process of its own: nothing ends, so the fleet fills up. Devices and shares
// of them go by name; at every revision no invariant is broken, so none is beyond
// its 1,000 thousandths. For each request that is left, a check of its own finds no
// worker with room.
func TestOpenb(t *testing.T) {
	if *openb == "" {
		t.Skip("no trace: make openb OPENB=FOLDER runs it")
	}
	nodes := filepath.Join(*openb, "openb_node_list_gpu_node.csv")
	requests := readPods(t, filepath.Join(*openb, "openb_pod_list_default.csv"))
	f := newFleet(t)
	f.daemon()
	c := f.client()
	defer c.Close()
	seen := watchInvariants(t, f)
	begun := time.Now()
	f.hollow(nodes, "--log-level", "warn", "--ttl", "60s")
	workers := len(readTable(t, nodes))
	f.waitReady(c, workers)
	t.Logf("%d workers registered and opened in %s", workers, time.Since(begun).Round(time.Millisecond))

	begun = time.Now()
	for batch := range slices.Chunk(requests, 500) {
		results, err := c.Submit(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.GetRefusal() != nil {
				t.Fatalf("%s refused: %v", r.GetId(), r.GetRefusal())
			}
		}
	}
	accepted := time.Since(begun)
	in := settle(t, c)
	took := time.Since(begun)
	fleet, last := readFleet(t, f)
	placed := len(requests) - int(in.GetPending())
	t.Logf("%d requests accepted in %s (%.0f/s), %d placed within %s (%.0f/s), %d left; %d conflicts",
		len(requests), accepted.Round(time.Millisecond), float64(len(requests))/accepted.Seconds(),
		placed, took.Round(time.Millisecond), float64(placed)/took.Seconds(), in.GetPending(), in.GetConflicts())
	fleet.check(t, c, requests)
	fsck := f.start("fsck", nil, binary(t), "fsck", "--etcd-endpoints", f.endpoint())
	if code := fsck.stop(syscall.Signal(0)); code != 0 {
		t.Errorf("fsck exits with %d", code)
	}
	t.Logf("fsck: %s; the same at each of %d revisions before", strings.TrimSpace(fsck.tail()), seen.until(t, last))
}

// watched is a store of which every revision is checked as it happens.
type watched struct {
	reports chan invariant.Report // read by until alone; closed when the watch has ended
}

// watchInvariants does what fsck --watch does, until the test's end: by the same code, so
// that one can wait until it has come as far as the store.
func watchInvariants(t *testing.T, f *fleet) *watched {
	t.Helper()
	etcd, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{f.endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Close() })                     // read only
	w := &watched{reports: make(chan invariant.Report, 1<<20)} // more than there are revisions: the watch is to wait for nobody
	background(t, func(ctx context.Context) error {
		defer close(w.reports)
		return invariant.WatchStore(ctx, etcd, prefix, invariant.Options{}, func(r invariant.Report) error { w.reports <- r; return nil })
	})
	return w
}

// until waits until a revision is checked, and says how many were.
func (w *watched) until(t *testing.T, revision int64) (n int) {
	t.Helper()
	for r := range w.reports {
		n++
		for _, v := range r.Violations {
			t.Errorf("at revision %d: %s", r.Revision, v)
		}
		if r.Unseen > 0 {
			t.Errorf("%d revisions before %d were compacted unseen", r.Unseen, r.Revision)
		}
		if r.Revision >= revision {
			return n
		}
	}
	t.Errorf("the watch has ended before revision %d", revision)
	return n
}

// settle waits until nothing changes any more: all that is pending is blocked.
func settle(t *testing.T, c *client.Client) *berthv1.InfoResponse {
	t.Helper()
	for {
		in, err := c.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if in.GetPending() == in.GetBlocked() {
			return in
		}
	}
}

func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// readPods makes requests of name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec.
func readPods(t *testing.T, path string) []*berthv1.Request {
	t.Helper()
	var out []*berthv1.Request
	for _, row := range readTable(t, path) {
		n := make([]int64, 6)
		for i := 1; i < 5; i++ {
			var err error
			if n[i], err = strconv.ParseInt(row[i], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		r := &berthv1.Request{
			Id: row[0], Command: []string{"pod"}, Resources: &berthv1.Demand{CpuMilli: n[1], MemoryBytes: n[2] << 20},
		}
		if n[3] > 0 {
			d := &berthv1.DeviceDemand{Count: n[3], Milli: n[4]}
			if row[5] != "" {
				d.Types = strings.Split(strings.ToLower(row[5]), "|")
			}
			r.Resources.Devices = []*berthv1.DeviceDemand{d}
		}
		out = append(out, r)
	}
	return out
}

// machine is what a worker has left, computed from the store's JSON by code
// that shares nothing with the scheduler.
type machine struct {
	cpu, memory int64
	devices     map[string]int64 // thousandths left
	kind        map[string]string
}

type fleetState map[string]*machine

// readFleet is the workers with what they have left, and the newest revision of any key.
func readFleet(t *testing.T, f *fleet) (out fleetState, last int64) {
	t.Helper()
	etcd, err := etcdstore.Dial(etcdstore.DialOptions{Endpoints: []string{f.endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = etcd.Close() }() // read only
	resp, err := etcd.Get(t.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	out = fleetState{}
	for pass := range 2 { // the machines, then what is on them
		for _, kv := range resp.Kvs {
			last = max(last, kv.ModRevision)
			parts := strings.Split(strings.TrimPrefix(string(kv.Key), prefix), "/")
			switch {
			case pass == 0 && parts[0] == "workers":
				out.add(t, parts[1], kv.Value)
			case pass == 1 && parts[0] == "allocations":
				out.take(t, parts[1], kv.Value)
			}
		}
	}
	return out, last
}

func (s fleetState) add(t *testing.T, worker string, value []byte) {
	t.Helper()
	var r struct {
		Capacity struct {
			CPU     int64 `json:"cpu_milli"`
			Memory  int64 `json:"memory_bytes"`
			Devices []struct{ Name, Type string }
		}
	}
	if err := json.Unmarshal(value, &r); err != nil {
		t.Fatal(err)
	}
	m := &machine{cpu: r.Capacity.CPU, memory: r.Capacity.Memory, devices: map[string]int64{}, kind: map[string]string{}}
	for _, d := range r.Capacity.Devices {
		m.devices[d.Name], m.kind[d.Name] = 1000, d.Type
	}
	s[worker] = m
}

func (s fleetState) take(t *testing.T, worker string, value []byte) {
	t.Helper()
	var a struct {
		Share struct {
			CPU     int64 `json:"cpu_milli"`
			Memory  int64 `json:"memory_bytes"`
			Devices []struct {
				Name  string
				Milli int64
			}
		}
	}
	if err := json.Unmarshal(value, &a); err != nil {
		t.Fatal(err)
	}
	m := s[worker]
	m.cpu -= a.Share.CPU
	m.memory -= a.Share.Memory
	for _, d := range a.Share.Devices {
		m.devices[d.Name] -= d.Milli
	}
}

// room says whether the machine could take a request now.
func (m *machine) room(r *berthv1.Request) bool {
	if r.GetResources().GetCpuMilli() > m.cpu || r.GetResources().GetMemoryBytes() > m.memory {
		return false
	}
	for _, d := range r.GetResources().GetDevices() {
		n := int64(0)
		byKind := map[string]int64{}
		for name, left := range m.devices {
			if left >= d.GetMilli() && (len(d.GetTypes()) == 0 || slices.Contains(d.GetTypes(), m.kind[name])) {
				byKind[m.kind[name]]++
				n = max(n, byKind[m.kind[name]])
			}
		}
		if n < d.GetCount() {
			return false
		}
	}
	return true
}

func (s fleetState) check(t *testing.T, c *client.Client, requests []*berthv1.Request) {
	t.Helper()
	for name, m := range s {
		if m.cpu < 0 || m.memory < 0 {
			t.Errorf("%s is overcommitted: %+v", name, m)
		}
		for device, left := range m.devices {
			if left < 0 {
				t.Errorf("%s: %d thousandths too many of device %s are given out", name, -left, device)
			}
		}
	}
	byID := map[string]*berthv1.Request{}
	for _, r := range requests {
		byID[r.GetId()] = r
	}
	left := 0
	err := c.List(t.Context(), &berthv1.Filter{States: []string{string(berth.StatePending)}}, func(st *berthv1.Status) error {
		left++
		for name, m := range s {
			if m.room(byID[st.GetId()]) {
				return fmt.Errorf("%s is left, and %s has room: %+v", st.GetId(), name, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d requests are left; no worker has room for any of them", left)
}
