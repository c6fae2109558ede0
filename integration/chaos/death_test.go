package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

var deaths = flag.Int("deaths", 1, "of hosts in TestWorkerDeath")

// TestWorkerDeath measures how long it takes after a host is dead until what ran
// there runs elsewhere: what was left of its lease, then the grace, and little
// more. It never takes less: what is left of the lease is at least two thirds.
func TestWorkerDeath(t *testing.T) {
	opts := short()
	opts.agents = 1
	if *deaths > 1 {
		opts.ttl = 10 * time.Second
	}
	s := newSite(t, opts)
	s.startAll()
	c := s.client(0)
	d := &driver{site: s}
	var all []time.Duration
	for i := range *deaths {
		id := fmt.Sprintf("long-%d", i)
		if _, err := c.Submit(t.Context(), []*berthv1.Request{{
			Id: id, Command: []string{s.payload, filepath.Join(s.dir, "trace"), filepath.Join(s.dir, "locks"), "600000", "0", "deaf"},
			Resources: &berthv1.Demand{CpuMilli: 100}, StopTimeoutMs: 100, Retry: &berthv1.RetryPolicy{MaxAttempts: 3},
		}}); err != nil {
			t.Fatal(err)
		}
		first := reach(t, c, id, 1)
		host := slices.IndexFunc(s.agents, func(k *keeper) bool { return k.name == first.GetWorker() })
		for range 1000 { // it runs before it has written that
			if _, err := os.Stat(filepath.Join(s.dir, "trace")); err == nil {
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		killed := time.Now()
		mend, err := d.killHost(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		reach(t, c, id, 2)
		all = append(all, time.Since(killed))
		if err := mend(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Cancel(t.Context(), id, "measured"); err != nil {
			t.Fatal(err)
		}
		s.waitReady(0)
	}
	runs, err := readTrace(filepath.Join(s.dir, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range overlaps(runs) {
		t.Error(o)
	}
	slices.Sort(all)
	grace := 2*time.Second + opts.ttl/100
	if least := opts.ttl*2/3 + grace; all[0] < least {
		t.Errorf("a replacement ran after %s; what is left of the lease, and the grace, are at least %s", all[0], least)
	}
	t.Logf("TTL %s, grace %s: over %d deaths the replacement ran after %s at least, p50 %s, at most %s", opts.ttl, grace,
		len(all), all[0].Round(time.Millisecond), all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
}

// reach waits until an attempt of a request runs.
func reach(t *testing.T, c *client.Client, id string, attempt int64) *berthv1.Status {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		s, err := c.Get(ctx, id)
		cancel()
		if err == nil && s.GetAttempt() >= attempt && s.GetState() == "RUNNING" {
			return s
		}
	}
	t.Fatalf("%s does not run as attempt %d", id, attempt)
	return nil
}
