package etcdstore

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
)

// What the watch brings of a value that was sent is the record that it was made of;
// of any other value of the key, nothing. They are bounded.
func TestOwnValues(t *testing.T) {
	s := &Store{keys: keys{"/berth/"}}
	o := newOwnValues()
	send := func(id, reason string) write {
		tx := s.newTxn("t")
		rec := &berth.Progress{Header: tx.header(), State: berth.StatePending, Attempt: 1, LastEnd: berth.EndReason(reason)}
		if err := tx.put(s, berth.Key{Kind: berth.KindState, ID: id}, rec, 0); err != nil {
			t.Fatal(err)
		}
		o.remember(tx)
		return tx.puts[0]
	}
	kv := func(w write) *mvccpb.KeyValue { return &mvccpb.KeyValue{Key: []byte(w.name), Value: []byte(w.value)} }

	a := send("a", "exited")
	other := kv(a)
	other.Value = []byte(strings.Replace(a.value, "exited", "failed", 1))
	if r := o.take(other); r != nil {
		t.Errorf("another value's record is %+v, want none", r)
	}
	if r := o.take(kv(a)); r != a.record {
		t.Errorf("its own record is %+v, want %+v", r, a.record)
	}
	if r := o.take(kv(a)); r != nil {
		t.Errorf("a second time %+v, want none", r)
	}
	decoded, err := Decode(berth.KindState, []byte(a.value))
	if err != nil || !reflect.DeepEqual(decoded, a.record) {
		t.Errorf("read it is %+v (%v), sent it was %+v", decoded, err, a.record)
	}
	if o.take(kv(send("large", strings.Repeat("x", ownMostBytes)))) != nil {
		t.Error("a large value is remembered")
	}
	first := send("first", "exited")
	for i := range ownMost {
		send(fmt.Sprint(i), "exited")
	}
	if o.take(kv(first)) != nil || len(o.byName) > ownMost {
		t.Errorf("%d are remembered, at most %d should be, and the first not", len(o.byName), ownMost)
	}
}
