package daemon

import (
	"strconv"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore/hotjson"
)

// BenchmarkBasis reports what it costs, of each placement, to tell on what a plan of a full
// batch was made, beside two such plans in flight: to gather it, and to write it.
func BenchmarkBasis(b *testing.B) {
	l := benchLoop(b, 5000)
	at := time.Unix(1_790_000_000, 0).UTC()
	l.d.opts.Now = func() time.Time { return at }
	for more := true; more; { // every worker is seated
		more = l.gather(newBuilder(l, at))
	}
	request := berth.Request{ID: "r", Command: []string{"true"}, Resources: berth.Demand{Quantities: berth.Quantities{CPUMilli: 100, MemoryBytes: 1 << 28}}}.Normalize()
	for i := range 2 * fullBatch {
		w := &waiting{id: berth.RequestID(strconv.Itoa(i)), request: &request}
		newBuilder(l, at).decide(w, w.candidate())
	}
	r := reservation{share: berth.Share{Quantities: request.Resources.Quantities}}
	n, bytes := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		p := l.planBasis(newBuilder(l, at))
		for range fullBatch {
			p.step("worker-00000", &r)
			p.bound()
		}
		value, ok := hotjson.Append(nil, p.record)
		if !ok || p.record.Partial {
			b.Fatalf("the basis is %+v", p.record)
		}
		n, bytes = n+fullBatch, bytes+len(value)
	}
	b.ReportMetric(float64(bytes)/float64(n), "B/placement")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/placement")
}
