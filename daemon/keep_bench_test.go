package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// BenchmarkKeepTurns asks for whom something is to be kept, and whether what is kept keeps off who
// goes first, where so many groups and requests of as many shapes and tenants wait: each is done once
// in a second, or in a longer time.
func BenchmarkKeepTurns(b *testing.B) {
	for _, n := range []int{500, 5000} {
		l, now := keepTurns(b, n), time.Unix(1000, 0)
		b.Run(fmt.Sprintf("classes=%d/first", n), func(b *testing.B) {
			for b.Loop() {
				if got := l.keepCandidates("default", now); len(got) < keepTries {
					b.Fatal(len(got))
				}
			}
		})
		g := l.gangs.of["g000000"]
		b.Run(fmt.Sprintf("classes=%d/before", n), func(b *testing.B) {
			for b.Loop() {
				if went, done := l.wentBefore(g, now); went || !done {
					b.Fatal("somebody went before")
				}
			}
		})
	}
}

// keepTurns is a loop with so many groups that do not fit, and requests that are kept off.
func keepTurns(tb testing.TB, n int) *loop {
	tb.Helper()
	l := loopWith(tb)
	for i := range n {
		r := requestOf(berth.TenantID(fmt.Sprintf("t%04d", i)), berth.RequestID(fmt.Sprintf("r%06d", i)), int64(200+i))
		l.queue.put(&waiting{id: r.ID, request: &r, seq: berth.Revision(i + 1)})
		l.queue.block(r.ID, &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonKept, Detail: "g000000", Workers: 1}}})
		of := r
		g := &gang{id: berth.GroupID(fmt.Sprintf("g%06d", i)), pool: r.Pool, request: &of, size: 2, seq: berth.Revision(i + 1), like: fmt.Sprint(i)}
		l.groups[g.id] = &groupInfo{}
		l.gangs.put(g)
		l.gangs.block(g, &berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonGroup, Want: 2, Total: 2}}}, time.Unix(0, 0))
	}
	return l
}
