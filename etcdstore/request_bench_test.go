package etcdstore

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// placesOf is a plan that submits and places n requests, each on a worker of its own.
func placesOf(t testing.TB, s *Store, n int) *berth.Plan {
	t.Helper()
	plan := &berth.Plan{ID: s.NewTxnID()}
	now := time.Date(2026, 11, 25, 3, 7, 9, 293_716_111, time.UTC)
	held := berth.Share{Quantities: berth.Quantities{CPUMilli: 500, MemoryBytes: 256 << 20}}
	for i := range n {
		id, w := berth.RequestID(fmt.Sprintf("b%08d", i)), berth.WorkerID(fmt.Sprintf("worker-%04d", i))
		spec := berth.Request{ID: id, Command: []string{"/bin/true"}, Resources: berth.Demand{Quantities: held.Quantities}}.Normalize()
		digest, err := spec.Digest()
		if err != nil {
			t.Fatal(err)
		}
		plan.Submits = append(plan.Submits, berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: now, Spec: spec}, Content: ContentOf(&spec)})
		plan.Ledgers = append(plan.Ledgers, berth.LedgerWrite{Worker: w, Was: 7, Alive: 5, Ledger: berth.Ledger{
			Epoch: 5, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 32_000, MemoryBytes: 64 << 30}}, Count: 1, Reserved: held, Lease: "694d9a3b2f1c4e0a", TTLSeconds: 10, KillMS: 2000,
		}})
		plan.Places = append(plan.Places, berth.Placement{
			Request: id, Worker: w, State: berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w, Epoch: 5, PlanID: plan.ID},
			Allocation: berth.Allocation{
				State: berth.StatePlaced, Attempt: 1, Epoch: 5, PlanID: plan.ID, Tenant: spec.Tenant, Share: held, StartTimeoutMS: spec.StartTimeoutMS,
				PlacedAt: now, Planned: berth.Basis{Revision: 9, Clock: now, Policy: "spread/1"},
			},
		})
	}
	return plan
}

// BenchmarkRequest makes the transaction of 100 submissions with their placements, one
// on each worker: all that is done for it beside the store's own work. With a basis it
// tells, too, on what a daemon alone decided them.
func BenchmarkRequest(b *testing.B) {
	s, err := New(new(clientv3.Client), Options{MaxTxnOps: 8192})
	if err != nil {
		b.Fatal(err)
	}
	const n = 100
	plan := placesOf(b, s, n)
	b.Run("basis=none", func(b *testing.B) { benchmarkPlan(b, s, plan) })
	plan.Basis = &berth.PlanBasis{Daemon: "d1", Clock: plan.Places[0].Allocation.PlacedAt, Revision: 9, Policy: "7", Awake: []berth.DaemonID{"d1"}}
	plan.Basis.Shares = []berth.Share{plan.Places[0].Allocation.Share}
	for i := range plan.Places {
		plan.Basis.Steps = append(plan.Basis.Steps, berth.PlannedStep{Worker: plan.Places[i].Worker, For: plan.Places[i].Request})
	}
	b.Run("basis=steps", func(b *testing.B) { benchmarkPlan(b, s, plan) })
}

func benchmarkPlan(b *testing.B, s *Store, plan *berth.Plan) {
	b.Helper()
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		t, err := s.encodePlan(plan)
		if err != nil {
			b.Fatal(err)
		}
		s.request(t)
		s.own.remember(t)
		bytes = len(t.values)
	}
	n := float64(len(plan.Places))
	b.ReportMetric(float64(bytes)/n, "B/placement")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/placement")
}
