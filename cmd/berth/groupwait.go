package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// asGroup is a group's wait, as a request's that waits: it waits, and expires, as one.
func asGroup(g *berthv1.Group) *berthv1.Status {
	return &berthv1.Status{State: g.GetState(), GroupWait: g.GetWait(), ExpiresAt: g.GetWait().GetExpiresAt()}
}

// notBefore is when the next attempt of what waits may begin: a member's with its group.
func notBefore(s *berthv1.Status) *timestamppb.Timestamp {
	if w := s.GetGroupWait(); w != nil {
		return w.GetNotBefore()
	}
	return s.GetNotBefore()
}

// ofBackoff names the member for whose backoff its group waits.
func ofBackoff(s *berthv1.Status) string {
	if m := s.GetGroupWait().GetMember(); m != "" && m != s.GetId() {
		return ", the backoff of " + m
	}
	return ""
}

// nextText says of what waits that it waits for its next attempt, and until when; "": it does not.
func nextText(s *berthv1.Status, now time.Time) string {
	what, of, at := "its", "", notBefore(s)
	if s.GetGroupWait() != nil && s.GetId() != "" {
		what, of = "its group's", " of its group"
	}
	switch n := s.GetGroupWait().GetEnding(); {
	case n > 0:
		return fmt.Sprintf("waits until the attempt before of %s%s has ended", plural(n, "member"), of)
	case at == nil || !at.AsTime().After(now):
		return ""
	case expiresFirst(s, now):
		return fmt.Sprintf("waits, and expires before %s next attempt, which is not before %s%s", what, clock(at, now), ofBackoff(s))
	}
	return fmt.Sprintf("waits for %s next attempt, not before %s%s", what, clock(at, now), ofBackoff(s))
}

// groupBefore says how the attempt before ended of a group that waits again, as of the member that has come back
// last: one that has not been in that attempt tells of an older one. "": nothing tells.
func groupBefore(ctx context.Context, cl *client.Client, g *berthv1.Group) string {
	if g.GetState() != string(berth.GroupPending) || g.GetAttempt() <= 1 {
		return ""
	}
	var last *berthv1.Status
	filter := &berthv1.Filter{Group: g.GetId(), States: []string{string(berth.StatePending)}}
	err := cl.List(ctx, filter, func(s *berthv1.Status) error {
		if last == nil || s.GetChangedRevision() > last.GetChangedRevision() {
			last = s
		}
		return nil
	})
	if err != nil || last == nil {
		return "" // why it waits is told all the same
	}
	s, err := cl.Get(ctx, last.GetId())
	if err != nil {
		return ""
	}
	now := time.Now()
	if text := memberEndText(s, s.GetFormer(), now); text != "" {
		return text
	}
	return after(s.GetId()+": ", formerText(s, s.GetFormer(), now))
}

// memberEndText says of which member's end an attempt ended that its group gave up, and how that was.
func memberEndText(s *berthv1.Status, f *berthv1.Former, now time.Time) string {
	if f.GetMemberEnd() == nil {
		return ""
	}
	return f.GetMember() + ": " + formerHow(s, f.GetMemberEnd(), now)
}

// nextRow is when the next attempt may begin, as get tells it.
func nextRow(s *berthv1.Status, now time.Time) string {
	if notBefore(s) == nil {
		return ""
	}
	return moment(notBefore(s), now) + ofBackoff(s)
}
