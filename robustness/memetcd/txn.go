package memetcd

import (
	"bytes"
	"cmp"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// writing is one revision being made.
type writing struct {
	s       *Store
	rev     int64 // that its writes get
	changed bool
}

// now is the revision at which the transaction reads: its own writes included.
func (w *writing) now() int64 {
	if w.changed {
		return w.rev
	}
	return w.rev - 1
}

func (s *Store) begin() *writing { return &writing{s: s, rev: s.revision + 1} }

func (w *writing) end() { w.s.revision = w.now() }

func (s *Store) put(r *pb.PutRequest) (*pb.PutResponse, error) {
	if err := s.checkPut(r); err != nil {
		return nil, err
	}
	w := s.begin()
	resp := w.put(r)
	w.end()
	resp.Header = s.header(s.revision)
	return resp, nil
}

func (s *Store) deleteRange(r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	w := s.begin()
	resp := w.deleteRange(r)
	w.end()
	resp.Header = s.header(s.revision)
	return resp, nil
}

// txn evaluates all compares, nested ones too, before anything is written.
func (s *Store) txn(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	path := s.path(r, s.revision)
	if err := s.checkBranches(r, &cursor{path: path}); err != nil {
		return nil, err
	}
	w := s.begin()
	resp := w.txn(r, &cursor{path: path})
	w.end()
	resp.Header = s.header(s.revision)
	return resp, nil
}

// readTxn is a transaction of serializable reads, at a member's revision.
func (s *Store) readTxn(r *pb.TxnRequest, rev int64) (*pb.TxnResponse, error) {
	c := &cursor{path: s.path(r, rev)}
	ops, succeeded := c.branch(r)
	resp := &pb.TxnResponse{Header: s.header(rev), Succeeded: succeeded}
	for _, op := range ops {
		one, err := s.rangeKeys(op.GetRequestRange(), rev)
		if err != nil {
			return nil, err
		}
		one.Header = &pb.ResponseHeader{Revision: rev}
		resp.Responses = append(resp.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: one}})
	}
	return resp, nil
}

// path is how the compares of a transaction came out, and of those nested in the
// branch that is taken, in the order in which they are met.
func (s *Store) path(r *pb.TxnRequest, rev int64) []bool {
	path := []bool{s.holdsAll(r.Compare, rev)}
	ops := r.Success
	if !path[0] {
		ops = r.Failure
	}
	for _, op := range ops {
		if nested := op.GetRequestTxn(); nested != nil {
			path = append(path, s.path(nested, rev)...)
		}
	}
	return path
}

// cursor walks a path.
type cursor struct {
	path []bool
	at   int
}

func (c *cursor) branch(r *pb.TxnRequest) ([]*pb.RequestOp, bool) {
	succeeded := c.path[c.at]
	c.at++
	if succeeded {
		return r.Success, true
	}
	return r.Failure, false
}

// checkBranches refuses, before anything is written, what could fail later.
func (s *Store) checkBranches(r *pb.TxnRequest, c *cursor) error {
	ops, _ := c.branch(r)
	for _, op := range ops {
		var err error
		switch v := op.Request.(type) {
		case *pb.RequestOp_RequestRange:
			err = s.checkRevision(v.RequestRange.Revision, s.revision)
		case *pb.RequestOp_RequestPut:
			err = s.checkPut(v.RequestPut)
		case *pb.RequestOp_RequestTxn:
			err = s.checkBranches(v.RequestTxn, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkPut(r *pb.PutRequest) error {
	if r.Lease != 0 && s.leases[r.Lease] == nil {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	if (r.IgnoreValue || r.IgnoreLease) && s.at(string(r.Key), s.revision) == nil {
		return rpctypes.ErrGRPCKeyNotFound
	}
	return nil
}

func (w *writing) txn(r *pb.TxnRequest, c *cursor) *pb.TxnResponse {
	ops, succeeded := c.branch(r)
	resp := &pb.TxnResponse{Header: &pb.ResponseHeader{}, Succeeded: succeeded, Responses: make([]*pb.ResponseOp, 0, len(ops))}
	for _, op := range ops {
		resp.Responses = append(resp.Responses, w.op(op, c))
	}
	return resp
}

func (w *writing) op(op *pb.RequestOp, c *cursor) *pb.ResponseOp {
	switch v := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		resp, err := w.s.rangeKeys(v.RequestRange, w.now())
		if err != nil { // checked before
			panic("memetcd: a transaction fails half-way: " + err.Error())
		}
		resp.Header = &pb.ResponseHeader{Revision: w.now()}
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: resp}}
	case *pb.RequestOp_RequestPut:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: w.put(v.RequestPut)}}
	case *pb.RequestOp_RequestDeleteRange:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: w.deleteRange(v.RequestDeleteRange)}}
	case *pb.RequestOp_RequestTxn:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: w.txn(v.RequestTxn, c)}}
	}
	return &pb.ResponseOp{}
}

func (w *writing) put(r *pb.PutRequest) *pb.PutResponse {
	old := w.s.at(string(r.Key), w.now())
	value, leaseID := r.Value, r.Lease
	if r.IgnoreValue {
		value = old.Value
	}
	if r.IgnoreLease {
		leaseID = old.Lease
	}
	resp := &pb.PutResponse{Header: &pb.ResponseHeader{Revision: w.rev}}
	if r.PrevKv {
		resp.PrevKv = clone(old)
	}
	w.s.putKey(string(r.Key), value, leaseID, w.rev)
	w.changed = true
	return resp
}

func (w *writing) deleteRange(r *pb.DeleteRangeRequest) *pb.DeleteRangeResponse {
	kvs := w.s.live(spanOf(r.Key, r.RangeEnd), w.now())
	resp := &pb.DeleteRangeResponse{Deleted: int64(len(kvs))}
	for _, kv := range kvs {
		if r.PrevKv {
			resp.PrevKvs = append(resp.PrevKvs, clone(kv))
		}
		w.s.deleteKey(string(kv.Key), w.rev)
		w.changed = true
	}
	resp.Header = &pb.ResponseHeader{Revision: w.now()}
	return resp
}

func (s *Store) holdsAll(cmps []*pb.Compare, rev int64) bool {
	for _, c := range cmps {
		if !s.holds(c, rev) {
			return false
		}
	}
	return true
}

// holds compares every key of a span. Where there is none, a key of zeros is
// compared, but its value equals nothing.
func (s *Store) holds(c *pb.Compare, rev int64) bool {
	kvs := s.live(spanOf(c.Key, c.RangeEnd), rev)
	if len(kvs) == 0 {
		return c.Target != pb.Compare_VALUE && compareTo(c, &mvccpb.KeyValue{})
	}
	for _, kv := range kvs {
		if !compareTo(c, kv) {
			return false
		}
	}
	return true
}

func compareTo(c *pb.Compare, kv *mvccpb.KeyValue) bool {
	var is int
	switch c.Target {
	case pb.Compare_VALUE:
		is = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_CREATE:
		is = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	case pb.Compare_MOD:
		is = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_VERSION:
		is = cmp.Compare(kv.Version, c.GetVersion())
	case pb.Compare_LEASE:
		is = cmp.Compare(kv.Lease, c.GetLease())
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return is == 0
	case pb.Compare_NOT_EQUAL:
		return is != 0
	case pb.Compare_GREATER:
		return is > 0
	case pb.Compare_LESS:
		return is < 0
	}
	return true
}
