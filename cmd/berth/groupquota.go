package main

import (
	"slices"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// Members of a group may each get devices of another type: of each it is told what they lack beside what there is of the others.

// keptByQuota is what of its quota keeps a group from workers that could take it; of another verdict, nothing.
func keptByQuota(v *berthv1.Verdict) (out []*berthv1.Reason) {
	if len(v.GetReasons()) == 0 || v.GetReasons()[0].GetCode() != string(berth.ReasonGroup) {
		return nil
	}
	for _, r := range v.GetReasons() {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonNoWorker:
			return nil
		case berth.ReasonQuota:
			if v.GetNeverFits() && r.GetWant() <= r.GetTotal() {
				return nil // it would do one day, and then no worker could take it
			}
			out = append(out, r)
		}
	}
	return out
}

// quotaWaitsFor is why a group waits that its quota keeps from workers.
func quotaWaitsFor(spec *berthv1.Request, v *berthv1.Verdict, short []*berthv1.Reason) string {
	who := "the quota of tenant " + spec.GetTenant() + " in pool " + spec.GetPool() + ": "
	if v.GetNeverFits() {
		who, v = "waits, and could never be placed, for it asks for more than "+who, ever(v)
	} else {
		who = "waits for " + who
	}
	return who + groupReason(v.GetReasons()[0]) + "; " + mixText(short)
}

// mixText is what is lacking, or one of what else would do.
func mixText(short []*berthv1.Reason) string {
	text := quotaReason(short[0])
	for _, r := range short[1:] {
		if besideOthers(r) && !eitherWay(short[0], r) {
			text += ", and " + quotaReason(r)
		}
	}
	return text
}

// besideOthers says whether a reason is of what members lack of one type beside what there is of others.
func besideOthers(r *berthv1.Reason) bool { return r.GetEver() > 0 }

// eitherWay says of two such whether one of them would do alone.
func eitherWay(a, b *berthv1.Reason) bool {
	return besideOthers(a) && a.GetCode() == b.GetCode() && a.GetEver() == b.GetEver()
}

// onlyQuota is a verdict without what else it says.
func onlyQuota(v *berthv1.Verdict) *berthv1.Verdict {
	return &berthv1.Verdict{NeverFits: v.GetNeverFits(), Reasons: slices.DeleteFunc(slices.Clone(v.GetReasons()), func(r *berthv1.Reason) bool {
		return r.GetCode() != string(berth.ReasonQuota)
	})}
}
