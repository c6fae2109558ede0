package integration_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
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

var takeoverKills = flag.Int("kills", 3, "how often TestTakeover kills a daemon")

const (
	takeoverDaemons = 3
	takeoverWorkers = 24
	takeoverBacklog = 300
)

// TestTakeover kills one of three daemons, by turns, while all workers are full
// and requests wait. Nothing can be placed on the dead one's workers until another
// releases what has ended there: the test measures from the kill until an
// allocation of another's comes onto one of them, and onto all of them.
func TestTakeover(t *testing.T) {
	r := newTakeover(t)
	defer r.load()()
	var first, all []time.Duration
	for i := range *takeoverKills {
		victim := i % takeoverDaemons
		base := r.base(victim)
		workers := r.placements.busy(t, base)
		killed := time.Now()
		r.daemons[victim].kill()
		times := r.placements.resumed(t, base, workers, killed)
		first, all = append(first, times[0]), append(all, times[len(times)-1])
		r.startDaemon(victim)
	}
	t.Logf("of each kill, in order: %v", first)
	slices.Sort(first)
	slices.Sort(all)
	t.Logf("%d kills: placements on the dead daemon's workers go on after p50 %v, p99 %v; on all of them p50 %v, p99 %v",
		len(first), percentile(first, 50), percentile(first, 99), percentile(all, 50), percentile(all, 99))
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(time.Millisecond)
}

// takeover is daemons and hollow workers as processes, on a real etcd.
type takeover struct {
	*fleet
	store      *clientv3.Client
	endpoint   string
	daemons    []*proc
	placements *placements
}

func newTakeover(t *testing.T) *takeover {
	t.Helper()
	etcd := realetcd.New(t, realetcd.Options{Members: 1, Hosts: []string{"127.0.0.1"}})
	r := &takeover{fleet: newFleet(t), store: etcd.Client(), endpoint: etcd.Endpoint(0), daemons: make([]*proc, takeoverDaemons), placements: newPlacements()}
	t.Cleanup(func() {
		report, err := invariant.CheckStore(context.Background(), r.store, prefix, invariant.Options{})
		if err != nil || len(report.Violations) > 0 {
			t.Errorf("fsck: %v %v", err, report.Violations)
		}
	})
	for i := range r.daemons {
		r.startDaemon(i)
	}
	r.start("hollow", nil, binary(t), "worker", "--hollow", fmt.Sprint(takeoverWorkers), "--name", "w", "--etcd-endpoints", r.endpoint, "--log-level", "warn")
	background(t, func(ctx context.Context) error { return r.placements.follow(ctx, r.store) })
	c := r.api(0)
	defer c.Close()
	r.waitReady(c, takeoverWorkers)
	return r
}

func (r *takeover) socketOf(i int) string { return filepath.Join(r.dir, fmt.Sprintf("d%d.sock", i)) }

func (r *takeover) api(i int) *client.Client {
	r.t.Helper()
	c, err := client.New(client.Options{Address: r.socketOf(i)})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *takeover) startDaemon(i int) {
	r.t.Helper()
	name := fmt.Sprintf("d%d", i)
	r.daemons[i] = r.start(name, nil, binary(r.t), "daemon", "--name", name, "--socket", r.socketOf(i), "--listen", "",
		"--etcd-endpoints", r.endpoint, "--log-level", "warn")
}

// base is what the transactions of a daemon that is up begin with.
func (r *takeover) base(i int) string {
	r.t.Helper()
	c := r.api(i)
	defer c.Close()
	if _, err := c.Info(r.t.Context()); err != nil { // answers when the daemon is ready
		r.t.Fatal(err)
	}
	resp, err := r.store.Get(r.t.Context(), prefix+"daemons/"+fmt.Sprintf("d%d", i))
	if err != nil || len(resp.Kvs) != 1 {
		r.t.Fatalf("daemon %d is no member: %v", i, err)
	}
	var rec struct {
		Base string `json:"txn_base"`
	}
	if err := json.Unmarshal(resp.Kvs[0].Value, &rec); err != nil {
		r.t.Fatal(err)
	}
	return rec.Base
}

// load keeps a backlog of short requests, through whichever daemon answers. The
// function it returns waits until all have ended.
func (r *takeover) load() (end func()) {
	stop := background(r.t, func(ctx context.Context) error {
		for n, i := 0, 0; ctx.Err() == nil; i++ {
			c := r.clientOn(r.socketOf(i % takeoverDaemons)) // one that is dead is left at once: the backlog must not run out
			n += r.topUp(ctx, c, n)
			c.Close()
		}
		return nil
	})
	return func() {
		stop()
		c := r.api(0)
		defer c.Close()
		waitIdle(r.t, c)
		for _, d := range r.daemons {
			if code := d.stop(syscall.SIGTERM); code != 0 {
				r.t.Errorf("%s exits with %d", d.name, code)
			}
		}
	}
}

// topUp submits where fewer wait than should, and says how many it submitted.
func (r *takeover) topUp(ctx context.Context, c *client.Client, n int) int {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	<-time.After(50 * time.Millisecond)
	in, err := c.Info(bounded)
	if err != nil || in.GetRequests() > takeoverBacklog {
		return 0
	}
	var batch []*berthv1.Request
	for i := range takeoverBacklog {
		batch = append(batch, &berthv1.Request{
			Id: fmt.Sprintf("r%07d", n+i), Command: []string{"true"}, Resources: &berthv1.Demand{CpuMilli: 10_000},
			Env: map[string]string{"HOLLOW_RUN_MS": "10"},
		})
	}
	_, _ = c.Submit(bounded, batch) // a killed daemon's batch may be in or not: its ids are not used again
	return len(batch)
}

// placements is who placed on which worker, as etcd tells.
type placements struct {
	mu     sync.Mutex        // guards what follows
	last   map[string]placed // by worker
	change chan struct{}     // closed at each change, and made anew
}

type placed struct {
	base string
	at   time.Time // received
}

func newPlacements() *placements {
	return &placements{last: make(map[string]placed), change: make(chan struct{})}
}

func (p *placements) follow(ctx context.Context, c *clientv3.Client) error {
	for resp := range c.Watch(ctx, prefix+"allocations/", clientv3.WithPrefix()) {
		now := time.Now()
		if err := resp.Err(); err != nil {
			return err
		}
		p.mu.Lock()
		for _, e := range resp.Events {
			if !e.IsCreate() {
				continue
			}
			var rec struct {
				Txn string `json:"txn"`
			}
			if err := json.Unmarshal(e.Kv.Value, &rec); err != nil {
				p.mu.Unlock()
				return err
			}
			w, _, _ := strings.Cut(strings.TrimPrefix(string(e.Kv.Key), prefix+"allocations/"), "/")
			p.last[w] = placed{rec.Txn[:max(0, strings.LastIndexByte(rec.Txn, '-'))], now}
		}
		close(p.change)
		p.change = make(chan struct{})
		p.mu.Unlock()
	}
	return ctx.Err()
}

// until waits until ok holds of the last placements.
func (p *placements) until(t *testing.T, what string, ok func(map[string]placed) bool) map[string]placed {
	t.Helper()
	late := time.After(time.Minute)
	for {
		p.mu.Lock()
		last, change := maps.Clone(p.last), p.change
		p.mu.Unlock()
		if ok(last) {
			return last
		}
		select {
		case <-change:
		case <-late:
			t.Fatalf("%s: not within a minute; last placements %v", what, last)
		}
	}
}

// busy waits until all workers have been placed on for a second, and some of them
// by this daemon: its share has come back to it. It returns those.
func (p *placements) busy(t *testing.T, base string) []string {
	t.Helper()
	began := time.Now()
	var own []string
	p.until(t, "the daemon "+base+" places on its workers", func(last map[string]placed) bool {
		own = own[:0]
		fresh := 0
		for w, by := range last {
			if by.at.Sub(began) > time.Second {
				fresh++
			}
			if by.base == base && time.Since(by.at) < time.Second {
				own = append(own, w)
			}
		}
		return fresh == len(last) && len(own) >= 2
	})
	return own
}

// resumed is how long after the kill others placed on each of the workers, sorted.
func (p *placements) resumed(t *testing.T, base string, workers []string, killed time.Time) []time.Duration {
	t.Helper()
	took := make(map[string]time.Duration)
	p.until(t, "placements go on", func(last map[string]placed) bool {
		for _, w := range workers {
			if by := last[w]; by.base != base && by.at.After(killed) {
				if _, known := took[w]; !known {
					took[w] = by.at.Sub(killed)
				}
			}
		}
		return len(took) == len(workers)
	})
	return slices.Sorted(maps.Values(took))
}
