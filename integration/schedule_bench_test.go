package integration_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/bench"
	"github.com/berthd/berth/daemon"
)

// submitter submits one request, and returns the worker that it was placed on
// at once.
type submitter func(ctx context.Context, r berth.Request) (berth.WorkerID, error)

func direct(d *daemon.Daemon) submitter {
	return func(ctx context.Context, r berth.Request) (berth.WorkerID, error) {
		res, err := d.Submit(ctx, []berth.Request{r})
		if err != nil {
			return "", err
		}
		return res[0].Status.Worker, res[0].Err
	}
}

// BenchmarkScheduleContainerRequests places 100 requests of 0.1 core and 256 MB,
// submitted by 100 concurrent calls, on 20 workers; etcd syncs every write. The
// time is from the first call until the last request is placed, durably.
func BenchmarkScheduleContainerRequests(b *testing.B) {
	b.Run("via=process", func(b *testing.B) {
		s := newSite(b, siteOptions{workers: 20})
		benchmarkRounds(b, s, []submitter{direct(s.daemons[0])})
	})
	b.Run("via=api", func(b *testing.B) {
		s := newSite(b, siteOptions{workers: 20})
		c := s.api(s.daemons[0])
		benchmarkRounds(b, s, []submitter{func(ctx context.Context, r berth.Request) (berth.WorkerID, error) {
			res, err := c.Submit(ctx, []*berthv1.Request{wire.FromRequest(&r)})
			if err != nil {
				return "", err
			}
			if f := res[0].GetRefusal(); f != nil {
				return "", fmt.Errorf("refused: %s", f.GetMessage())
			}
			return berth.WorkerID(res[0].GetStatus().GetWorker()), nil
		}})
	})
}

// BenchmarkLockContention submits the same 100 requests to 16 daemons that share
// one store and 3 workers, so that their reservations collide. Each must be
// placed exactly once, and none may fail.
func BenchmarkLockContention(b *testing.B) {
	s := newSite(b, siteOptions{daemons: 16, workers: 3})
	var all []submitter
	for _, d := range s.daemons {
		all = append(all, direct(d))
	}
	benchmarkRounds(b, s, all)
}

// benchmarkRounds submits 100 requests in each round, in turn to each of by.
func benchmarkRounds(b *testing.B, s *site, by []submitter) {
	b.Helper()
	const requests = 100
	before := counters(b, s)
	var times []time.Duration
	used := make(map[berth.WorkerID]int)
	round := 0
	for b.Loop() {
		clear(used)
		round++
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex // guards times, used
		for i := range requests {
			wg.Go(func() {
				r := small(fmt.Sprintf("r%d-%d", round, i))
				w, err := by[i%len(by)](b.Context(), r)
				if err == nil && w == "" {
					w, err = bench.Placed(b.Context(), s.daemons[i%len(s.daemons)], r.ID)
				}
				took := time.Since(start)
				if err != nil || w == "" {
					b.Errorf("%s was not placed: %v", r.ID, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
				used[w]++
			})
		}
		wg.Wait()
		b.StopTimer()
		for _, d := range s.daemons {
			idle(b, d)
		}
		b.StartTimer()
	}
	b.StopTimer()
	report(b, before, counters(b, s), times, used, requests)
	checkOnce(b, s, round*requests)
}

// checkOnce counts how often each request was placed, in the store's archive:
// an end names the attempt, and the first one is the only one.
func checkOnce(b *testing.B, s *site, requests int) {
	b.Helper()
	n := 0
	_, err := s.store.Scan(b.Context(), berth.KindArchive, "", func(f berth.Fact) error {
		a, ok := f.Record.(*berth.Archive)
		if !ok || a.State != berth.StateSucceeded || a.Attempt != 1 {
			b.Errorf("%s ended otherwise: %+v", f.Key.ID, f.Record)
		}
		n++
		return nil
	})
	if err != nil || n != requests {
		b.Errorf("%d of %d requests ended: %v", n, requests, err)
	}
}

// BenchmarkEtcdTxn is etcd's own limit for the same writes: the transactions
// that 100 placements need at least (one), and 100 of them one after the other.
func BenchmarkEtcdTxn(b *testing.B) {
	for _, txns := range []int{1, 100} {
		b.Run(fmt.Sprintf("txns=%d", txns), func(b *testing.B) {
			s := newSite(b, siteOptions{})
			value := string(make([]byte, 600)) // about a request's, a state's and an allocation's in all
			for b.Loop() {
				for t := range txns {
					var ops []clientv3.Op
					for i := range 300 / txns {
						ops = append(ops, clientv3.OpPut(fmt.Sprintf("/limit/%d-%d", t, i), value))
					}
					if _, err := s.etcd.Client().Txn(b.Context()).Then(ops...).Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/100")
		})
	}
}
