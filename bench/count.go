package bench

import (
	"context"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
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
	sums *sums
}

// sums are shared by the clients of one store.
type sums struct {
	txns, puts, deletes, compares, keyBytes, valueBytes, conflicts, retries atomic.Int64

	tapped atomic.Bool
	flight sync.RWMutex // held for reading by each transaction under way while tapped
	mu     sync.Mutex   // guards tap
	tap    []sent
}

// sent is a transaction that applied.
type sent struct {
	cmps      []clientv3.Cmp
	then, els []clientv3.Op
}

// count has client's transactions counted. Call it before client is used.
func count(client *clientv3.Client, s *sums) { client.KV = counter{client.KV, s} }

func (s *sums) read() Counts {
	return Counts{
		s.txns.Load(), s.puts.Load(), s.deletes.Load(), s.compares.Load(),
		s.keyBytes.Load(), s.valueBytes.Load(), s.conflicts.Load(), s.retries.Load(),
	}
}

// startTap keeps the transactions that follow, until stopTap.
func (s *sums) startTap() { s.tapped.Store(true) }

// stopTap waits for those under way: what a transaction has written is seen by a watch
// before whoever sent it has the answer.
func (s *sums) stopTap() []sent {
	s.flight.Lock()
	defer s.flight.Unlock()
	s.tapped.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.tap
	s.tap = nil
	return all
}

// Txn begins a transaction that is counted.
func (c counter) Txn(ctx context.Context) clientv3.Txn {
	return &countedTxn{inner: c.KV.Txn(ctx), sums: c.sums}
}

type countedTxn struct {
	inner clientv3.Txn
	sums  *sums
	sent  sent
}

func (t *countedTxn) If(cs ...clientv3.Cmp) clientv3.Txn {
	t.inner, t.sent.cmps = t.inner.If(cs...), cs
	return t
}

func (t *countedTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.inner, t.sent.then = t.inner.Then(ops...), ops
	return t
}

func (t *countedTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.inner, t.sent.els = t.inner.Else(ops...), ops
	return t
}

func (t *countedTxn) Commit() (*clientv3.TxnResponse, error) {
	if t.sums.tapped.Load() {
		t.sums.flight.RLock()
		defer t.sums.flight.RUnlock()
	}
	resp, err := t.inner.Commit()
	switch {
	case err != nil:
		t.sums.retries.Add(1)
	case !resp.Succeeded:
		t.sums.conflicts.Add(1)
	default:
		t.sums.add(t.sent)
	}
	return resp, err
}

func (s *sums) add(t sent) {
	var puts, deletes, keys, values int64
	for i := range t.then {
		op := &t.then[i]
		switch {
		case op.IsPut():
			puts++
			values += int64(len(op.ValueBytes()))
		case op.IsDelete():
			deletes++
		default:
			continue
		}
		keys += int64(len(op.KeyBytes()))
	}
	if puts+deletes == 0 {
		return // it only reads
	}
	s.txns.Add(1)
	s.puts.Add(puts)
	s.deletes.Add(deletes)
	s.keyBytes.Add(keys)
	s.valueBytes.Add(values)
	s.compares.Add(int64(len(t.cmps)))
	if s.tapped.Load() {
		s.mu.Lock()
		s.tap = append(s.tap, t)
		s.mu.Unlock()
	}
}
