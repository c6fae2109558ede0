package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// formerText says how the attempt before came to its end, of what did not end in its last: where, when, and by
// what. Of one of which the store's history does not tell any more the reason is left, while the next one waits.
func formerText(s *berthv1.Status, f *berthv1.Former, now time.Time) string {
	before := s.GetAttempt() - 1
	if endedWaiting(s) {
		before = s.GetAttempt()
	}
	switch {
	case before < 1 || berth.State(s.GetState()).Final() && !endedWaiting(s):
		return ""
	case f.GetWorker() != "":
		return fmt.Sprintf("attempt %d, %s", before, formerHow(s, f, now))
	case endedWaiting(s):
		return fmt.Sprintf("attempt %d was before it waited again; the store's history tells no more of it", before)
	case s.GetReason() != "":
		return fmt.Sprintf("attempt %d ended: %s; the store's history tells no more of it", before, endText(s.GetReason(), false))
	}
	return ""
}

// endedWaiting says whether a request ended while it waited for an attempt.
func endedWaiting(s *berthv1.Status) bool {
	return berth.State(s.GetState()).Final() && s.GetWorker() == ""
}

// formerHow is formerText without the attempt's number.
func formerHow(s *berthv1.Status, f *berthv1.Former, now time.Time) string {
	if f.GetStop() != nil {
		return fmt.Sprintf("on %s, was stopped: %s%s", f.GetWorker(), orderText(f.GetStop()), after(": ", memberEndText(s, f, now)))
	}
	at := ""
	switch {
	case f.GetAt() == nil:
	case now.IsZero():
		at = " " + when(f.GetAt(), now)
	default:
		at = " " + ago(f.GetAt(), now)
	}
	return fmt.Sprintf("on %s, ended%s: %s", f.GetWorker(), at, howEnded(cmp.Or(f.GetReason(), s.GetReason()), f.GetExit())+after(": ", memberEndText(s, f, now)))
}

// endedAs is howEnded without what its worker or it itself said of it, for where there is less room.
func endedAs(reason string, exit *berthv1.Exit) string {
	switch berth.ExitKind(exit.GetKind()) {
	case berth.ExitExited, berth.ExitSignaled:
		return exitText(&berthv1.Exit{Kind: exit.GetKind(), Code: exit.GetCode(), Signal: exit.GetSignal(), OutOfMemory: exit.GetOutOfMemory()})
	}
	return endText(reason, false)
}

// howEnded says how an attempt ended that is made again: as its worker says, and where that is not
// the whole of it, what the daemon took it for.
func howEnded(reason string, exit *berthv1.Exit) string {
	switch berth.ExitKind(exit.GetKind()) {
	case "":
		return endText(reason, false)
	case berth.ExitMayHaveRun, berth.ExitDeadline:
		return endText(reason, false) + ": " + exitText(exit)
	}
	return exitText(exit)
}

// endedText says when a request ended that has, and in which attempt.
func endedText(s *berthv1.Status, now time.Time) string {
	if !berth.State(s.GetState()).Final() || s.GetEndedAt() == nil {
		return ""
	}
	at := when(s.GetEndedAt(), now)
	if !now.IsZero() {
		at = ago(s.GetEndedAt(), now)
	}
	if endedWaiting(s) {
		return "ended " + at
	}
	return "ended " + at + after(", attempt ", attemptText(s))
}

// orderText is a stop order in words.
func orderText(s *berthv1.StopOrder) string {
	return strings.TrimSuffix(inWords(s.GetReason())+": "+oneLine(s.GetMessage()), ": ")
}

// orderedText is a stop order that is being followed, with its deadline while there is something to kill.
func orderedText(s *berthv1.Status, now time.Time) string {
	stop := s.GetStop()
	switch {
	case stop == nil || berth.State(s.GetState()).Final():
		return ""
	case berth.State(s.GetState()) == berth.StateExited:
		return orderText(stop)
	}
	return orderText(stop) + "; it is killed " + until(stop.GetDeadline(), now)
}

// stoppingText says of what runs and is told to stop by whom, for what, since when and until when.
// An order has its deadline only, which is so long behind it as the container may take to stop.
func stoppingText(s *berthv1.Status, now time.Time) string {
	stop := s.GetStop()
	if stop == nil || s.GetLost() != nil || berth.State(s.GetState()).Final() {
		return ""
	}
	since := now.Sub(stop.GetDeadline().AsTime().Add(-time.Duration(s.GetSpec().GetStopTimeoutMs()) * time.Millisecond))
	return fmt.Sprintf("stopping for %s: %s", short(max(since, 0)), orderedText(s, now))
}

// victimsMost are told one by one: for a large group very many may have to end.
const victimsMost = 8

// victimsText says who is to end before a request has its place, and until when.
func victimsText(e *berthv1.ExplainResponse, now time.Time) string {
	var texts []string
	for i, v := range e.GetVictims() {
		if more := int64(len(e.GetVictims()) - i); i >= victimsMost && more > 1 {
			texts = append(texts, "and "+plural(more, "other"))
			break
		}
		text := v.GetId()
		if s := v.GetStop(); s != nil {
			text += ", told to stop (" + inWords(s.GetReason()) + "), killed " + until(s.GetDeadline(), now)
		}
		texts = append(texts, text)
	}
	return after("waited for: ", strings.Join(texts, "; "))
}
