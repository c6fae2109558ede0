package etcdstore

import (
	"bytes"
	"sync"

	"github.com/berthd/berth"
)

// ownValues remembers the last values that this store has sent, with the records
// that they were made of: when the watch brings them back they need not be read.
// Whether they were written does not matter: equal bytes are an equal record.
type ownValues struct {
	mu    sync.Mutex // guards the fields below it
	byKey map[berth.Key]ownValue
	keys  []berth.Key // a ring
	at    int
}

type ownValue struct {
	value  []byte
	record any
}

// Of the values that are remembered: how many, and how large each.
const (
	ownMost      = 8192
	ownMostBytes = 2048
)

func newOwnValues() ownValues {
	return ownValues{byKey: make(map[berth.Key]ownValue), keys: make([]berth.Key, ownMost)}
}

func (o *ownValues) remember(t *txn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range t.puts {
		w := &t.puts[i]
		if w.record == nil || len(w.value) > ownMostBytes {
			continue
		}
		delete(o.byKey, o.keys[o.at])
		o.keys[o.at] = w.key
		o.at = (o.at + 1) % len(o.keys)
		o.byKey[w.key] = ownValue{w.value, w.record}
	}
}

// take is the record of a key's value, once, or nil.
func (o *ownValues) take(k berth.Key, value []byte) any {
	o.mu.Lock()
	defer o.mu.Unlock()
	own, ok := o.byKey[k]
	if !ok || !bytes.Equal(own.value, value) {
		return nil
	}
	delete(o.byKey, k)
	return own.record
}
