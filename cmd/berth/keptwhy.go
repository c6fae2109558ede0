package main

import (
	"fmt"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// keptIn is what a verdict says of all workers that are kept for the group that one of them is kept for.
func keptIn(v *berthv1.Verdict, one *berthv1.Reason) *berthv1.Reason {
	for _, r := range v.GetReasons() {
		if r.GetCode() == one.GetCode() && r.GetDetail() == one.GetDetail() {
			return r
		}
	}
	return one
}

// keptText says that there is room, and for whom it is kept.
func keptText(r *berthv1.Reason) string {
	have := "has"
	if r.GetWorkers() != 1 {
		have = "have"
	}
	return fmt.Sprintf("%s (%s) %s room, but it is kept for group %s, which waits, too, until that is placed or gone", plural(r.GetWorkers(), "worker"), someText(r), have, r.GetDetail())
}

// keptFromGroup says so to a group that waits, of what is kept for another.
func keptFromGroup(v *berthv1.Verdict, group string) string {
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonKept) && r.GetDetail() != group && !v.GetNeverFits() {
			return keptText(r)
		}
	}
	return ""
}
