package bench

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/etcdstore"
)

// Counts of what was sent to a store.
type Counts struct {
	Txns       int64 // transactions with writes that applied
	Puts       int64
	Deletes    int64
	Compares   int64
	KeyBytes   int64 // of puts and deletes
	ValueBytes int64
	Conflicts  int64 // transactions whose compares failed, whoever sent them
	Retries    int64 // tries without an answer: the same is sent again
}

func (c Counts) minus(o Counts) Counts {
	return Counts{
		c.Txns - o.Txns, c.Puts - o.Puts, c.Deletes - o.Deletes, c.Compares - o.Compares,
		c.KeyBytes - o.KeyBytes, c.ValueBytes - o.ValueBytes, c.Conflicts - o.Conflicts, c.Retries - o.Retries,
	}
}

func (c Counts) plus(o Counts) Counts { return c.minus(Counts{}.minus(o)) }

// counter counts transactions on their way into etcd. It stands where the client's
// KV stood, so that nothing of what is measured needs to know of it.
type counter struct {
	clientv3.KV
	inner etcdstore.Sender
	sums  *sums
}

// sums are shared by the clients of one store.
type sums struct {
	txns, puts, deletes, compares, keyBytes, valueBytes, conflicts, retries atomic.Int64

	tapped atomic.Bool
	flight sync.RWMutex // held for reading by each transaction under way while tapped
	mu     sync.Mutex   // guards tap
	tap    []applied
}

// applied is a transaction that was tapped, and the revision that it made.
type applied struct {
	revision int64
	txn      *pb.TxnRequest
}

// count has client's transactions counted. Call it before client is used.
func count(client *clientv3.Client, s *sums) {
	client.KV = counter{client.KV, etcdstore.SenderOf(client), s}
}

func (s *sums) read() Counts {
	return Counts{
		s.txns.Load(), s.puts.Load(), s.deletes.Load(), s.compares.Load(),
		s.keyBytes.Load(), s.valueBytes.Load(), s.conflicts.Load(), s.retries.Load(),
	}
}

// startTap keeps the transactions that follow, until stopTap.
func (s *sums) startTap() { s.tapped.Store(true) }

// stopTap returns what was tapped, in the order in which it applied. It waits for those
// under way: what a transaction has written is seen by a watch before whoever sent it
// has the answer, which may so come after that to the next transaction.
func (s *sums) stopTap() []*pb.TxnRequest {
	s.flight.Lock()
	defer s.flight.Unlock()
	s.tapped.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.tap, func(a, b applied) int { return cmp.Compare(a.revision, b.revision) })
	var all []*pb.TxnRequest
	for _, a := range s.tap {
		all = append(all, a.txn)
	}
	s.tap = nil
	return all
}

// SendTxn sends a transaction, and counts it.
func (c counter) SendTxn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if c.sums.tapped.Load() {
		c.sums.flight.RLock()
		defer c.sums.flight.RUnlock()
	}
	resp, err := c.inner.SendTxn(ctx, r)
	switch {
	case err != nil:
		c.sums.retries.Add(1)
	case !resp.Succeeded:
		c.sums.conflicts.Add(1)
	default:
		c.sums.add(r, resp.Header.GetRevision())
	}
	return resp, err
}

func (s *sums) add(r *pb.TxnRequest, revision int64) {
	var puts, deletes, keys, values int64
	for _, op := range r.Success {
		switch o := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			puts++
			keys += int64(len(o.RequestPut.Key))
			values += int64(len(o.RequestPut.Value))
		case *pb.RequestOp_RequestDeleteRange:
			deletes++
			keys += int64(len(o.RequestDeleteRange.Key))
		}
	}
	if puts+deletes == 0 {
		return // it only reads
	}
	s.txns.Add(1)
	s.puts.Add(puts)
	s.deletes.Add(deletes)
	s.keyBytes.Add(keys)
	s.valueBytes.Add(values)
	s.compares.Add(int64(len(r.Compare)))
	if s.tapped.Load() {
		s.mu.Lock()
		s.tap = append(s.tap, applied{revision, r})
		s.mu.Unlock()
	}
}
