package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Members that keep apart over more racks than there are never fit: that is said, with how many racks could have one,
// though the workers are full as well. Who is in no rack is apart from all.
func TestGang_TooFewDomains(t *testing.T) {
	t.Parallel()
	r := request("g", 1000, 0)
	r.Labels = map[string]string{"app": "h"}
	r.AntiAffinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "h"}, Topology: "rack"}}
	for _, tt := range []struct {
		name string
		used int64
		want []berth.Reason
	}{
		{"free", 0, []berth.Reason{
			{Code: berth.ReasonGroup, Want: 4, Best: 3, Total: 4, Ever: 3},
			{Code: berth.ReasonAntiAffinity, Detail: "app=h on the rack", Workers: 5, Some: []berth.WorkerID{"w0", "w1", "w2"}, Want: 4, Best: 3, Total: 3},
		}},
		{"full", 8000, []berth.Reason{
			{Code: berth.ReasonGroup, Want: 4, Total: 4, Ever: 3},
			{Code: berth.ReasonAntiAffinity, Detail: "app=h on the rack", Want: 4, Best: 3, Total: 3},
			{Code: berth.ReasonCPU, Workers: 5, Some: []berth.WorkerID{"w0", "w1", "w2"}, Want: 1000, Total: 8000},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := rackFleet(tt.used, "a", "a", "b", "b", "c").PlaceGang(gangOf(r, 4, 4, ""))
			if d.Verdict == nil {
				t.Fatal("it fits")
			}
			if diff := cmp.Diff(berth.Verdict{NeverFits: true, Reasons: tt.want}, *d.Verdict); diff != "" {
				t.Error(diff)
			}
		})
	}
	if d := rackFleet(0, "a", "b", "c", "").PlaceGang(gangOf(r, 4, 4, "")); d.Fit != 4 {
		t.Errorf("%d fit, of whom one is in no rack: %v", d.Fit, d.Verdict)
	}
}

// rackFleet is a worker in each of some racks, as often as they are named, with as much of its CPU used; in no rack: without a name.
func rackFleet(used int64, racks ...string) *scheduler.Fleet {
	var workers []scheduler.Worker
	for i, rack := range racks {
		w := worker(fmt.Sprint("w", i), 8000, 8<<30)
		if rack != "" {
			w.Labels = map[string]string{"rack": rack}
		}
		if used > 0 {
			w.Ledger.Reserved.CPUMilli, w.Ledger.Count = used, 1
		}
		workers = append(workers, w)
	}
	return fleet(workers...)
}
