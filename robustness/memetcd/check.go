package memetcd

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// grpcOverhead is what etcd lets a message be larger than a proposal.
const grpcOverhead = 512 << 10

// proposalOverhead is about what the envelope of a proposal adds to a request.
const proposalOverhead = 24

// putOverhead is what etcd reckons for a put beyond its key and value.
const putOverhead = 256

// checkRequest refuses what etcd refuses before it looks at the keys, in the
// order in which it does.
func (s *Store) checkRequest(req proto.Message) error {
	size := proto.Size(req)
	if size > s.cfg.MaxRequestBytes+grpcOverhead {
		return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", size, s.cfg.MaxRequestBytes+grpcOverhead)
	}
	puts := bytesPut(req)
	if puts > 0 && s.file+puts > s.cfg.QuotaBytes {
		s.alarm = true
		return rpctypes.ErrGRPCNoSpace
	}
	if err := s.checkForm(req); err != nil {
		return err
	}
	if proposed(req) && size+proposalOverhead > s.cfg.MaxRequestBytes {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	if puts > 0 && s.alarm {
		return rpctypes.ErrGRPCNoSpace
	}
	return nil
}

func (s *Store) checkForm(req proto.Message) error {
	switch r := req.(type) {
	case *pb.RangeRequest:
		return formOfRange(r)
	case *pb.PutRequest:
		return formOfPut(r)
	case *pb.DeleteRangeRequest:
		return formOfDelete(r)
	case *pb.TxnRequest:
		if err := formOfTxn(r, s.cfg.MaxTxnOps); err != nil {
			return err
		}
		for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
			if _, err := writesOf(ops); err != nil {
				return err
			}
		}
	}
	return nil
}

func formOfRange(r *pb.RangeRequest) error {
	if len(r.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	if _, ok := pb.RangeRequest_SortOrder_name[int32(r.SortOrder)]; !ok {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	if _, ok := pb.RangeRequest_SortTarget_name[int32(r.SortTarget)]; !ok {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

func formOfPut(r *pb.PutRequest) error {
	switch {
	case len(r.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.IgnoreValue && len(r.Value) != 0:
		return rpctypes.ErrGRPCValueProvided
	case r.IgnoreLease && r.Lease != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func formOfDelete(r *pb.DeleteRangeRequest) error {
	if len(r.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return nil
}

// formOfTxn counts: nested transactions get what the level above leaves.
func formOfTxn(r *pb.TxnRequest, most int) error {
	n := max(len(r.Compare), len(r.Success), len(r.Failure))
	if n > most {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range r.Compare {
		if len(c.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if err := formOfOp(op, most-n); err != nil {
				return err
			}
		}
	}
	return nil
}

func formOfOp(op *pb.RequestOp, most int) error {
	switch v := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return formOfRange(v.RequestRange)
	case *pb.RequestOp_RequestPut:
		return formOfPut(v.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return formOfDelete(v.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return formOfTxn(v.RequestTxn, most)
	}
	return rpctypes.ErrGRPCKeyNotFound
}

// writes are what one branch may change.
type writes struct {
	puts map[string]bool
	dels []span
}

// deletes overlooks, as etcd does, spans that have no end.
func (w *writes) deletes(key string) bool {
	for _, d := range w.dels {
		if d.end != "\x00" && d.holds(key) {
			return true
		}
	}
	return false
}

// add takes a put in, which no other of the same branch may touch; shared are
// the puts of a branch that excludes this one.
func (w *writes) add(key string, shared map[string]bool) error {
	if w.puts[key] && !shared[key] || w.deletes(key) {
		return rpctypes.ErrGRPCDuplicateKey
	}
	w.puts[key] = true
	return nil
}

// writesOf refuses two puts of one key in one branch, and a put of a key that
// the branch deletes.
func writesOf(ops []*pb.RequestOp) (*writes, error) {
	w := &writes{puts: map[string]bool{}}
	for _, op := range ops {
		if d := op.GetRequestDeleteRange(); d != nil {
			w.dels = append(w.dels, spanOf(d.Key, d.RangeEnd))
		}
	}
	for _, op := range ops {
		if nested := op.GetRequestTxn(); nested != nil {
			if err := w.nested(nested); err != nil {
				return nil, err
			}
		}
	}
	for _, op := range ops {
		if p := op.GetRequestPut(); p != nil {
			if err := w.add(string(p.Key), nil); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

func (w *writes) nested(r *pb.TxnRequest) error {
	then, err := writesOf(r.Success)
	if err != nil {
		return err
	}
	els, err := writesOf(r.Failure)
	if err != nil {
		return err
	}
	for key := range then.puts {
		if err := w.add(key, nil); err != nil {
			return err
		}
	}
	for key := range els.puts {
		if err := w.add(key, then.puts); err != nil {
			return err
		}
	}
	w.dels = append(append(w.dels, then.dels...), els.dels...)
	return nil
}

// proposed says whether a request goes through the log, whose entries are bounded.
func proposed(req proto.Message) bool {
	switch r := req.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest:
		return true
	case *pb.TxnRequest:
		return writesAny(r)
	}
	return false
}

// writesAny: a transaction of reads alone is not proposed.
func writesAny(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if op.GetRequestRange() == nil {
				return true
			}
		}
	}
	return false
}

// bytesPut is what a request adds to the store at most, as etcd's quota reckons.
func bytesPut(req proto.Message) int64 {
	switch r := req.(type) {
	case *pb.PutRequest:
		return putOverhead + int64(len(r.Key)+len(r.Value))
	case *pb.LeaseGrantRequest:
		return 64
	case *pb.TxnRequest:
		return max(bytesOfOps(r.Success), bytesOfOps(r.Failure))
	}
	return 0
}

func bytesOfOps(ops []*pb.RequestOp) int64 {
	var n int64
	for _, op := range ops {
		switch v := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			n += bytesPut(v.RequestPut)
		case *pb.RequestOp_RequestTxn:
			n += bytesPut(v.RequestTxn)
		}
	}
	return n
}
