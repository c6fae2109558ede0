package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// A taint is written as a toleration of it is: that with a value is tolerated with that, one without by its key.

// tolerationNeeded is what a request lacks that a taint keeps off, as --toleration takes it.
func tolerationNeeded(r *berthv1.Reason) string {
	return "a toleration (--toleration " + r.GetDetail() + ")"
}

// untaintWord is a taint as berth untaint takes it: KEY:EFFECT.
func untaintWord(r *berthv1.Reason) string {
	t, err := berth.ParseTaint(r.GetDetail())
	if err != nil {
		return r.GetDetail()
	}
	t.Value = ""
	return t.String()
}

// untaintHelp is the words by which an operator takes a taint back; "": that is not told, for some of the workers have it of their own,
// or there are more than are named.
func untaintHelp(r *berthv1.Reason) string {
	if r.GetTotal() < r.GetWorkers() || int64(len(r.GetSome())) < r.GetWorkers() {
		return ""
	}
	words := make([]string, len(r.GetSome()))
	for i, w := range r.GetSome() {
		words[i] = "berth untaint " + w + " " + untaintWord(r)
	}
	return strings.Join(words, " and ")
}

// onlyTainted says whether a worker could not take a request, were it empty, for nothing but its own taints, of which no
// operator's word rids it.
func onlyTainted(m *berthv1.Miss) bool {
	return !m.GetCould() && slices.ContainsFunc(m.GetReasons(), isTaint) && !slices.ContainsFunc(m.GetReasons(), func(r *berthv1.Reason) bool {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonImage, berth.ReasonConstraint, berth.ReasonElsewhere, berth.ReasonDeviceMemory:
			return true
		}
		return r.GetWant() > r.GetTotal()
	})
}

func isTaint(r *berthv1.Reason) bool { return r.GetCode() == string(berth.ReasonTaint) }

// taintedHelp is what would let a worker take a request which its own taints keep off: which of them are its own is not
// told, and to tolerate all does.
func taintedHelp(m *berthv1.Miss) string {
	var taints, rest []*berthv1.Reason
	for _, r := range m.GetReasons() {
		if isTaint(r) {
			taints = append(taints, r)
		} else {
			rest = append(rest, r)
		}
	}
	needs := make([]string, 0, len(taints))
	for _, r := range taints {
		needs = append(needs, tolerationNeeded(r))
	}
	help := fmt.Sprintf("%s, or a worker without (%s has it of berth worker --taint)", strings.Join(needs, ", and "), m.GetWorker())
	return help + beside(rest, m.GetWorker())
}
