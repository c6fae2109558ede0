package etcdstore

import (
	"bytes"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
)

// repeats are the last allocation and the last state of what a watch brings at once. A
// record does not say whose it is, its key does: so what another daemon places on one
// worker is byte for byte the same record, which is read once, and shared. Nobody
// changes a record of a fact.
type repeats struct {
	allocation, state repeat
}

type repeat struct {
	value  []byte // nil: none
	record any
}

// decode is decodeFact of the next one.
func (r *repeats) decode(k berth.Key, kv *mvccpb.KeyValue) berth.Fact {
	last := r.of(k.Kind)
	if last == nil {
		return decodeFact(k, kv)
	}
	if last.value != nil && bytes.Equal(last.value, kv.Value) {
		return factOf(k, kv, last.record)
	}
	f := decodeFact(k, kv)
	*last = repeat{kv.Value, f.Record}
	return f
}

func (r *repeats) of(kind berth.Kind) *repeat {
	switch kind {
	case berth.KindAllocation:
		return &r.allocation
	case berth.KindState:
		return &r.state
	}
	return nil
}
