package main

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// judgedAt is the moment that is told of: the one that was asked for, or that of the
// revision, which may not be known.
func judgedAt(e *berthv1.ExplainResponse, asked *timestamppb.Timestamp) time.Time {
	switch p := e.GetPast(); {
	case p == nil:
		return time.Now()
	case asked != nil:
		return asked.AsTime()
	case p.GetTime() != nil:
		return p.GetTime().AsTime()
	}
	return time.Time{}
}

// clock is a moment to come, with the day where that is another than the one told of.
func clock(t *timestamppb.Timestamp, now time.Time) string {
	at, format := t.AsTime().Local(), time.TimeOnly
	if at.Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
		format = time.DateTime
	}
	if now.IsZero() {
		return at.Format(format)
	}
	return at.Format(format) + " (in " + short(at.Sub(now)) + ")"
}

// when is a moment that has passed, with the day where that is another than the one told
// of, and how long before that it was, where it is known.
func when(t *timestamppb.Timestamp, now time.Time) string {
	at, format := t.AsTime().Local(), time.TimeOnly
	if at.Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
		format = time.DateTime
	}
	if now.IsZero() {
		return at.Format(format)
	}
	return at.Format(format) + " (" + short(max(now.Sub(at), 0)) + ")"
}

// ago is a moment that has passed, as of now.
func ago(t *timestamppb.Timestamp, now time.Time) string {
	return strings.TrimSuffix(when(t, now), ")") + " ago)"
}

// until is a moment that may have passed.
func until(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil || now.IsZero() || !t.AsTime().After(now) {
		return "now"
	}
	return "at " + clock(t, now)
}
