package etcdstore

import (
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// ownValues remembers the last values that this store has sent, with the records
// that they were made of: when the watch brings them back they need not be read.
// Whether they were written does not matter: equal bytes are an equal record.
type ownValues struct {
	mu     sync.Mutex // guards the fields below it
	byName map[string]ownValue
	names  []string // a ring
	at     int
}

type ownValue struct {
	value  string
	record any
}

// Of the values that are remembered: how many, and how large each.
const (
	ownMost      = 8192
	ownMostBytes = 2048
)

func newOwnValues() ownValues {
	return ownValues{byName: make(map[string]ownValue), names: make([]string, ownMost)}
}

func (o *ownValues) remember(t *txn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range t.puts {
		w := &t.puts[i]
		if w.record == nil || len(w.value) > ownMostBytes {
			continue
		}
		delete(o.byName, o.names[o.at])
		o.names[o.at] = w.name
		o.at = (o.at + 1) % len(o.names)
		o.byName[w.name] = ownValue{w.value, w.record}
	}
}

// take is the record of a value, once, or nil.
func (o *ownValues) take(kv *mvccpb.KeyValue) any {
	o.mu.Lock()
	defer o.mu.Unlock()
	own, ok := o.byName[string(kv.Key)]
	if !ok || own.value != string(kv.Value) {
		return nil
	}
	delete(o.byName, string(kv.Key))
	return own.record
}
