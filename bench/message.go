package bench

import pb "go.etcd.io/etcd/api/v3/etcdserverpb"

// Parts of a transaction, as etcd's own messages: what is ready to be sent costs its
// sender nothing more.

func modIs(key string, rev int64) *pb.Compare {
	return &pb.Compare{Target: pb.Compare_MOD, Key: []byte(key), TargetUnion: &pb.Compare_ModRevision{ModRevision: rev}}
}

func createIs(key string, rev int64) *pb.Compare {
	return &pb.Compare{Target: pb.Compare_CREATE, Key: []byte(key), TargetUnion: &pb.Compare_CreateRevision{CreateRevision: rev}}
}

func above(c *pb.Compare) *pb.Compare {
	c.Result = pb.Compare_GREATER
	return c
}

func put(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func get(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}
}

func remove(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
}
