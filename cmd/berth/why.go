package main

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// waitsFor is the one reason that counts most of why a request waits, in words. What
// counts is what keeps it from the worker that it comes nearest to: most workers may
// be of another kind altogether, and nothing will change that.
func waitsFor(e *berthv1.ExplainResponse) string {
	v, miss := e.GetVerdict(), e.GetNearest()
	if len(v.GetReasons()) == 0 {
		if at := e.GetStatus().GetNotBefore(); at != nil && at.AsTime().After(time.Now()) {
			return "waits for its next attempt, not before " + clock(at, time.Now())
		}
		return "could be placed now"
	}
	if first := v.GetReasons()[0]; miss == nil || first.GetCode() == string(berth.ReasonRestored) || first.GetCode() == string(berth.ReasonGroup) {
		return "waits: " + reasonText(first)
	}
	r := miss.GetReasons()[0]
	if v.GetNeverFits() {
		return "waits, and no registered worker could ever take it: " + neverText(miss)
	}
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
		return fmt.Sprintf("waits: it would fit on %s, which is %s", miss.GetWorker(), reasonName(r))
	case berth.ReasonSuspended:
		return fmt.Sprintf("waits: it would fit on %s, which is suspended, for its starts fail in a row", miss.GetWorker())
	case berth.ReasonNotReady:
		return fmt.Sprintf("waits: it would fit on %s, which is not ready yet", miss.GetWorker())
	case berth.ReasonConstraint:
		return "waits for a worker that meets its constraints: " + lackText(r, miss.GetWorker())
	}
	return "waits for " + resourceName(r) + ": " + lackText(r, miss.GetWorker())
}

// neverText says of a request that no worker could take, were it empty, what there is
// too little of on the nearest.
func neverText(m *berthv1.Miss) string {
	for _, r := range m.GetReasons() {
		if r.GetWant() > r.GetTotal() {
			return fmt.Sprintf("it wants %s of %s, and %s, the nearest, has %s in all", amount(r, r.GetWant()), resourceName(r), m.GetWorker(), amount(r, r.GetTotal()))
		}
	}
	return lackText(m.GetReasons()[0], m.GetWorker())
}

// lackText says what a worker lacks.
func lackText(r *berthv1.Reason, worker string) string {
	switch {
	case r.GetCode() == string(berth.ReasonConstraint):
		return fmt.Sprintf("%s does not, by its label %s", worker, r.GetDetail())
	case r.GetCode() == string(berth.ReasonPorts) && r.GetDetail() != "":
		return fmt.Sprintf("port %s is taken on %s, or none of its ports", r.GetDetail(), worker)
	case r.GetWant() == 0:
		return worker + ": " + reasonName(r)
	}
	return fmt.Sprintf("it wants %s, and %s, the nearest, has %s free of %s", amountOf(r, r.GetWant()), worker, amount(r, r.GetBest()), amountOf(r, r.GetTotal()))
}

// resourceName is what a request waits for, as people call it.
func resourceName(r *berthv1.Reason) string {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCPU:
		return "CPU"
	case berth.ReasonMemory:
		return "memory"
	case berth.ReasonDisk:
		return "disk"
	case berth.ReasonCustom:
		return r.GetDetail()
	case berth.ReasonDevices:
		return "devices (" + r.GetDetail() + ")"
	}
	return reasonName(r)
}

// amountOf is an amount with the word for its unit, where that needs one.
func amountOf(r *berthv1.Reason, n int64) string {
	if r.GetCode() == string(berth.ReasonCPU) {
		if n == 1000 {
			return "1 core"
		}
		return amount(r, n) + " cores"
	}
	return amount(r, n)
}

// missText is all that stands in the way on one worker.
func missText(m *berthv1.Miss) string {
	texts := make([]string, 0, len(m.GetReasons()))
	for _, r := range m.GetReasons() {
		text := reasonName(r)
		if r.GetWant() > 0 {
			text += fmt.Sprintf(" wants %s, has %s free of %s", amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()))
		}
		texts = append(texts, text)
	}
	return m.GetWorker() + ": " + strings.Join(texts, "; ")
}

// helpText is what would let the nearest worker take it: all of it is needed.
func helpText(m *berthv1.Miss) string {
	if !m.GetCould() {
		return "a worker that could take it (berth plan --add tells), or to ask for less"
	}
	var needs []string
	for _, r := range m.GetReasons() {
		switch code := berth.ReasonCode(r.GetCode()); {
		case code == berth.ReasonCordoned || code == berth.ReasonDraining || code == berth.ReasonRemoving:
			needs = append(needs, "berth uncordon "+m.GetWorker())
		case code == berth.ReasonSuspended:
			needs = append(needs, "the end of the suspension of "+m.GetWorker()+", and a start that works there")
		case code == berth.ReasonNotReady:
			needs = append(needs, m.GetWorker()+" getting ready")
		case code == berth.ReasonTaint:
			needs = append(needs, fmt.Sprintf("a toleration of %s, or %s without that taint (berth untaint)", r.GetDetail(), m.GetWorker()))
		case code == berth.ReasonAffinity:
			needs = append(needs, "such requests near "+m.GetWorker())
		case code == berth.ReasonAntiAffinity:
			needs = append(needs, "the end of such requests near "+m.GetWorker())
		case code == berth.ReasonSpread:
			needs = append(needs, "more such requests elsewhere, or fewer near "+m.GetWorker())
		case r.GetWant() > r.GetBest():
			needs = append(needs, fmt.Sprintf("%s more %s free on %s", amount(r, r.GetWant()-r.GetBest()), resourceName(r), m.GetWorker()))
		default:
			needs = append(needs, "room on "+m.GetWorker()+" for its "+resourceName(r))
		}
	}
	return strings.Join(needs, ", and ")
}

// when is a moment that has passed, with the day where that is another.
func when(t *timestamppb.Timestamp, now time.Time) string {
	at, format := t.AsTime().Local(), time.TimeOnly
	if at.Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
		format = time.DateTime
	}
	return at.Format(format) + " (" + short(now.Sub(at)) + ")"
}
