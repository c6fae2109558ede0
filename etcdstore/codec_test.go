package etcdstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/berthd/berth"
)

// BenchmarkDecode reads the records that a daemon's watch mostly tells of, each
// with every field that it may have.
func BenchmarkDecode(b *testing.B) {
	for _, kind := range []berth.Kind{berth.KindLedger, berth.KindAllocation, berth.KindRequest} {
		value, err := os.ReadFile(golden(kind))
		if err != nil {
			b.Fatal(err)
		}
		value = bytes.TrimSpace(value)
		b.Run("kind="+string(kind), func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(kind, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The ledger of a worker that offers as much as it may, with all of it reserved, is
// a record: else nothing could end there any more.
func TestLedger_LargestFits(t *testing.T) {
	t.Parallel()
	name := func(i int) string { return fmt.Sprintf("%0*d", berth.MaxIDLength, i) }
	q := berth.Quantities{CPUMilli: berth.MaxCPUMilli, MemoryBytes: berth.MaxMemoryBytes, DiskBytes: berth.MaxDiskBytes, Custom: map[string]int64{}}
	for i := range berth.MaxCustomResources {
		q.Custom[name(i)] = berth.MaxCustom
	}
	l := berth.Ledger{
		Header: berth.Header{Version: berth.RecordVersion, Txn: "aaaaaaaaaaaaa-pzzzzzzzzzzzzz"}, Epoch: 1 << 60, Count: 1 << 40,
		Capacity: berth.Capacity{Quantities: q, Ports: berth.PortRange{First: 65535 - berth.MaxPortsPerWorker + 1, Last: 65535}},
		Reserved: berth.Share{Quantities: q}, Lease: "7fffffffffffffff", TTLSeconds: 1 << 30, KillMS: 1 << 40,
	}
	for i := range berth.MaxDevicesPerWorker {
		l.Capacity.Devices = append(l.Capacity.Devices, berth.Device{Name: name(i), Type: name(i)})
		l.Reserved.Devices = append(l.Reserved.Devices, berth.DeviceShare{Name: name(i), Milli: berth.WholeDevice})
	}
	for p := l.Capacity.Ports.First; p <= l.Capacity.Ports.Last; p++ {
		l.Reserved.Ports = append(l.Reserved.Ports, p)
	}
	if err := l.Capacity.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > MaxValueBytes {
		t.Errorf("%d bytes; a record has at most %d", len(b), MaxValueBytes)
	}
	if _, err := Decode(berth.KindLedger, b); err != nil {
		t.Error(err)
	}
}
