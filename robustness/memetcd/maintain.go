package memetcd

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

func (s *Store) compact(r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	switch {
	case r.Revision <= s.compacted:
		return nil, rpctypes.ErrGRPCCompacted
	case r.Revision > s.revision:
		return nil, rpctypes.ErrGRPCFutureRev
	}
	s.forget(r.Revision)
	return &pb.CompactionResponse{Header: s.header(s.revision)}, nil
}

func (s *Store) status() (*pb.StatusResponse, error) {
	resp := &pb.StatusResponse{
		Header: s.header(s.revision), Version: "3.7.3", StorageVersion: "3.7", DbSize: s.file, DbSizeInUse: s.used,
		DbSizeQuota: s.cfg.QuotaBytes, Leader: s.cfg.MemberID, RaftTerm: s.term,
	}
	if s.alarm {
		resp.Errors = append(resp.Errors, "memberID:"+"0 alarm:NOSPACE ")
	}
	return resp, nil
}

// alarms lists, raises and disarms the one alarm that there is: NOSPACE.
func (s *Store) alarms(r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	resp := &pb.AlarmResponse{Header: s.header(s.revision)}
	space := r.Alarm == pb.AlarmType_NOSPACE
	was := s.alarm
	switch r.Action {
	case pb.AlarmRequest_ACTIVATE:
		s.alarm = s.alarm || space
	case pb.AlarmRequest_DEACTIVATE:
		s.alarm = s.alarm && !space
	case pb.AlarmRequest_GET:
		space = space || r.Alarm == pb.AlarmType_NONE
	}
	if space && (was || s.alarm) {
		resp.Alarms = []*pb.AlarmMember{{MemberID: s.cfg.MemberID, Alarm: pb.AlarmType_NOSPACE}}
	}
	return resp, nil
}
