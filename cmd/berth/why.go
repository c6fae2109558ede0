package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// waitsFor is the one reason that counts most of why a request waits, in words. What
// counts is what keeps it from the worker that it comes nearest to: most workers may
// be of another kind altogether, and nothing will change that.
func waitsFor(e *berthv1.ExplainResponse, now time.Time) string {
	v, miss, next := e.GetVerdict(), e.GetNearest(), nextText(e.GetStatus(), now)
	if next != "" && (len(v.GetReasons()) == 0 || e.GetStatus().GetGroupWait() != nil) { // one alone is not judged as its group will be
		return next
	}
	if len(v.GetReasons()) == 0 {
		if e.GetPast() != nil {
			return "could be placed then"
		}
		return "could be placed now"
	}
	first := v.GetReasons()[0]
	switch berth.ReasonCode(first.GetCode()) {
	case berth.ReasonClaim:
		return claimText(first)
	case berth.ReasonQuota:
		return quotaWaits(e, now)
	case berth.ReasonGroup:
		return groupWaits(e.GetStatus().GetSpec(), v) + after("; ", keptFromGroup(v, e.GetStatus().GetSpec().GetGroup().GetId()))
	case berth.ReasonRestored:
		return "waits: " + reasonText(first)
	}
	if miss == nil {
		return "waits: " + reasonText(first)
	}
	r := miss.GetReasons()[0]
	if v.GetNeverFits() {
		return "waits, and no registered worker could ever take it: " + neverText(v, miss)
	}
	if !miss.GetCould() { // what comes free there is in vain
		r = lastingReason(v, miss)
	}
	if closed := closedText(r); closed != "" {
		if more := otherThanClosed(miss); more != "" {
			return fmt.Sprintf("waits: %s, the nearest, is %s, and there is more in its way there: %s", miss.GetWorker(), closed, more)
		}
		return fmt.Sprintf("waits: it would fit on %s, which is %s", miss.GetWorker(), closed)
	}
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonKept:
		return "waits: " + keptText(keptIn(v, r))
	case berth.ReasonImage:
		return "waits for a worker that takes images: " + lackText(r, miss.GetWorker())
	case berth.ReasonConstraint:
		return "waits for a worker that meets its constraints: " + lackText(r, miss.GetWorker())
	case berth.ReasonTaint:
		return "waits: " + lackText(r, miss.GetWorker())
	case berth.ReasonAffinity:
		return fmt.Sprintf("waits for %s of %s, the nearest, or another like it: it must be near such requests", r.GetDetail(), miss.GetWorker())
	case berth.ReasonAntiAffinity:
		return fmt.Sprintf("waits for the end of %s of %s, the nearest: it must be apart from such requests", r.GetDetail(), miss.GetWorker())
	case berth.ReasonPorts:
		if r.GetDetail() != "" {
			return fmt.Sprintf("waits: port %s is %s %s, the nearest", r.GetDetail(), takenOr(r), miss.GetWorker())
		}
	case berth.ReasonSpread:
		return fmt.Sprintf("waits: on %s, the nearest, it would break its spread of %s", miss.GetWorker(), r.GetDetail())
	case berth.ReasonTopology:
		return "waits: " + topologyText(r, miss.GetWorker())
	case berth.ReasonElsewhere:
		return fmt.Sprintf("waits: %s, the nearest, is not in %s, where the others of its group are", miss.GetWorker(), r.GetDetail())
	}
	return "waits for " + resourceName(r) + ": " + lackText(r, miss.GetWorker())
}

// closedText is what a worker is that takes nothing now, whatever it has; "": another reason.
func closedText(r *berthv1.Reason) string {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
		return reasonName(r)
	case berth.ReasonSuspended:
		return "suspended, for its starts fail in a row"
	case berth.ReasonNotReady:
		return "not ready yet"
	case berth.ReasonHeld:
		return "held for a moment, for a group"
	}
	return ""
}

// otherThanClosed names what else keeps a request from the nearest worker; "": nothing.
func otherThanClosed(miss *berthv1.Miss) string {
	var more []string
	for _, r := range miss.GetReasons() {
		if closedText(r) == "" {
			more = append(more, reasonName(r))
		}
	}
	return strings.Join(more, ", ")
}

// topologyText says of a label over which a request is to be near others, or even with them,
// that a worker lacks it, or that all do.
func topologyText(r *berthv1.Reason, worker string) string {
	if r.GetTotal() == 0 {
		return fmt.Sprintf("no worker of its pool has the label %s, over which its affinity or spread is", r.GetDetail())
	}
	return fmt.Sprintf("%s, the nearest, lacks the label %s, over which its affinity or spread is; %s of its pool have it", worker, r.GetDetail(), plural(r.GetTotal(), "worker"))
}

// claimText says for whom a request waits that others make room for.
func claimText(r *berthv1.Reason) string {
	if r.GetWant() == 0 {
		return "is about to be placed on " + r.GetDetail() + ", where others have made room for it"
	}
	on := r.GetDetail()
	if on == "" { // of a group
		on = fmt.Sprintf("%s (%s)", plural(r.GetWorkers(), "worker"), someText(r))
	}
	return fmt.Sprintf("waits for %s to end on %s, to make room for it", plural(r.GetWant(), "request"), on)
}

// neverText says of a request that no worker could take, were it empty, what the nearest lacks for good.
func neverText(v *berthv1.Verdict, m *berthv1.Miss) string {
	r := lastingReason(v, m)
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonTaint, berth.ReasonImage, berth.ReasonConstraint, berth.ReasonDeviceMemory:
		return lackText(r, m.GetWorker())
	case berth.ReasonDeviceMilli:
		return shareLack(r, m.GetWorker())
	}
	if notGivenOut(r) {
		return lackText(r, m.GetWorker()) + ", the nearest"
	}
	if r.GetWant() > r.GetTotal() {
		return shortText(r, m.GetWorker())
	}
	return lackText(r, m.GetWorker())
}

// lastingReason is what a worker that could not take a request, were it empty, lacks for good: as the scheduler counts it, the
// last of its filters, but CPU, memory and disk only where there is nothing else. A taint that the verdict does not name is an
// operator's where no worker could ever take it, and may be taken away.
func lastingReason(v *berthv1.Verdict, m *berthv1.Miss) *berthv1.Reason {
	var amount *berthv1.Reason
	for _, r := range slices.Backward(m.GetReasons()) {
		short := r.GetWant() > r.GetTotal()
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonTaint:
			if !v.GetNeverFits() || slices.ContainsFunc(v.GetReasons(), isTaint) {
				return r
			}
		case berth.ReasonImage, berth.ReasonConstraint, berth.ReasonDeviceMemory:
			return r
		case berth.ReasonDeviceMilli:
			if r.GetTotal() == 0 {
				return r
			}
		case berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk:
			if short {
				amount = r
			}
		default:
			if short {
				return r
			}
		}
	}
	if amount != nil {
		return amount
	}
	lasting, _ := lastingOf(m)
	return lasting[0]
}

// shortText says how much less a worker has in all than is asked for.
func shortText(r *berthv1.Reason, worker string) string {
	wants := amountOf(r, r.GetWant())
	if r.GetCode() != string(berth.ReasonCPU) {
		wants += " of " + resourceName(r)
	}
	return fmt.Sprintf("it wants %s, and %s, the nearest, has %s in all", wants, worker, amount(r, r.GetTotal()))
}

// lastingOf tells what a worker lacks for good from what keeps everything off it now: a request
// that its runtime could never take does not wait for the end of its suspension. Where there is
// nothing but the latter, that is all.
func lastingOf(m *berthv1.Miss) (lasting, passing []*berthv1.Reason) {
	for _, r := range m.GetReasons() {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonNotReady, berth.ReasonRemoving, berth.ReasonDraining, berth.ReasonCordoned, berth.ReasonHeld, berth.ReasonSuspended, berth.ReasonKept:
			passing = append(passing, r)
		default:
			lasting = append(lasting, r)
		}
	}
	if len(lasting) == 0 {
		return m.GetReasons(), nil
	}
	return lasting, passing
}

// lackText says what a worker lacks.
func lackText(r *berthv1.Reason, worker string) string {
	switch {
	case r.GetCode() == string(berth.ReasonImage):
		return worker + ", the nearest, runs commands of its machine, not images"
	case r.GetCode() == string(berth.ReasonTaint):
		return fmt.Sprintf("%s, the nearest, has the taint %s, which it does not tolerate", worker, r.GetDetail())
	case r.GetCode() == string(berth.ReasonConstraint):
		return fmt.Sprintf("its constraint %s does not hold on %s, the nearest", r.GetDetail(), worker)
	case r.GetCode() == string(berth.ReasonPorts) && r.GetDetail() != "":
		return fmt.Sprintf("port %s is %s %s", r.GetDetail(), takenOr(r), worker)
	case r.GetCode() == string(berth.ReasonDeviceMilli):
		return shareLack(r, worker)
	case r.GetCode() == string(berth.ReasonDeviceMemory):
		return memoryLack(r, worker)
	case r.GetWant() == 0:
		return worker + ": " + reasonName(r)
	}
	return fmt.Sprintf("it wants %s, and %s, the nearest, has %s free of %s", amountOf(r, r.GetWant()), worker, amount(r, r.GetBest()), amountOf(r, r.GetTotal()))
}

// memoryLack says that none of a worker's devices has as much memory as is asked for.
func memoryLack(r *berthv1.Reason, worker string) string {
	has := "has " + amount(r, r.GetBest())
	if r.GetBest() == 0 {
		has = "has none that is known"
	}
	return fmt.Sprintf("it wants devices (%s) with %s of memory each, and the largest of %s, the nearest, %s", r.GetDetail(), amount(r, r.GetWant()), worker, has)
}

// shareLack says how short a worker is of a part of one device: what is free on others
// does not add up.
func shareLack(r *berthv1.Reason, worker string) string {
	if r.GetTotal() == 0 {
		return fmt.Sprintf("it wants %d thousandths of one, and %s, the nearest, has none", r.GetWant(), worker)
	}
	return fmt.Sprintf("it wants %d thousandths of one, and %s, the nearest, has %d free on the one with most room", r.GetWant(), worker, r.GetBest())
}

// notGivenOut says whether a reason is a port that is asked for by number, and is none of a worker's.
func notGivenOut(r *berthv1.Reason) bool {
	return r.GetCode() == string(berth.ReasonPorts) && r.GetDetail() != "" && r.GetTotal() == 0
}

// givenOutText tells the ports that the nearest worker gives out, where a request wants one that is none of them. Which
// they were in the past is not known.
func givenOutText(ctx context.Context, cl *client.Client, e *berthv1.ExplainResponse) string {
	if e.GetPast() != nil || !slices.ContainsFunc(e.GetNearest().GetReasons(), notGivenOut) {
		return ""
	}
	workers, err := cl.Workers(ctx)
	if err != nil {
		return "" // the answer is good without
	}
	for _, w := range workers {
		if w.GetId() == e.GetNearest().GetWorker() {
			return fmt.Sprintf("%s gives out %s", w.GetId(), rangeText(w.GetCapacity().GetPorts()))
		}
	}
	return ""
}

func rangeText(r *berthv1.PortRange) string {
	if r.GetLast() == 0 {
		return "no ports"
	}
	return fmt.Sprintf("ports %d-%d", r.GetFirst(), r.GetLast())
}

// takenOr says why a port that is asked for by number is not free.
func takenOr(r *berthv1.Reason) string {
	if r.GetTotal() == 0 {
		return "none of those that are given out on"
	}
	return "taken on"
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
		if r.GetDetail() == "" {
			return "devices"
		}
		return "devices (" + r.GetDetail() + ")"
	case berth.ReasonDeviceMilli:
		return "a part of a device (" + r.GetDetail() + ")"
	case berth.ReasonDeviceMemory:
		return "devices (" + r.GetDetail() + ") with more memory"
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
		switch {
		case notGivenOut(r):
			text = fmt.Sprintf("port %s is %s it", r.GetDetail(), takenOr(r))
		case r.GetCode() == string(berth.ReasonDeviceMemory):
			text += fmt.Sprintf(" wants %s, the largest has %s", amount(r, r.GetWant()), amount(r, r.GetBest()))
		case r.GetWant() > 0:
			text += fmt.Sprintf(" wants %s, has %s free of %s", amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()))
		}
		texts = append(texts, text)
	}
	return m.GetWorker() + ": " + strings.Join(texts, "; ")
}

// helpText is what would let the nearest worker take it: all of it is needed.
func helpText(m *berthv1.Miss) string {
	rs, passing := lastingOf(m)
	switch {
	case len(rs) == 1 && rs[0].GetCode() == string(berth.ReasonImage):
		return "a worker that takes images, or no image in the request" + beside(passing, m.GetWorker())
	case !slices.ContainsFunc(rs, isNoConstraint):
		return constraintsHelp(rs) + beside(passing, m.GetWorker())
	case onlyTainted(m):
		return taintedHelp(m)
	case !m.GetCould():
		return couldHelp(rs, m.GetWorker()) + beside(passing, m.GetWorker())
	}
	return needsText(m.GetReasons(), m.GetWorker())
}

// couldHelp is what would help a request that the nearest worker could never take: of a port by number there is no less to
// ask for.
func couldHelp(lasting []*berthv1.Reason, worker string) string {
	const other = "a worker that could take it (berth plan --add tells), or to ask for less"
	var ports []string
	more := false // is in its way for good
	for _, r := range lasting {
		switch {
		case notGivenOut(r):
			ports = append(ports, r.GetDetail())
		case r.GetWant() == 0 || r.GetWant() > r.GetTotal():
			more = true
		}
	}
	if len(ports) == 0 {
		return other
	}
	number := fmt.Sprintf("another number than %s, of the ports that %s gives out, or a port without one (--port NAME: any free one)", strings.Join(ports, ", "), worker)
	if more {
		return other + "; and " + number
	}
	return number + fmt.Sprintf(", or a worker that gives out %s (berth worker --ports)", strings.Join(ports, ", "))
}

func isNoConstraint(r *berthv1.Reason) bool { return r.GetCode() != string(berth.ReasonConstraint) }

// constraintsHelp is what would let a worker take a request that nothing but its constraints keeps off.
func constraintsHelp(rs []*berthv1.Reason) string {
	all := make([]string, len(rs))
	for i, r := range rs {
		all[i] = r.GetDetail()
	}
	if len(all) == 1 {
		return fmt.Sprintf("a worker on which %s holds (berth worker --labels), or another constraint", all[0])
	}
	last := len(all) - 1
	return fmt.Sprintf("a worker on which %s and %s hold (berth worker --labels), or other constraints", strings.Join(all[:last], ", "), all[last])
}

// beside is what a request would wait for on the nearest worker, could that take it.
func beside(passing []*berthv1.Reason, worker string) string {
	if len(passing) == 0 {
		return ""
	}
	return "; for it to run on " + worker + ", then also " + needsText(passing, worker)
}

// needsText is what would undo all of some reasons against a worker.
func needsText(reasons []*berthv1.Reason, worker string) string {
	var needs []string
	for _, r := range reasons {
		need := needText(r, worker)
		if !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
	}
	return strings.Join(needs, ", and ")
}

// labelNeeded is a label that workers lack, and how they get it.
func labelNeeded(label, workers string) string {
	return fmt.Sprintf("the label %s on %s (berth worker --labels %s=VALUE)", label, workers, label)
}

// needText is what would undo one reason against a worker.
func needText(r *berthv1.Reason, worker string) string {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
		return "berth uncordon " + worker
	case berth.ReasonHeld:
		return "a moment of patience: a group is placed, or gives up"
	case berth.ReasonKept:
		return "group " + r.GetDetail() + " being placed, or cancelled (or a run limit by which it ends before, where that is known)"
	case berth.ReasonSuspended:
		return "the end of the suspension of " + worker + " (it ends by itself: berth workers tells when), and a start that works there (its log tells why they fail)"
	case berth.ReasonNotReady:
		return worker + " getting ready"
	case berth.ReasonTaint:
		return fmt.Sprintf("%s, or %s without that taint (berth untaint %s %s)", tolerationNeeded(r), worker, worker, untaintWord(r))
	case berth.ReasonAffinity:
		return r.GetDetail() + " of " + worker
	case berth.ReasonAntiAffinity:
		return "the end of " + r.GetDetail() + " of " + worker
	case berth.ReasonTopology:
		return labelNeeded(r.GetDetail(), worker)
	case berth.ReasonSpread:
		return "more such requests elsewhere, or fewer near " + worker
	case berth.ReasonElsewhere:
		return "room in " + r.GetDetail() + ", where the others of its group are"
	case berth.ReasonPorts:
		if r.GetDetail() != "" {
			return "the end of what has port " + r.GetDetail() + " on " + worker + ", or another port"
		}
	}
	if r.GetCode() == string(berth.ReasonDeviceMilli) {
		return fmt.Sprintf("%d more thousandths free on one device (%s) of %s", r.GetWant()-r.GetBest(), r.GetDetail(), worker)
	}
	if r.GetCode() == string(berth.ReasonDeviceMemory) {
		return fmt.Sprintf("%s more memory on each device (%s) of %s", amount(r, r.GetWant()-r.GetBest()), r.GetDetail(), worker)
	}
	if r.GetCode() == string(berth.ReasonDevices) && r.GetWant()-r.GetBest() == 1 {
		return fmt.Sprintf("1 more %s free on %s", strings.Replace(resourceName(r), "devices", "device", 1), worker)
	}
	if r.GetWant() > r.GetBest() {
		return fmt.Sprintf("%s more %s free on %s", amount(r, r.GetWant()-r.GetBest()), resourceName(r), worker)
	}
	return "room on " + worker + " for its " + resourceName(r)
}
