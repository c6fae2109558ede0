package etcdstore

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// BenchmarkEncodeChanges makes a worker's transaction: two reports, or a fence and a report.
func BenchmarkEncodeChanges(b *testing.B) {
	s, err := New(new(clientv3.Client), Options{MaxTxnOps: 128})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for _, fences := range []int{0, 1} {
		b.Run(fmt.Sprintf("fences=%d", fences), func(b *testing.B) {
			changes := make([]change, 2)
			for i := range changes {
				changes[i] = change{
					request: berth.RequestID(fmt.Sprintf("b%08d", i)), was: 1234, start: i < fences,
					value: berth.Allocation{
						State: berth.StateExited, Attempt: 1, Epoch: 99, PlanID: "0123456789abcdef-p7",
						Share:    berth.Share{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 256 << 20}},
						PlacedAt: at, StartedAt: at, Exit: &berth.Exit{Kind: berth.ExitExited, At: at},
						Planned: berth.Basis{Revision: 1200, Clock: at, Policy: "spread/4"},
					},
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				t, _, err := s.encodeChanges("w-0001", 99, changes)
				if err != nil {
					b.Fatal(err)
				}
				s.request(t)
			}
		})
	}
}
