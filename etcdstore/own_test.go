package etcdstore

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
)

// What the watch brings of a transaction that was sent are the records that it was made
// of, once, and of whatever differs what is read; the facts are those that are read.
func TestOwnTxns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Store{keys: keys{"/berth/"}, own: newOwnTxns(), base: "b", opts: Options{Log: zap.NewNop()}}
		reader := &Store{keys: s.keys, own: newOwnTxns(), opts: s.opts}
		var events []*clientv3.Event
		rev := int64(10)
		for range rapid.IntRange(1, 4).Draw(t, "txns") {
			tx := s.newTxn(s.newTxnID(forPlan))
			for i := range rapid.IntRange(1, 4).Draw(t, "writes") {
				k := berth.Key{Kind: berth.KindState, ID: fmt.Sprintf("r%d", i)}
				if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
					tx.delete(k)
					continue
				}
				rec := &berth.Progress{Header: tx.header(), State: berth.StatePending, Attempt: int64(rapid.IntRange(1, 9).Draw(t, "attempt"))}
				if err := tx.put(s, k, rec, 0); err != nil {
					t.Fatal(err)
				}
			}
			s.request(tx)
			if rapid.IntRange(0, 3).Draw(t, "other") > 0 {
				s.own.remember(tx)
			}
			rev++
			for i := range tx.puts {
				w := &tx.puts[i]
				kv := &mvccpb.KeyValue{Key: bytes.Clone(w.name), Value: bytes.Clone(w.value), CreateRevision: rev, ModRevision: rev}
				e := &clientv3.Event{Type: clientv3.EventTypePut, Kv: kv}
				if w.record == nil {
					e.Type, kv.Value, kv.CreateRevision = clientv3.EventTypeDelete, nil, 0
				}
				switch rapid.IntRange(0, 5).Draw(t, "what") {
				case 0: // of a key that was not there, or that this watch does not tell of
					continue
				case 1:
					kv.Value = bytes.Replace(kv.Value, []byte(`"PENDING"`), []byte(`"PLACED"`), 1)
				}
				events = append(events, e)
			}
		}
		for n := 0; n < len(events); { // several responses
			m := rapid.IntRange(n+1, len(events)).Draw(t, "until")
			for m < len(events) && events[m].Kv.ModRevision == events[m-1].Kv.ModRevision {
				m++
			}
			got, want := s.eventFacts(events[n:m]), reader.eventFacts(events[n:m])
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("told %+v, want %+v", got, want)
			}
			n = m
		}
		if s.own.bytes < 0 || len(s.own.byID) == 0 && s.own.bytes != 0 {
			t.Fatalf("%d bytes of %d", s.own.bytes, len(s.own.byID))
		}
	})
}

// What was sent is told as it was made, once, and little of it is remembered.
func TestOwnTxns_Once(t *testing.T) {
	s := &Store{keys: keys{"/berth/"}, own: newOwnTxns(), base: "b", opts: Options{Log: zap.NewNop()}}
	send := func() *txn {
		tx := s.newTxn(s.newTxnID(forPlan))
		rec := &berth.Progress{Header: tx.header(), State: berth.StatePending, Attempt: 1}
		if err := tx.put(s, berth.Key{Kind: berth.KindState, ID: "r"}, rec, 0); err != nil {
			t.Fatal(err)
		}
		s.request(tx)
		s.own.remember(tx)
		return tx
	}
	told := func(tx *txn) any {
		w := &tx.puts[0]
		kv := &mvccpb.KeyValue{Key: w.name, Value: bytes.Clone(w.value), CreateRevision: 5, ModRevision: 5}
		return s.eventFacts([]*clientv3.Event{{Type: clientv3.EventTypePut, Kv: kv}})[0].Record
	}
	first := send()
	if told(first) != first.puts[0].record {
		t.Error("it is read, though it was sent")
	}
	if told(first) == first.puts[0].record {
		t.Error("it is remembered for a second time")
	}
	late := send()
	for range ownMost {
		send()
	}
	if told(late) == late.puts[0].record || len(s.own.byID) > ownMost || len(s.own.oldest) > ownMost {
		t.Errorf("%d are remembered of %d, at most %d should be", len(s.own.byID), len(s.own.oldest), ownMost)
	}
}
