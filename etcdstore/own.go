package etcdstore

import (
	"bytes"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// ownTxns remembers the last transactions that this store has sent: when the watch
// brings what one of them wrote it need not be read, nor its keys. Whether it was
// applied does not matter: equal bytes are an equal record.
type ownTxns struct {
	mu     sync.Mutex // guards the fields below it
	byID   map[berth.TxnID]*txn
	oldest []berth.TxnID // of byID, and of those that were taken since
	bytes  int           // of the values in byID
}

// Of what is remembered: how many transactions, and bytes of values, at most.
const (
	ownMost      = 4096
	ownMostBytes = 16 << 20
)

func newOwnTxns() ownTxns { return ownTxns{byID: make(map[berth.TxnID]*txn)} }

func (o *ownTxns) remember(t *txn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byID[t.id] = t
	o.oldest = append(o.oldest, t.id)
	o.bytes += len(t.values)
	for len(o.oldest) > ownMost || o.bytes > ownMostBytes {
		o.forget(o.oldest[0])
		o.oldest = o.oldest[1:]
	}
}

func (o *ownTxns) forget(id berth.TxnID) {
	if t := o.byID[id]; t != nil {
		o.bytes -= len(t.values)
		delete(o.byID, id)
	}
}

// take is the transaction of ours that has put a value, once, or nil.
func (o *ownTxns) take(value []byte) *txn {
	id := txnIn(value)
	if len(id) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.byID[berth.TxnID(id)]
	if t != nil {
		o.forget(t.id)
	}
	return t
}

// txnIn is the id of the transaction in a value's header, which stands first in it.
// Of what is written in another way, none.
func txnIn(value []byte) []byte {
	_, rest, ok := bytes.Cut(value[:min(len(value), longestHeader)], []byte(`,"txn":"`))
	id, _, closed := bytes.Cut(rest, []byte{'"'})
	if !ok || !closed {
		return nil
	}
	return id
}

// longestHeader is more than any that a store writes.
const longestHeader = 256

// ownWrites are those of a transaction of ours that a watch has not told of, in the
// order in which it does.
type ownWrites []write

// next is the write that made an event, or nil. A watch may tell of some of them only,
// and tells of no deletion of what was not there.
func (o *ownWrites) next(e *clientv3.Event) *write {
	for i := range *o {
		w := &(*o)[i]
		if bytes.Equal(w.name, e.Kv.Key) {
			*o = (*o)[i+1:]
			if deleted := e.Type == clientv3.EventTypeDelete; deleted != (w.record == nil) || !bytes.Equal(w.value, e.Kv.Value) {
				return nil
			}
			return w
		}
	}
	return nil
}
