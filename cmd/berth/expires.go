package main

import (
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// expiresFirst says whether a request that waits is EXPIRED before its next attempt may begin.
func expiresFirst(s *berthv1.Status, now time.Time) bool {
	next, ends := s.GetNotBefore(), s.GetExpiresAt()
	return s.GetState() == string(berth.StatePending) && next != nil && ends != nil && next.AsTime().After(now) && !ends.AsTime().After(next.AsTime())
}

// expiresText says when a request that waits is EXPIRED.
func expiresText(s *berthv1.Status, now time.Time) string {
	if s.GetState() != string(berth.StatePending) || s.GetExpiresAt() == nil {
		return ""
	}
	return "expires " + until(s.GetExpiresAt(), now) + unlessPlaced(s, now)
}

// expiresRow is that as get tells it.
func expiresRow(s *berthv1.Status, now time.Time) string {
	if expiresText(s, now) == "" {
		return ""
	}
	return moment(s.GetExpiresAt(), now) + unlessPlaced(s, now)
}

func unlessPlaced(s *berthv1.Status, now time.Time) string {
	if expiresFirst(s, now) {
		return ", before its next attempt may begin"
	}
	return ", unless it is placed before"
}
