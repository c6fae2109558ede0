package daemon

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// BenchmarkOthers reports what it costs a daemon that another places: to take in the
// facts of its transactions, and to look at what they made due.
func BenchmarkOthers(b *testing.B) {
	const workers, batch = 20, 32
	l := benchLoop(b, workers)
	at := time.Unix(1_790_000_000, 0).UTC()
	l.d.opts.Now = func() time.Time { return at }
	for id, base := range map[berth.DaemonID]string{"daemon": "self", "other": "0123456789abcdef"} {
		l.takeFact(berth.Fact{Key: daemonKey(id), Record: &berth.Daemon{TxnBase: base}, Create: 1, Mod: 1})
	}
	rev := berth.Revision(1000)
	n := 0
	b.ReportAllocs()
	b.ResetTimer()
	for n < b.N {
		b.StopTimer()
		rev++
		delta := etcdstore.Delta{Facts: placedByOther(b, n, batch, rev), Revision: rev}
		b.StartTimer()
		l.take(delta)
		for more := true; more; {
			more = l.gather(newBuilder(l, at))
		}
		n += batch
	}
}

// placedByOther are the facts of a transaction that submits and places, read as the watch brings them.
func placedByOther(tb testing.TB, from, n int, rev berth.Revision) (facts []berth.Fact) {
	tb.Helper()
	var requests, places []berth.Fact
	for i := from; i < from+n; i++ {
		of := throng{workers: 20, epoch: 1}.facts(tb, i)
		for k := range of {
			of[k].Create, of[k].Mod = rev, rev
		}
		a := of[2].Record.(*berth.Allocation) //nolint:errcheck // it is one
		a.State, a.StartedAt = berth.StatePlaced, time.Time{}
		requests, places = append(requests, of[0]), append(places, of[2], of[1])
	}
	txn := berth.TxnID("0123456789abcdef-p" + strconv.Itoa(from))
	facts = requests
	for w := range 20 {
		id := berth.WorkerID(fmt.Sprintf("worker-%05d", w))
		capacity := berth.Capacity{Quantities: berth.Quantities{CPUMilli: 1 << 40, MemoryBytes: 1 << 50}}
		facts = append(facts, berth.Fact{
			Key: ledgerKey(id), Create: 1, Mod: rev,
			Record: &berth.Ledger{
				Header: berth.Header{Version: 1, Txn: txn}, Epoch: 1, Capacity: capacity, Count: int64(from/20 + 1),
				Reserved: berth.Share{Quantities: berth.Quantities{CPUMilli: int64(from)*5 + 100, MemoryBytes: 1 << 28}},
			},
		})
	}
	return append(facts, places...)
}
