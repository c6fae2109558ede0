package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/snapshot"
)

// A forecast deals devices as the daemon does that has told the snapshot: by prices that were
// made of what it was asked for before, and, where these are made anew meanwhile, of all that:
// what waits has been asked for, and counts no more.
func TestForecast_DealsByWhatWasLearned(t *testing.T) {
	for seed := range uint64(20) {
		bubbleSub(t, fmt.Sprint("seed ", seed), func(r *rig) {
			f := &foretoldDealing{rig: r, rng: rand.New(rand.NewPCG(seed, 13))}
			for i := range 4 {
				kind := []string{"h100", "a100"}[i%2]
				r.livesWithOnly(berth.WorkerID(fmt.Sprint("w", i)), kind, kind, kind, kind, kind, kind)
			}
			d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
			defer stop()
			r.passes(time.Second)
			f.submits(d, f.batch("before", 20))
			f.submits(d, f.wait(f.batch("waits", 2)))
			batch := f.batch("x", 14) // the 32nd is in it
			want := f.forecast(d, batch)
			f.submits(d, batch)
			got := make(map[berth.RequestID]berth.WorkerID)
			for i := range batch {
				got[batch[i].ID] = r.state(d, string(batch[i].ID)).Worker
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				r.t.Errorf("(-forecast +daemon):\n%s", diff)
			}
		})
	}
}

type foretoldDealing struct {
	*rig
	rng *rand.Rand
}

func (f *foretoldDealing) batch(name string, n int) (out []berth.Request) {
	for i := range n {
		q := f.submission(fmt.Sprint(name, "-", i)).Spec
		sized(10+10*f.rng.Int64N(5), 0)(&q)
		types := [][]string{{"h100"}, {"a100"}, {"h100", "a100"}, {"a100", "h100"}}[f.rng.IntN(4)]
		q.Resources.Devices = []berth.DeviceDemand{{Types: types, Count: 1, Milli: []int64{1000, 500, 300}[f.rng.IntN(3)]}}
		out = append(out, q)
	}
	return out
}

// wait has them need more than any worker has.
func (f *foretoldDealing) wait(batch []berth.Request) []berth.Request {
	for i := range batch {
		batch[i].Resources.CPUMilli = 2000
	}
	return batch
}

func (f *foretoldDealing) submits(d *daemon.Daemon, batch []berth.Request) {
	f.t.Helper()
	results, err := d.Submit(f.t.Context(), batch)
	f.ok(err)
	for i := range results {
		f.ok(results[i].Err)
	}
	f.passes(time.Second)
}

// forecast is where they would go, by what the daemon tells of the store and of itself.
func (f *foretoldDealing) forecast(d *daemon.Daemon, batch []berth.Request) map[berth.RequestID]berth.WorkerID {
	f.t.Helper()
	var told bytes.Buffer
	f.ok(d.Snapshot(f.t.Context(), 0, &told))
	s, err := snapshot.Read(&told, nil)
	f.ok(err)
	outcomes, err := s.Forecast(&snapshot.Change{Requests: batch})
	f.ok(err)
	out := make(map[berth.RequestID]berth.WorkerID)
	for i := range outcomes {
		if o := &outcomes[i]; o.Kind == snapshot.KindNew {
			out[o.Request] = o.Worker
		}
	}
	return out
}
