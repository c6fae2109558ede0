package etcdstore

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

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
	take := func(w write) any { return o.take(w.key, bytes.Clone(w.value)) }

	a := send("a", "exited")
	if r := o.take(a.key, bytes.Replace(a.value, []byte("exited"), []byte("failed"), 1)); r != nil {
		t.Errorf("another value's record is %+v, want none", r)
	}
	if r := take(a); r != a.record {
		t.Errorf("its own record is %+v, want %+v", r, a.record)
	}
	if r := take(a); r != nil {
		t.Errorf("a second time %+v, want none", r)
	}
	decoded, err := Decode(berth.KindState, a.value)
	if err != nil || !reflect.DeepEqual(decoded, a.record) {
		t.Errorf("read it is %+v (%v), sent it was %+v", decoded, err, a.record)
	}
	if take(send("large", strings.Repeat("x", ownMostBytes))) != nil {
		t.Error("a large value is remembered")
	}
	first := send("first", "exited")
	for i := range ownMost {
		send(fmt.Sprint(i), "exited")
	}
	if take(first) != nil || len(o.byKey) > ownMost {
		t.Errorf("%d are remembered, at most %d should be, and the first not", len(o.byKey), ownMost)
	}
}
