package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
)

// ownTurnText says who of its own tenant goes first: by priority, and of those that have the same, by age.
func ownTurnText(e *berthv1.ExplainResponse) string {
	t := e.GetTurn()
	text, older := "", olderText(t)
	switch t.GetOwn() {
	case 0:
		return older
	case 1:
		text = fmt.Sprintf("%s of its own tenant goes first: it has priority %d", t.GetOwnFirst(), t.GetOwnPriority())
	default:
		text = fmt.Sprintf("%s of its own tenant go first, by their priority: next %s, with %d", plural(t.GetOwn(), "request"), t.GetOwnFirst(), t.GetOwnPriority())
	}
	return text + after("; then ", older)
}

// olderText says who of its own tenant is older; after those of higher priority, in brief.
func olderText(t *berthv1.Turn) string {
	n, behind := t.GetOlder(), t.GetOwn() > 0
	switch {
	case n == 0:
		return ""
	case n == 1 && behind:
		return t.GetOlderFirst() + ", which is older"
	case n == 1:
		return t.GetOlderFirst() + " of its own tenant goes first: it is older"
	}
	many := ""
	if n >= daemon.OlderCounted {
		many = "at least "
	}
	if behind {
		return fmt.Sprintf("%s%d older ones: next %s", many, n, t.GetOlderFirst())
	}
	return fmt.Sprintf("%s%d older requests of its own tenant go first: next %s", many, n, t.GetOlderFirst())
}

// groupTurn is who goes before a group that waits, as its first member is told; nil: that is not known.
func groupTurn(ctx context.Context, cl *client.Client, g *berthv1.Group) *berthv1.Turn {
	if g.GetState() != string(berth.GroupPending) || len(g.GetMembers()) == 0 {
		return nil
	}
	e, err := cl.Explain(ctx, g.GetMembers()[0])
	if err != nil {
		return nil // why it waits is told all the same
	}
	return e.GetTurn()
}

// beyondText says that what would help is not enough by itself, for others go first who may take it.
func beyondText(e *berthv1.ExplainResponse) string {
	t, v := e.GetTurn(), e.GetVerdict()
	own := t.GetOwn() + t.GetOlder()
	if own+t.GetAhead() == 0 || v.GetNeverFits() && !isQuota(v) || len(e.GetVictims()) > 0 {
		return ""
	}
	quota := isQuota(v) || len(keptByQuota(v)) > 0 // which no other tenant takes of
	room := groupBeyondQuota(v)
	group := room != nil && !room.GetNeverFits()
	miss := e.GetNearest()
	if quota && own > 0 || group || miss.GetCould() && slices.ContainsFunc(miss.GetReasons(), goesToOthers) {
		return ", beyond what those ahead of it take"
	}
	return ""
}

// goesToOthers says whether a reason against a worker is of an amount, of which others take, or of other requests, which they may be
// for it as well, or that it is closed to all: when it is open, they go there first.
func goesToOthers(r *berthv1.Reason) bool {
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk, berth.ReasonCustom, berth.ReasonPorts, berth.ReasonDevices, berth.ReasonDeviceMilli, berth.ReasonAntiAffinity, berth.ReasonSpread:
		return true
	}
	return closedText(r) != ""
}
