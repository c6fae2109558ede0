package etcdstore

import (
	"bytes"
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
