package daemon_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/worker"
)

// requestGauges is what is read of berth_requests, without zeros but those of what waits.
func requestGauges(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "berth_requests" {
			continue
		}
		for _, m := range f.GetMetric() {
			of := map[string]string{}
			for _, l := range m.GetLabel() {
				of[l.GetName()] = l.GetValue()
			}
			if v := m.GetGauge().GetValue(); v > 0 || of["state"] == "pending" {
				out[fmt.Sprintf("%s %s", of["pool"], of["state"])] = v
			}
		}
	}
	return out
}

// Who reads metrics is told how many requests of each pool wait, run and so on; before everything is
// known, nothing, and of a pool that has workers and no requests that none wait.
func TestRequestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	d, store := startWith(t, daemon.Options{Registerer: registry}, func(*daemon.Daemon) {
		if got := requestGauges(t, registry); len(got) > 0 {
			t.Errorf("before it runs it tells of %v", got)
		}
	})
	hollow(t, store, worker.HollowOptions{Count: 2})
	want := func(want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, requestGauges(t, registry)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	runs := request("runs")
	if _, err := d.Submit(t.Context(), []berth.Request{runs}); err != nil {
		t.Fatal(err)
	}
	awaitState(t, d, "runs", func(s berth.State) bool { return s == berth.StateRunning })
	want(map[string]float64{"default pending": 0, "default running": 1})
	var waiting []berth.Request
	for i := range 3 {
		r := request(fmt.Sprintf("waits-%d", i))
		r.Pool = "gpu"
		waiting = append(waiting, r)
	}
	if _, err := d.Submit(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	want(map[string]float64{"default pending": 0, "default running": 1, "gpu pending": 3})
	for _, id := range []berth.RequestID{"waits-0", "waits-1", "waits-2", "runs"} {
		if _, err := d.Cancel(t.Context(), id, ""); err != nil {
			t.Fatal(err)
		}
		await(t, d, id)
	}
	want(map[string]float64{"default pending": 0})
}
