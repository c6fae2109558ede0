package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// txn is one transaction being gathered: what it compares, and what it writes.
// Sent twice, it is byte for byte the same.
type txn struct {
	id     berth.TxnID
	keys   keys
	bare   bool           // does not compare the schema
	schema berth.Revision // that is compared; 0: the latest that the store knows
	cmps   []condition
	byKey  map[berth.Key]int // the last of cmps on a key, counted from 1
	puts   []write
	reads  []berth.Key // read in Then, by the fence
	values []byte      // of puts, one after the other
}

func (s *Store) newTxn(id berth.TxnID) *txn {
	return &txn{id: id, keys: s.keys, byKey: make(map[berth.Key]int)}
}

// valueBytes is what a record mostly takes.
const valueBytes = 384

// expect makes room for so many compares and writes.
func (t *txn) expect(compares, puts int) {
	t.cmps = make([]condition, 0, compares)
	t.byKey = make(map[berth.Key]int, compares)
	t.puts = make([]write, 0, puts)
	t.values = make([]byte, 0, puts*valueBytes)
}

type conditionKind int

const (
	modIs conditionKind = iota
	createIs
	createIsNot
	folderIs // no key of the kind was put after rev
)

type condition struct {
	key  berth.Key // of folderIs: its kind
	kind conditionKind
	rev  berth.Revision
	last int // of the transaction's conditions, the one before it on this key, counted from 1
}

// write puts a record, or deletes a key where record is nil.
type write struct {
	key    berth.Key
	record any
	value  []byte
	name   []byte // the key as etcd has it, once the transaction is a message
	lease  clientv3.LeaseID
	fresh  bool // the key was absent before: a compare says so
}

func (t *txn) header() berth.Header {
	return berth.Header{Version: berth.RecordVersion, Txn: t.id}
}

func (t *txn) compare(k berth.Key, kind conditionKind, rev berth.Revision) {
	last := t.byKey[k]
	for i := last; i > 0; i = t.cmps[i-1].last {
		if c := &t.cmps[i-1]; c.kind == kind && c.rev == rev {
			return
		}
	}
	t.cmps = append(t.cmps, condition{k, kind, rev, last})
	t.byKey[k] = len(t.cmps)
}

// put writes a record. Where was is 0, a compare says that the key is absent.
func (t *txn) put(s *Store, k berth.Key, record any, was berth.Revision) error {
	return t.putLeased(s, k, record, was, 0)
}

func (t *txn) putLeased(s *Store, k berth.Key, record any, was berth.Revision, lease clientv3.LeaseID) error {
	values, err := appendRecord(t.values, record)
	if err != nil {
		return fmt.Errorf("%s: %w", s.keys.format(k), err)
	}
	t.write(write{key: k, record: record, lease: lease, fresh: was == 0}, values)
	return nil
}

// write takes a write whose value stands last in values.
func (t *txn) write(w write, values []byte) {
	w.value = values[len(t.values):len(values):len(values)]
	t.values = values
	t.puts = append(t.puts, w)
}

func (t *txn) delete(k berth.Key) { t.puts = append(t.puts, write{key: k}) }

// Result is what a transaction that applied left behind. A fact's Create is 0
// where the key was there before and its CreateRevision is not known.
type Result struct {
	Revision berth.Revision
	Facts    []berth.Fact
	Whole    bool // Facts are all that Revision changed, as it changed it
}

// commit sends a transaction until it has an answer, or ctx ends. An unknown
// outcome is settled by sending the very same again: at most one copy applies,
// for it changes what it compares; and a record that carries our id in the
// answer of a later copy shows that an earlier one did.
func (s *Store) commit(ctx context.Context, t *txn) (Result, error) {
	req, compared := s.request(t)
	s.own.remember(t)
	start := time.Now()
	resp, sends, err := s.settle(ctx, req)
	if err != nil {
		return Result{}, err
	}
	s.seconds.Observe(time.Since(start).Seconds())
	if err := s.sameCluster(resp.Header.ClusterId); err != nil {
		return Result{}, err
	}
	rev := berth.Revision(resp.Header.Revision)
	if resp.Succeeded {
		return Result{rev, s.written(t, resp, rev), true}, nil
	}
	facts := s.readFacts(compared, resp.Responses, rev)
	if sends > 1 && t.wrote(facts) {
		return Result{Revision: rev, Facts: facts}, nil
	}
	s.conflicts.Inc()
	return Result{}, s.conflict(facts, rev)
}

// Of resends: the first follows soon, for most time-outs are a leader's change.
const (
	resendFirst = 20 * time.Millisecond
	resendMost  = time.Second
)

func (s *Store) settle(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, int, error) {
	pause := resendFirst
	noSpace := false
	for sends := 1; ; sends++ {
		tryCtx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
		resp, err := s.sender.SendTxn(tryCtx, req)
		cancel()
		if err == nil {
			return resp, sends, nil
		}
		if refused, always, refusal := refusedBefore(err); refused && (always || sends == 1) {
			return nil, sends, refusal
		}
		noSpace = noSpace || isNoSpace(err)
		s.resends.Inc()
		select {
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
			if noSpace {
				err = errors.Join(ErrNoSpace, err)
			}
			return nil, sends, err
		case <-time.After(pause):
			pause = min(2*pause, resendMost)
		}
	}
}

// written are the facts of what a transaction put, deleted and read.
func (s *Store) written(t *txn, resp *pb.TxnResponse, rev berth.Revision) []berth.Fact {
	facts := make([]berth.Fact, 0, len(t.puts)+len(t.reads))
	for i := range t.puts {
		w := &t.puts[i]
		if w.key.Kind == berth.KindPlan { // the basis of plans is for who looks back
			continue
		}
		f := berth.Fact{Key: w.key, Record: w.record, Mod: rev, Size: int64(len(w.value))}
		if w.fresh && w.record != nil {
			f.Create = rev
		}
		facts = append(facts, f)
	}
	return append(facts, s.readFacts(t.reads, resp.Responses[len(t.puts):], rev)...)
}

func (s *Store) readFacts(ks []berth.Key, responses []*pb.ResponseOp, rev berth.Revision) []berth.Fact {
	facts := make([]berth.Fact, 0, len(ks))
	for i, k := range ks {
		kvs := responses[i].GetResponseRange().GetKvs()
		if len(kvs) == 0 {
			facts = append(facts, berth.Fact{Key: k, Mod: rev})
			continue
		}
		facts = append(facts, decodeFact(k, kvs[0]))
	}
	return facts
}

func decodeFact(k berth.Key, kv *mvccpb.KeyValue) berth.Fact {
	r, err := Decode(k.Kind, kv.Value)
	if err == nil {
		err = ofKey(k, r)
	}
	if err != nil {
		return factOf(k, kv, &Undecodable{err})
	}
	return factOf(k, kv, r)
}

func factOf(k berth.Key, kv *mvccpb.KeyValue, record any) berth.Fact {
	return berth.Fact{Key: k, Record: record, Create: berth.Revision(kv.CreateRevision), Mod: berth.Revision(kv.ModRevision), Size: int64(len(kv.Value))}
}

// wrote says whether a record that the transaction puts carries its id.
func (t *txn) wrote(facts []berth.Fact) bool {
	for _, f := range facts {
		if h := headerOf(f.Record); h != nil && h.Txn == t.id {
			return true
		}
	}
	return false
}
