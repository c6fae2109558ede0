package etcdstore

import (
	"os"
	"reflect"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// What stands under several keys is read as if it stood under each alone; also where it
// cannot be read, or is another kind's.
func TestRepeats(t *testing.T) {
	t.Parallel()
	values := [][]byte{nil, []byte("{}"), []byte("spoilt")}
	kinds := []berth.Kind{berth.KindAllocation, berth.KindState, berth.KindLedger, berth.KindRequest}
	for _, kind := range kinds {
		value, err := os.ReadFile(golden(kind))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value, value[:len(value)-2])
	}
	rapid.Check(t, func(t *rapid.T) {
		var alike repeats
		for i := range rapid.IntRange(2, 12).Draw(t, "facts") {
			k := berth.Key{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), ID: rapid.StringMatching("[a-z]").Draw(t, "id")}
			kv := &mvccpb.KeyValue{Value: rapid.SampledFrom(values).Draw(t, "value"), ModRevision: int64(i)}
			got, want := alike.decode(k, kv), decodeFact(k, kv)
			bad, isBad := got.Record.(*Undecodable)
			if wantBad, ok := want.Record.(*Undecodable); ok && isBad && bad.Err.Error() == wantBad.Err.Error() {
				got.Record, want.Record = nil, nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v, want %+v", got, want)
			}
		}
	})
}

// What another daemon places on one worker is one record.
func TestRepeats_Shared(t *testing.T) {
	t.Parallel()
	for _, kind := range []berth.Kind{berth.KindAllocation, berth.KindState} {
		value, err := os.ReadFile(golden(kind))
		if err != nil {
			t.Fatal(err)
		}
		var alike repeats
		a := alike.decode(berth.Key{Kind: kind, ID: "a"}, &mvccpb.KeyValue{Value: value})
		b := alike.decode(berth.Key{Kind: kind, ID: "b"}, &mvccpb.KeyValue{Value: append([]byte(nil), value...)})
		if a.Record != b.Record || b.Key.ID != "b" {
			t.Errorf("%s: %+v and %+v are read apart", kind, a, b)
		}
	}
}
