package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// stateOf shows a request that waits for lack of a worker as BLOCKED, and one whose
// successor goes on as REPLACED: its end is no loss.
func stateOf(s *berthv1.Status) string {
	switch {
	case s.GetBlocked():
		return "BLOCKED"
	case s.GetReason() == string(berth.EndReplaced):
		return "REPLACED"
	}
	return s.GetState()
}

// describe is a status in a few words, for people who wait.
func describe(s *berthv1.Status) string {
	if text := stoppingText(s, time.Now()); text != "" {
		return text
	}
	return describeLife(s)
}

// describeLife is describe without the stop that was ordered, of which explain tells more.
func describeLife(s *berthv1.Status) string {
	if none := noWorkerAtAll(s.GetVerdict()); none != nil { // also of a group, which could not be placed on none
		return "waits: " + reasonText(none)
	}
	switch {
	case s.GetVerdict().GetNeverFits() && len(keptByQuota(s.GetVerdict())) > 0:
		return "could never be placed: " + reasonsOf(ever(s.GetVerdict()))
	case s.GetVerdict().GetNeverFits() && !isQuota(s.GetVerdict()):
		return "no worker that is registered could ever take it: " + reasonsOf(ever(s.GetVerdict()))
	case s.GetVerdict().GetNeverFits():
		return "could never be placed: quota: " + quotaLacks(decisive(s.GetVerdict()))
	case s.GetBlocked():
		if r := s.GetVerdict().GetReasons(); len(r) > 0 && r[0].GetCode() == string(berth.ReasonClaim) {
			return claimText(r[0])
		}
		return "waits: " + reasonsOf(s.GetVerdict())
	case s.GetState() == string(berth.StatePending) && s.GetReason() != "":
		return fmt.Sprintf("waits for attempt %d: the last one ended: %s", s.GetAttempt(), endedAs(s.GetReason(), s.GetFormer().GetExit()))
	case s.GetLost() != nil:
		return lostText(s.GetLost(), time.Now())
	}
	if !berth.State(s.GetState()).Final() && s.GetReplacedBy() != "" {
		return replacedText(s)
	}
	reason, exit, message := s.GetReason(), exitText(s.GetExit()), s.GetMessage()
	if !berth.State(s.GetState()).Final() {
		reason = "" // of an attempt before, which is no matter of this one's
	}
	if exit != "" && message == s.GetExit().GetMessage() {
		message = "" // the exit's text has it
	}
	switch berth.EndReason(reason) {
	case berth.EndReplaced:
		return "by " + s.GetReplacedBy()
	case "", berth.EndExited, berth.EndSignaled, berth.EndOOM, berth.EndStartFailed:
		return cmp.Or(exit, message)
	}
	if berth.EndReason(reason) == berth.EndGroup { // the message is of another member's end
		return endText(reason, true) + after(": ", message) + after("; this one: ", exit)
	}
	parts := []string{endText(reason, true), message, exit}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ": ")
}

// noWorkerAtAll is the reason that a pool has no worker, or nil.
func noWorkerAtAll(v *berthv1.Verdict) *berthv1.Reason {
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonNoWorker) {
			return r
		}
	}
	return nil
}

// replacedText says of what runs and is to be replaced how far its successor is, for which it waits.
func replacedText(s *berthv1.Status) string {
	switch is := berth.State(s.GetReplacement()); {
	case is.Final():
		return "runs on until a successor does: " + s.GetReplacedBy() + " is " + s.GetReplacement() + ", another is made after a pause"
	case is == berth.StatePending:
		return "runs on until its successor " + s.GetReplacedBy() + " does, which has no place yet"
	case is == berth.StatePlaced, is == berth.StateStarting:
		return "runs on until its successor " + s.GetReplacedBy() + " does, which starts"
	}
	return "being replaced by " + s.GetReplacedBy()
}

// endText says why an attempt or a request has ended.
func endText(reason string, final bool) string {
	switch {
	case reason != string(berth.EndGroup):
		return inWords(reason)
	case final:
		return "too few of its group are left"
	}
	return "its group is placed anew"
}

// inWords is a code as people write it: worker_lost is "worker lost".
func inWords(code string) string { return strings.ReplaceAll(code, "_", " ") }

// lostText says until when a request is waited for whose worker is gone.
func lostText(l *berthv1.Loss, now time.Time) string {
	switch {
	case l.GetUntil() == nil:
		return "worker lost; waited for until its lease is over, and the grace after it"
	case l.GetBraked():
		return "worker lost, with many others; held until " + clock(l.GetUntil(), now) + ": berth brake"
	}
	return "worker lost; waited for until " + clock(l.GetUntil(), now)
}

func reasonsOf(v *berthv1.Verdict) (text string) {
	for i, r := range v.GetReasons() {
		switch {
		case i == 0:
		case eitherWay(v.GetReasons()[i-1], r):
			text += "; or "
		default:
			text += "; "
		}
		text += reasonText(r)
	}
	return text
}

func reasonText(r *berthv1.Reason) string {
	workers := plural(r.GetWorkers(), "worker")
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonNoWorker:
		return noWorkerText(r)
	case berth.ReasonGroup:
		return groupReason(r)
	case berth.ReasonLink:
		return linkReason(r)
	case berth.ReasonClaim:
		return claimText(r)
	case berth.ReasonQuota:
		return "quota: " + quotaLacks(r)
	case berth.ReasonRestored:
		return "the store was restored from a backup, and nothing is placed before " + restoredUntil(r)
	case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
		return workers + ": " + reasonName(r) + " (" + someText(r) + ")"
	}
	if lacksDomains(r) {
		return domainsLack(r)
	}
	if r.GetWant() == 0 {
		return workers + ": " + reasonName(r)
	}
	if r.GetCode() == string(berth.ReasonDeviceMemory) {
		return fmt.Sprintf("%s: %s: wants %s, the largest has %s", workers, reasonName(r), amount(r, r.GetWant()), amount(r, r.GetBest()))
	}
	return fmt.Sprintf("%s: %s: wants %s, the best has %s free of %s", workers, reasonName(r), amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()))
}

// noWorkerText says of a pool without workers which have some: its name may be misspelt.
func noWorkerText(r *berthv1.Reason) string {
	text := "pool " + r.GetDetail() + " has no worker"
	if len(r.GetPools()) == 0 {
		return text
	}
	return text + "; pools that have some: " + strings.Join(r.GetPools(), ", ")
}

// reasonName is what rejects, and of what; of an operator's order, what he said.
func reasonName(r *berthv1.Reason) string {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonNoWorker:
		return "pool " + r.GetDetail() + " has none"
	case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
		return strings.TrimSuffix(r.GetCode()+": "+clip(r.GetDetail(), 60), ": ")
	case berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk:
		return dimensionName(berth.Dimension(r.GetCode()))
	case berth.ReasonDeviceMemory:
		return "device memory (" + r.GetDetail() + ")"
	case berth.ReasonKept:
		return "kept for group " + r.GetDetail()
	case berth.ReasonElsewhere:
		return "not in " + r.GetDetail()
	case berth.ReasonTopology:
		return "topology: no label " + r.GetDetail()
	}
	return strings.TrimSuffix(r.GetCode()+" "+r.GetDetail(), " ")
}

// someText names a few of a reason's workers.
func someText(r *berthv1.Reason) string {
	text := strings.Join(r.GetSome(), ", ")
	if n := int64(len(r.GetSome())); n > 0 && n < r.GetWorkers() {
		text += " …"
	}
	return text
}

func restoredUntil(r *berthv1.Reason) string {
	at, err := time.Parse(time.RFC3339, r.GetDetail())
	if err != nil {
		return r.GetDetail()
	}
	return clock(timestamppb.New(at), time.Now())
}

func exitText(e *berthv1.Exit) string {
	if e == nil {
		return ""
	}
	text := ""
	switch berth.ExitKind(e.GetKind()) {
	case berth.ExitExited:
		text = fmt.Sprintf("exit code %d", e.GetCode())
	case berth.ExitSignaled:
		text = "killed by " + e.GetSignal()
	default:
		text = inWords(e.GetKind())
	}
	if e.GetOutOfMemory() {
		text += ", out of memory"
	}
	if e.GetMessage() != "" {
		text += ": " + e.GetMessage()
	}
	return text
}

// plural is so many of a thing: 1 worker, 2 workers.
func plural[N int | int64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
