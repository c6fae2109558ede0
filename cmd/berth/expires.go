package main

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// expiresAt is when a request that waits is EXPIRED, or, where that is before, cancelled because too few of its group are left.
func expiresAt(s *berthv1.Status) (at *timestamppb.Timestamp, withGroup bool) {
	at = s.GetExpiresAt()
	if group := s.GetGroupWait().GetExpiresAt(); group != nil && at != nil && group.AsTime().Before(at.AsTime()) {
		return group, true
	}
	return at, false
}

// expiresFirst says whether a request that waits is EXPIRED before its next attempt may begin.
func expiresFirst(s *berthv1.Status, now time.Time) bool {
	next := notBefore(s)
	ends, _ := expiresAt(s)
	return s.GetState() == string(berth.StatePending) && next != nil && ends != nil && next.AsTime().After(now) && !ends.AsTime().After(next.AsTime())
}

// expiresText says when a request that waits is EXPIRED.
func expiresText(s *berthv1.Status, now time.Time) string {
	at, _ := expiresAt(s)
	switch {
	case s.GetState() != string(berth.StatePending) || at == nil:
		return ""
	case now.IsZero():
		return "expires at " + clock(at, now) + unlessPlaced(s, now)
	}
	return "expires " + until(at, now) + unlessPlaced(s, now)
}

// expiresRow is that as get tells it.
func expiresRow(s *berthv1.Status, now time.Time) string {
	if expiresText(s, now) == "" {
		return ""
	}
	at, _ := expiresAt(s)
	return moment(at, now) + unlessPlaced(s, now)
}

func unlessPlaced(s *berthv1.Status, now time.Time) string {
	text := ""
	if _, withGroup := expiresAt(s); withGroup {
		text = ", with its group"
	}
	if expiresFirst(s, now) {
		return text + ", before its next attempt may begin"
	}
	return text + ", unless it is placed before"
}
