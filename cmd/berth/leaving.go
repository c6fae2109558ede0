package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// formerText says how the attempt before the one that waits came to its end, where somebody
// has ordered that.
func formerText(e *berthv1.ExplainResponse) string {
	f := e.GetFormer()
	if f.GetStop() == nil {
		return ""
	}
	return fmt.Sprintf("attempt %d, on %s, was stopped: %s", e.GetStatus().GetAttempt()-1, f.GetWorker(), orderText(f.GetStop()))
}

// orderText is a stop order in words.
func orderText(s *berthv1.StopOrder) string {
	return strings.TrimSuffix(inWords(s.GetReason())+": "+clip(s.GetMessage(), 200), ": ")
}

// orderedText is a stop order that is being followed, with its deadline.
func orderedText(s *berthv1.StopOrder, now time.Time) string {
	if s == nil {
		return ""
	}
	return orderText(s) + "; it is killed " + until(s.GetDeadline(), now)
}

// stoppingText says of what runs and is told to stop by whom, for what, since when and until when.
// An order has its deadline only, which is so long behind it as the container may take to stop.
func stoppingText(s *berthv1.Status, now time.Time) string {
	stop := s.GetStop()
	if stop == nil || s.GetLost() != nil || berth.State(s.GetState()).Final() {
		return ""
	}
	since := now.Sub(stop.GetDeadline().AsTime().Add(-time.Duration(s.GetSpec().GetStopTimeoutMs()) * time.Millisecond))
	return fmt.Sprintf("stopping for %s: %s; it is killed %s", short(max(since, 0)), orderText(stop), until(stop.GetDeadline(), now))
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
