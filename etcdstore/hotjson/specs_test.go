package hotjson_test

import (
	"reflect"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore/hotjson"
)

// What was read once with another id is read as if it had not been.
func TestRead_SpecAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r berth.Submission
		drawn(t).fill(reflect.ValueOf(&r).Elem())
		for _, id := range []berth.RequestID{"a", "another", r.Spec.ID, "a"} {
			r.Spec.ID = id
			value, ok := hotjson.Append(nil, &r)
			if !ok {
				return
			}
			for _, value := range [][]byte{value, value[:len(value)-1], append(value[:len(value):len(value)], '}')} {
				var want, got berth.Submission
				refused := jsonv2.Unmarshal(value, &want, jsonv2.RejectUnknownMembers(true))
				switch read := hotjson.Read(value, &got); {
				case read && refused != nil:
					t.Fatalf("read %s, which is refused: %v", value, refused)
				case read && !reflect.DeepEqual(got, want):
					t.Fatal(cmp.Diff(got, want))
				}
			}
		}
	})
}

// Specs of which none was read lately.
func BenchmarkRead_UnlikeSpecs(b *testing.B) {
	r := new(berth.Submission)
	if err := jsonv2.Unmarshal(goldens(b)[berth.KindRequest], r); err != nil {
		b.Fatal(err)
	}
	var values [][]byte
	for i := range 1024 {
		r.Spec.Priority = int32(i)
		value, _ := hotjson.Append(nil, r)
		values = append(values, value)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if !hotjson.Read(values[n%len(values)], new(berth.Submission)) {
			b.Fatal("not read")
		}
		n++
	}
}
