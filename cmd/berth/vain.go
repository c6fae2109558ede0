package main

import (
	"fmt"
	"slices"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// vainText says why nobody makes room for a request for which others may have to; "": that is not told.
func vainText(v *berthv1.Verdict) string {
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonPreemption) {
			return "nobody makes room for it: " + vainWhy(berth.Vain(r.GetDetail()), r, tellsGroup(v)) + after("; ", vainMost(v, r)) + after(": ", vainKeeps(v, r))
		}
	}
	return ""
}

// vainKeeps says for which group that is kept which keeps room from being made for a request.
func vainKeeps(v *berthv1.Verdict, vain *berthv1.Reason) string {
	if vain.GetDetail() != string(berth.VainKeptOff) {
		return ""
	}
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonKept) {
			return fmt.Sprintf("%s (%s) for group %s", plural(r.GetWorkers(), "worker"), someText(r), r.GetDetail())
		}
	}
	return ""
}

// vainMost says for how many members of a group others could make room.
func vainMost(v *berthv1.Verdict, r *berthv1.Reason) string {
	fit := int64(0)
	for _, g := range v.GetReasons() {
		if g.GetCode() == string(berth.ReasonGroup) {
			fit = g.GetBest()
		}
	}
	switch {
	case r.GetWant() == 0 || r.GetBest() <= fit && r.GetDetail() == string(berth.VainRoom):
		return ""
	case r.GetBest() <= fit && fit == 0:
		return "the end of others would make room for none of its members"
	case r.GetBest() <= fit:
		return "the end of others would make room for no more of its members than fit now"
	}
	return fmt.Sprintf("with the end of others %d of its members would fit, of at least %d", r.GetBest(), r.GetWant())
}

// tellsGroup says whether a verdict is of a group: others make room for that on several workers.
func tellsGroup(v *berthv1.Verdict) bool {
	return slices.ContainsFunc(v.GetReasons(), func(r *berthv1.Reason) bool { return r.GetCode() == string(berth.ReasonGroup) })
}

func vainWhy(why berth.Vain, r *berthv1.Reason, group bool) string {
	switch why {
	case berth.VainPriority:
		return "those whose end would do have its priority, or a higher one"
	case berth.VainLate:
		return "those whose end would do may take longer to stop than it still waits (its pending limit)"
	case berth.VainFirst:
		return "it had to make room itself, and must run again before others do so for it"
	case berth.VainBrake:
		return "many workers of its pool are lost, and what may still run is left alone (berth brake)"
	case berth.VainKept:
		return "room is kept, or made, in its pool for another group, which matters as much: one group at a time has others make room"
	case berth.VainKeptOff:
		return "it is kept off by what is kept for a group that waits"
	case berth.VainClaimed:
		return "on " + someText(r) + " others do so already for a request of lower priority, which is placed first, and may have to make room then"
	case berth.VainRoom:
		if !group {
			return "no end of others on one worker would do"
		}
		return "no end of others would do"
	}
	return string(why)
}
