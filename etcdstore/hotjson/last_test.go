package hotjson_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore/hotjson"
)

// What was read before, alike in any part of it, decides nothing.
func TestRead_LikeTheLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := new(berth.Allocation)
		drawn(t).fill(reflect.ValueOf(first).Elem())
		for range rapid.IntRange(2, 6).Draw(t, "reads") {
			next := *first
			for range rapid.IntRange(0, 2).Draw(t, "changes") {
				fields := leaves(reflect.ValueOf(&next).Elem())
				drawn(t).fill(fields[rapid.IntRange(0, len(fields)-1).Draw(t, "field")])
			}
			value, ok := hotjson.Append(nil, &next)
			if !ok {
				return
			}
			sameRecord(t, value, first)
			if at := rapid.IntRange(0, len(value)).Draw(t, "at"); at < len(value) && rapid.Bool().Draw(t, "spoil") {
				spoilt := append([]byte(nil), value...)
				spoilt[at] = rapid.SampledFrom([]byte(`{}",:-019xe`)).Draw(t, "byte")
				sameRecord(t, spoilt, first)
				sameRecord(t, value[:at], first)
			}
		}
	})
}

// A transaction's allocations differ in their epochs, and are all read.
func TestRead_OfOneTransaction(t *testing.T) {
	want := berth.Allocation{State: berth.StatePlaced, Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 5}}}
	for _, want.Epoch = range []berth.Epoch{1, 100, 0, 7, 7} {
		value, _ := hotjson.Append(nil, &want)
		var got berth.Allocation
		if !hotjson.Read(value, &got) || !reflect.DeepEqual(got, want) {
			t.Errorf("read is (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

// BenchmarkRead_OneTransaction reads the allocations of one that places on 20 workers.
func BenchmarkRead_OneTransaction(b *testing.B) {
	var values [][]byte
	for i := range 20 {
		a := berth.Allocation{
			Header: berth.Header{Version: 1, Txn: "0123456789abcdef-p1"}, State: berth.StatePlaced, PlanID: "0123456789abcdef-p1",
			Tenant: "tenant", Epoch: berth.Epoch(1000 + i), Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 1 << 28}},
		}
		value, _ := hotjson.Append(nil, &a)
		values = append(values, value)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if !hotjson.Read(values[n%len(values)], new(berth.Allocation)) {
			b.Fatal("not read")
		}
		n++
	}
}
