package etcdstore

import (
	"cmp"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// request makes the transaction as etcd's message: If the compares, Then the writes
// and reads, Else a read of every compared key, so that a conflict needs no second
// trip; compared are those keys. Through etcd's client, each operation would be made
// three times, and of four pieces of memory.
func (s *Store) request(t *txn) (req *pb.TxnRequest, compared []berth.Key) {
	if !t.bare {
		t.compare(berth.Key{Kind: berth.KindSchema}, modIs, cmp.Or(t.schema, s.schemaRevision()))
	}
	m := newMessage(t)
	req = &pb.TxnRequest{
		Compare: make([]*pb.Compare, 0, len(t.cmps)),
		Success: make([]*pb.RequestOp, 0, len(t.puts)+len(t.reads)),
		Failure: make([]*pb.RequestOp, 0, len(t.byKey)),
	}
	compared = make([]berth.Key, 0, len(t.byKey))
	for i := range t.cmps {
		c := &t.cmps[i]
		compare := m.compare(c)
		req.Compare = append(req.Compare, compare)
		if c.last == 0 && c.kind != folderIs {
			compared = append(compared, c.key)
			req.Failure = append(req.Failure, m.get(compare.Key))
		}
	}
	for i := range t.puts {
		w := &t.puts[i]
		if w.name = m.name(w.key); w.record == nil {
			req.Success = append(req.Success, m.delete(w.name))
		} else {
			req.Success = append(req.Success, m.put(w))
		}
	}
	for _, k := range t.reads {
		req.Success = append(req.Success, m.get(m.name(k)))
	}
	return req, compared
}

// message is the memory of one request, in few pieces.
type message struct {
	keys     keys
	names    []byte
	compares []compareParts
	puts     []putParts
	gets     []getParts
}

// Each message of etcd's with what it points to.
type (
	compareParts struct {
		pb.Compare
		mod    pb.Compare_ModRevision
		create pb.Compare_CreateRevision
	}
	putParts struct {
		pb.RequestOp
		of  pb.RequestOp_RequestPut
		put pb.PutRequest
	}
	getParts struct {
		pb.RequestOp
		of  pb.RequestOp_RequestRange
		get pb.RangeRequest
	}
	deleteParts struct {
		pb.RequestOp
		of     pb.RequestOp_RequestDeleteRange
		delete pb.DeleteRangeRequest
	}
)

// nameBytes is what a key mostly takes.
const nameBytes = 64

func newMessage(t *txn) *message {
	return &message{
		keys:     t.keys,
		names:    make([]byte, 0, (len(t.cmps)+len(t.puts)+len(t.reads))*nameBytes),
		compares: make([]compareParts, len(t.cmps)),
		puts:     make([]putParts, len(t.puts)),
		gets:     make([]getParts, len(t.byKey)+len(t.reads)),
	}
}

func (m *message) name(k berth.Key) []byte {
	from := len(m.names)
	m.names = m.keys.append(m.names, k)
	return m.names[from:len(m.names):len(m.names)]
}

// next is the first of what is left.
func next[T any](left *[]T) *T {
	first := &(*left)[0]
	*left = (*left)[1:]
	return first
}

func (m *message) compare(c *condition) *pb.Compare {
	p := next(&m.compares)
	p.Target, p.Result = pb.Compare_MOD, pb.Compare_EQUAL
	p.mod.ModRevision = int64(c.rev)
	p.TargetUnion = &p.mod
	switch c.kind {
	case folderIs: // no key of it is newer
		p.Result, p.mod.ModRevision = pb.Compare_LESS, int64(c.rev)+1
		folder := m.keys.folder(c.key.Kind, "")
		p.Key, p.RangeEnd = []byte(folder), []byte(clientv3.GetPrefixRangeEnd(folder))
		return &p.Compare
	case createIs, createIsNot:
		p.Target = pb.Compare_CREATE
		p.create.CreateRevision = int64(c.rev)
		p.TargetUnion = &p.create
		if c.kind == createIsNot {
			p.Result = pb.Compare_NOT_EQUAL
		}
	}
	p.Key = m.name(c.key)
	return &p.Compare
}

func (m *message) put(w *write) *pb.RequestOp {
	p := next(&m.puts)
	p.put.Key, p.put.Value, p.put.Lease = w.name, w.value, int64(w.lease)
	p.of.RequestPut = &p.put
	p.Request = &p.of
	return &p.RequestOp
}

func (m *message) get(name []byte) *pb.RequestOp {
	p := next(&m.gets)
	p.get.Key = name
	p.of.RequestRange = &p.get
	p.Request = &p.of
	return &p.RequestOp
}

func (m *message) delete(name []byte) *pb.RequestOp {
	p := new(deleteParts)
	p.delete.Key = name
	p.of.RequestDeleteRange = &p.delete
	p.Request = &p.of
	return &p.RequestOp
}

// Bytes that a message of etcd's has beside keys and values, at most.
const (
	compareBytes   = 28 // a revision, and how it is compared
	operationBytes = 32 // lengths, and a lease
)

// size bounds the bytes of the request. A key is compared, and read where that fails.
func (t *txn) size() (n int) {
	for i := range t.cmps {
		n += 2*t.keys.length(t.cmps[i].key) + compareBytes + operationBytes
	}
	for i := range t.puts {
		n += t.keys.length(t.puts[i].key) + len(t.puts[i].value) + operationBytes
	}
	for _, k := range t.reads {
		n += t.keys.length(k) + operationBytes
	}
	return n
}
