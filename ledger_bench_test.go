package berth_test

import (
	"testing"

	"github.com/berthd/berth"
)

// BenchmarkLedger reserves and releases a share, as each placement and end does.
func BenchmarkLedger(b *testing.B) {
	for name, share := range map[string]berth.Share{
		"amounts": {Quantities: berth.Quantities{CPUMilli: 1, MemoryBytes: 1}},
		"ports":   {Quantities: berth.Quantities{CPUMilli: 1, MemoryBytes: 1}, Ports: []int32{85}},
		"devices": {Quantities: berth.Quantities{CPUMilli: 1, MemoryBytes: 1}, Devices: []berth.DeviceShare{{Name: "g1", Milli: 500}}},
	} {
		b.Run(name, func(b *testing.B) {
			l := testLedger()
			l.Capacity.Custom = nil
			l, err := l.Reserve(berth.Share{Quantities: berth.Quantities{CPUMilli: 7}, Ports: []int32{81, 83}, Devices: []berth.DeviceShare{{Name: "g0", Milli: 1}}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				more, err := l.Reserve(share)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := more.Release(share); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
