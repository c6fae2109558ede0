package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// groupReasons is what counts most of why a group waits; where its members must be together,
// also what is short there.
func groupReasons(v *berthv1.Verdict) string {
	reasons := v.GetReasons()
	if len(reasons) > 1 && reasons[1].GetCode() == string(berth.ReasonLink) {
		return reasonText(reasons[0]) + ": " + reasonText(reasons[1])
	}
	text := reasonText(reasons[0])
	switch short := shortThere(v); {
	case v.GetNeverFits():
	case short != nil:
		text += "; there, " + reasonText(short)
	default:
		text += after("; for one more, ", nextLacks(v))
	}
	return text
}

// shortThere is what keeps one more member off most workers of the domain in which a group comes nearest to
// having its place; nil: it needs none, or that is not told.
func shortThere(v *berthv1.Verdict) *berthv1.Reason {
	if v.GetReasons()[0].GetNear() == "" {
		return nil
	}
	for _, r := range v.GetReasons()[1:] {
		if ofFilter(r) && r.GetWant() > 0 {
			return r
		}
	}
	return nil
}

// groupWaits says how few of a group's members fit, and whether that could ever be otherwise.
func groupWaits(spec *berthv1.Request, v *berthv1.Verdict) string {
	if none := noWorkerAtAll(v); none != nil {
		return "waits: " + reasonText(none)
	}
	if short := keptByQuota(v); len(short) > 0 {
		return quotaWaitsFor(spec, v, short)
	}
	if !v.GetNeverFits() {
		return "waits: " + groupReasons(v)
	}
	text := "waits, and the registered workers could never take it, were they empty: " + groupReasons(ever(v))
	for _, r := range v.GetReasons()[1:] {
		if r.GetCode() == string(berth.ReasonLink) {
			break // it says it all
		}
		if r.GetWant() > r.GetTotal() { // no member fits there
			return text + "; " + reasonText(r)
		}
		if lacksTopology(v, r) {
			return fmt.Sprintf("%s; %s of its pool without the label %s", text, plural(r.GetWorkers(), "worker"), r.GetDetail())
		}
	}
	return text
}

// ever is a verdict that no waiting resolves, with how many members of the group would fit, were
// all workers empty: what is free now would be told in vain.
func ever(v *berthv1.Verdict) *berthv1.Verdict {
	if len(v.GetReasons()) == 0 || v.GetReasons()[0].GetCode() != string(berth.ReasonGroup) {
		return v
	}
	first := v.GetReasons()[0]
	return &berthv1.Verdict{NeverFits: true, Reasons: append([]*berthv1.Reason{{
		Code: first.GetCode(), Detail: first.GetDetail(), Want: first.GetWant(), Best: first.GetEver(), Total: first.GetTotal(),
		Near: first.GetNear(), There: first.GetEver(),
	}}, v.GetReasons()[1:]...)}
}

// lacksTopology says whether a reason is that workers lack the label of which all of a group's
// are to have one value.
func lacksTopology(v *berthv1.Verdict, r *berthv1.Reason) bool {
	return r.GetCode() == string(berth.ReasonTopology) && r.GetDetail() == v.GetReasons()[0].GetDetail()
}

// groupHelp is what would let a group be placed.
func groupHelp(spec *berthv1.Request, v *berthv1.Verdict) string {
	if len(keptByQuota(v)) > 0 {
		return quotaHelp(&berthv1.ExplainResponse{Status: &berthv1.Status{Spec: spec}, Verdict: onlyQuota(v)})
	}
	if !v.GetNeverFits() {
		return groupRoom(v)
	}
	for _, r := range v.GetReasons()[1:] {
		switch {
		case r.GetCode() == string(berth.ReasonNoWorker):
			return "workers of pool " + r.GetDetail() + ", or another pool"
		case lacksTopology(v, r):
			return labelNeeded(r.GetDetail(), "enough workers")
		case r.GetCode() == string(berth.ReasonConstraint) && len(v.GetReasons()) == 2:
			return fmt.Sprintf("workers on which %s holds (berth worker --labels), or another constraint", r.GetDetail())
		case isTaint(r) && len(v.GetReasons()) == 2:
			return tolerationNeeded(r) + ", or workers without that taint"
		case lacksDomains(r):
			return domainsHelp(r)
		}
	}
	return fmt.Sprintf("more or larger workers, that %d of its members fit at once (berth plan --add tells), or to ask for less", v.GetReasons()[0].GetWant())
}

// groupBeyondQuota is what a group lacks beside what its verdict says of its quota, or nil.
func groupBeyondQuota(v *berthv1.Verdict) *berthv1.Verdict {
	i := slices.IndexFunc(v.GetReasons(), func(r *berthv1.Reason) bool { return r.GetCode() == string(berth.ReasonGroup) })
	if i < 0 {
		return nil
	}
	first := v.GetReasons()[i]
	return &berthv1.Verdict{NeverFits: v.GetNeverFits() && first.GetEver() < first.GetWant(), Reasons: v.GetReasons()[i:]}
}

// workersToo says of a group that asks for more than its tenant's whole quota that the workers could never take it, either.
func workersToo(v *berthv1.Verdict) string {
	room := groupBeyondQuota(v)
	if !isQuota(v) || !room.GetNeverFits() {
		return ""
	}
	return "nor could the registered workers ever take it, were they empty: " + groupReasons(ever(room))
}

// groupRoom is what would let a group be placed that its workers could take.
func groupRoom(v *berthv1.Verdict) string {
	first := v.GetReasons()[0]
	help := roomFor(v, max(first.GetWant()-fitting(first), 1), groupSite(first)) + spreadFirst(v)
	for _, r := range v.GetReasons()[1:] {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonNoWorker:
			return "workers of pool " + r.GetDetail() + ", or another pool"
		case berth.ReasonCordoned, berth.ReasonDraining, berth.ReasonRemoving:
			help += ", or berth uncordon " + strings.Join(r.GetSome(), " ")
		case berth.ReasonTaint:
			help += ", or " + tolerationNeeded(r) + after(", or ", untaintHelp(r))
		}
	}
	return help
}

// linkReason says what the best link domain lacks.
func linkReason(r *berthv1.Reason) string {
	devices := fmt.Sprintf("%d free devices", r.GetWant())
	if r.GetDetail() != "any" {
		devices += " (" + r.GetDetail() + ")"
	}
	if r.GetTotal() == 0 {
		return fmt.Sprintf("no link domain has %s, for there is none with such devices", devices)
	}
	return fmt.Sprintf("no link domain has %s, the best has %d; the largest has %d in all", devices, r.GetBest(), r.GetTotal())
}

// groupReason says how many of a group's members fit, and where most of those that have to be together.
func groupReason(r *berthv1.Reason) string {
	return fmt.Sprintf("%d of its %d members fit%s, of at least %d", fitting(r), r.GetTotal(), groupSite(r), r.GetWant())
}

// fitting is how many of a group's members fit where it comes nearest to having its place.
func fitting(r *berthv1.Reason) int64 {
	if r.GetNear() != "" {
		return r.GetThere()
	}
	return r.GetBest()
}

// groupSite says where a group comes nearest to having its place, if its members have to be together.
func groupSite(r *berthv1.Reason) string {
	switch {
	case r.GetNear() != "":
		return " in " + r.GetNear() + ", the nearest"
	case r.GetDetail() != "":
		return " in one " + r.GetDetail()
	}
	return ""
}

// explainGroup tells why a group waits; of one that is placed, why its first member is where it is, and who
// made room.
func explainGroup(c *cli.Context, cl *client.Client, id string, asJSON bool) error {
	g, ended, err := groupOrEnded(c.Context, cl, id)
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(c.App.Writer, g)
	case ended != nil:
		return printEndedGroup(c.App.Writer, g, ended)
	}
	if err := printGroup(c.App.Writer, g, groupBefore(c.Context, cl, g), groupTurn(c.Context, cl, g)); err != nil {
		return err
	}
	placed := g.GetState() == string(berth.GroupPlaced)
	for _, member := range g.GetMembers() {
		e, err := cl.Explain(c.Context, member)
		if ce, ok := errors.AsType[*client.CallError](err); ok && ce.Code == client.CodeNotFound {
			continue // it has ended meanwhile
		}
		if err != nil {
			return err
		}
		switch {
		case !placed:
			if text := victimsText(e, time.Now()); text != "" {
				_, err = fmt.Fprintln(c.App.Writer, text)
			}
			return err
		case e.GetStatus().GetWorker() != "":
			return printExplanation(c.App.Writer, e, nil)
		}
	}
	return nil
}

// groupMadeRoomText says who made room for a group that is placed.
func groupMadeRoomText(m *berthv1.MadeRoom) string {
	by := strings.Join(m.GetBy(), ", ")
	if by == "" {
		by = "others"
	}
	return fmt.Sprintf("%s made room for its group, told by revision %d", by, m.GetRevision())
}
