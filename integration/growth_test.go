package integration_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/worker"
)

var growthADay = flag.Int("growth", 0, "a week of churn with so many requests a day, as docs/robustness.md quotes it")

// growth is a week of churn. Only the clock that retention and the pace of
// compaction go by is compressed: it jumps on when a part of a day is done.
type growth struct {
	parts      int // of a day
	each       int // requests in a part
	bytes      int // of a request
	quotaBytes int64
}

const week = 7

// calmBelow is how full the store is at most once its history is compacted, in hundredths.
const calmBelow = 60

// dayOfGrowth is what one day came to.
type dayOfGrowth struct {
	size, inUse int64 // the largest that the daemon has seen after a part
	archived    int   // the most after retention
}

// churn is one part: requests come, run and end.
func (g growth) churn(t *testing.T, d *daemon.Daemon, name string) {
	t.Helper()
	const batch = 10
	for i := 0; i < g.each; i += batch {
		submit(t, d, many(min(batch, g.each-i), func(r *berth.Request) {
			r.ID = berth.RequestID(fmt.Sprintf("%s-%d-%s", name, i, r.ID))
			r.Env = map[string]string{"X": strings.Repeat("x", g.bytes)}
		})...)
	}
	idle(t, d)
}

// settled waits until the daemon has looked at the store's size since, has purged what
// retention no longer covers, and has compacted: the clock of that is not compressed, and
// a part of a day is enough for it, however slow the machine.
func (g growth) settled(t *testing.T, d *daemon.Daemon) daemon.Info {
	t.Helper()
	before, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		in, err := d.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if in.Archived <= (g.parts+1)*g.each && in.Space.Revision >= before.Revision && !in.Space.Above(calmBelow) {
			return in
		}
		if time.Now().After(end) {
			t.Fatalf("the archive holds %d ended requests, %d come in a day: %+v", in.Archived, g.parts*g.each, in)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// run is the week; it ends the test when a submission is refused.
func (g growth) run(t *testing.T) (days [week]dayOfGrowth) {
	t.Helper()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s := newSite(t, siteOptions{workers: 4, quota: g.quotaBytes, now: now, edit: func(h *worker.HollowOptions) { h.Now = now }})
	d := s.daemons[0]
	for day := range days {
		for part := range g.parts {
			g.churn(t, d, fmt.Sprintf("d%d-%d", day, part))
			ahead.Add(int64(24*time.Hour) / int64(g.parts))
			in, most := g.settled(t, d), &days[day]
			most.size, most.inUse = max(most.size, in.Space.SizeBytes), max(most.inUse, in.Space.InUseBytes)
			most.archived = max(most.archived, in.Archived)
		}
	}
	if _, err := s.etcd.Client().Get(t.Context(), "k", clientv3.WithRev(1)); !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("the history of the first day: %v, want ErrCompacted", err)
	}
	return days
}

// A week of churn that submits more than the quota, and archives as much again,
// is never refused a submission: history is compacted and the archive purged, so
// that both stay below the shares at which submissions stop.
func TestStore_Growth(t *testing.T) {
	t.Parallel()
	g := growth{parts: 3, each: 100, bytes: 16_000, quotaBytes: 32 << 20}
	if *growthADay > 0 {
		g = growth{parts: 12, each: max(*growthADay/12, 1), bytes: 16_000, quotaBytes: 64 << 20}
	}
	requests := week * g.parts * g.each
	if came := int64(requests * g.bytes); came < g.quotaBytes {
		t.Fatalf("%d bytes of requests prove nothing of a store of %d bytes", came, g.quotaBytes)
	}
	begun := time.Now()
	for day, is := range g.run(t) {
		t.Logf("day %d: file %.1f MiB, in use %.1f MiB, archived %d", day+1, float64(is.size)/(1<<20), float64(is.inUse)/(1<<20), is.archived)
		if space := (etcdstore.Space{SizeBytes: is.size, InUseBytes: is.inUse, QuotaBytes: g.quotaBytes}); space.RefusesSubmissions() {
			t.Errorf("day %d: %s", day+1, space)
		}
	}
	t.Logf("%d requests of %d bytes, quota %d MiB, in %s", requests, g.bytes, g.quotaBytes>>20, time.Since(begun).Round(time.Second))
}
