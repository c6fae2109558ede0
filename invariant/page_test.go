package invariant

import (
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Pages are as large as their bytes allow, between a least and a most.
func TestNextPage(t *testing.T) {
	for name, tt := range map[string]struct {
		keys, bytes int
		want        int64
	}{
		"an empty page":      {0, 0, pageKeys},
		"small values":       {1000, 100, pageKeysMost},
		"values of a kilo":   {1000, 1024, pageBytes / 1024},
		"values of 64 kilos": {1000, 64 << 10, pageKeys},
	} {
		kvs := make([]*mvccpb.KeyValue, tt.keys)
		for i := range kvs {
			kvs[i] = &mvccpb.KeyValue{Value: make([]byte, tt.bytes)}
		}
		if got := nextPage(kvs); got < tt.want*99/100 || got > tt.want {
			t.Errorf("%s: %d keys, want %d", name, got, tt.want)
		}
	}
}
