package integration_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/integration/realetcd"
	"github.com/berthd/berth/invariant"
)

var awayFor = flag.Duration("away", 0, "how long etcd is away in TestEtcdAway; 0: for some leases, with few workers")

// TestEtcdAway kills all of a real etcd, and starts it again over its data after
// much more than a lease. Containers keep to their policy meanwhile, nothing is
// lost, and the return is no stampede: the test counts what it costs.
func TestEtcdAway(t *testing.T) {
	t.Parallel()
	a := &absence{ttl: 3 * time.Second, lasts: 10 * time.Second, hollow: 20, each: 5}
	if *awayFor > 0 {
		a = &absence{ttl: 10 * time.Second, lasts: *awayFor, hollow: 200, each: 10}
	}
	a.begin(t)
	a.away()
	a.back()
	a.end()
}

// absence is of an etcd that a daemon, hollow workers and one real agent use.
type absence struct {
	*fleet
	ttl, lasts   time.Duration
	hollow, each int

	etcd   *realetcd.Cluster
	c      *client.Client
	procs  []*proc
	writes writes
}

// What the real agent runs: each container says all the time which attempt it is.
var absent = map[string]int64{"stops": 0, "keeps": int64(time.Hour / time.Millisecond)} // milliseconds that it runs on alone

func (a *absence) begin(t *testing.T) {
	t.Helper()
	a.etcd = realetcd.New(t, realetcd.Options{})
	a.fleet = newFleet(t)
	endpoints := strings.Join(a.etcd.Endpoints(), ",")
	from := []string{"--etcd-endpoints", endpoints, "--log-level", "warn"}
	a.procs = append(a.procs,
		a.start("daemon", nil, append([]string{binary(t), "daemon", "--socket", a.socket(), "--listen", ""}, from...)...),
		a.start("hollow", nil, append([]string{binary(t), "worker", "--hollow", fmt.Sprint(a.hollow), "--name", "h", "--ttl", a.ttl.String()}, from...)...),
		a.start("real", nil, append([]string{
			binary(t), "worker", "--name", "real", "--pool", "real", "--data-dir", filepath.Join(a.dir, "real"), "--cpu", "1", "--memory", "1GiB", "--ttl", a.ttl.String(),
		}, from...)...))
	a.c = a.client()
	t.Cleanup(a.c.Close)
	a.procs[0].answers(a.c)
	a.waitReady(a.c, a.hollow+1)
	massLoss{half: a.hollow / 2, each: a.each}.submit(t, a.c, a.hollow*a.each)
	for id, keep := range absent {
		script := fmt.Sprintf(`while :; do echo $BERTH_ATTEMPT $$ >>%s/%s; sleep 0.1; done`, a.dir, id)
		if _, err := a.c.Submit(t.Context(), []*berthv1.Request{{
			Id: id, Pool: "real", Command: []string{"sh", "-c", script}, Resources: &berthv1.Demand{CpuMilli: 100},
			StopTimeoutMs: 100, OnDisconnectKeepMs: keep,
		}}); err != nil {
			t.Fatal(err)
		}
	}
	waitCount(t, a.c, running, a.all())
}

func (a *absence) all() int { return a.hollow*a.each + len(absent) }

func running(s *berthv1.Status) bool { return s.GetState() == "RUNNING" }

// away is the absence. What is to stop has stopped by the end of its lease; what is
// to run on runs on; and who asks is told that it is not to be had now.
func (a *absence) away() {
	a.t.Helper()
	for i := range a.etcd.Len() {
		a.etcd.Kill(i)
	}
	gone := time.Now()
	<-time.After(a.ttl + time.Second)
	stopped, kept := a.lines("stops"), a.lines("keeps")
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Second)
	defer cancel()
	if _, err := a.c.Submit(ctx, []*berthv1.Request{{Id: "meanwhile", Command: []string{"true"}}}); err == nil {
		a.t.Error("a request was accepted while there was no store")
	}
	<-time.After(time.Until(gone.Add(a.lasts)))
	if now := a.lines("stops"); now != stopped {
		a.t.Errorf("what is to stop ran on: %d lines, then %d", stopped, now)
	}
	if now := a.lines("keeps"); now <= kept {
		a.t.Errorf("what is to run on did not: %d lines, then %d", kept, now)
	}
}

// lines is how much a container has said.
func (a *absence) lines(id string) int {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, id))
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// back starts the members again, and waits until everything runs as it did.
func (a *absence) back() {
	a.t.Helper()
	for i := range a.etcd.Len() {
		a.etcd.Start(i)
	}
	began := time.Now()
	a.etcd.WaitServes(time.Minute)
	served := time.Since(began)
	stop := background(a.t, func(ctx context.Context) error { return a.writes.follow(ctx, a.etcd.Client()) })
	a.waitReady(a.c, a.hollow+1)
	waitCount(a.t, a.c, func(s *berthv1.Status) bool { return running(s) && (secondAttempt(s) || s.GetId() == "keeps") }, a.all())
	took := time.Since(began)
	stop()
	total, busiest := a.writes.count()
	a.t.Logf("%d workers, %d containers, TTL %s, away for %s: etcd served %s after its start, all ran %s after it; "+
		"%d transactions, %d in the busiest second", a.hollow+1, a.all(), a.ttl, a.lasts, served.Round(100*time.Millisecond), took.Round(100*time.Millisecond), total, busiest)
}

func (a *absence) end() {
	a.t.Helper()
	for id, attempts := range map[string]int{"stops": 2, "keeps": 1} {
		for end := time.Now().Add(30 * time.Second); len(a.attempts(id)) < attempts && time.Now().Before(end); {
			<-time.After(50 * time.Millisecond) // it runs, and its shell has yet to come to its first line
		}
		if n := len(a.attempts(id)); n != attempts {
			a.t.Errorf("%s: containers %v, want %d", id, a.attempts(id), attempts)
		}
	}
	for id := range absent {
		if _, err := a.c.Cancel(a.t.Context(), id, "enough"); err != nil {
			a.t.Error(err)
		}
		reach(a.t, a.c, id, func(s *berthv1.Status) bool { return s.GetState() == "CANCELLED" })
	}
	report, err := invariant.CheckStore(a.t.Context(), a.etcd.Client(), prefix, invariant.Options{})
	if err != nil || len(report.Violations) > 0 {
		a.t.Errorf("fsck: %v %v", err, report.Violations)
	}
	for _, p := range a.procs[1:] {
		if code := p.stop(syscall.SIGTERM); code != 0 {
			a.t.Errorf("%s exits with %d", p.name, code)
		}
	}
}

// attempts are the containers of a request, as they told of themselves: attempt
// and process.
func (a *absence) attempts(id string) map[string]bool {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, id))
	if err != nil {
		a.t.Fatal(err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		out[strings.TrimSpace(line)] = true
	}
	return out
}

// writes counts a store's transactions by the second.
type writes struct {
	mu   sync.Mutex // guards what follows
	last int64
	by   map[int64]int // second of the clock
}

func (w *writes) follow(ctx context.Context, c *clientv3.Client) error {
	for resp := range c.Watch(ctx, prefix, clientv3.WithPrefix()) {
		if err := resp.Err(); err != nil {
			return err
		}
		w.mu.Lock()
		if w.by == nil {
			w.by = make(map[int64]int)
		}
		for _, e := range resp.Events {
			if e.Kv.ModRevision != w.last {
				w.last = e.Kv.ModRevision
				w.by[time.Now().Unix()]++
			}
		}
		w.mu.Unlock()
	}
	return ctx.Err()
}

func (w *writes) count() (total, busiest int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.by {
		total += n
		busiest = max(busiest, n)
	}
	return total, busiest
}
