package main

import (
	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// vainText says why nobody makes room for a request for which others may have to; "": that is not told.
func vainText(v *berthv1.Verdict) string {
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonPreemption) {
			return "nobody makes room for it: " + vainWhy(berth.Vain(r.GetDetail()))
		}
	}
	return ""
}

func vainWhy(why berth.Vain) string {
	switch why {
	case berth.VainPriority:
		return "those whose end would do have its priority, or a higher one"
	case berth.VainLate:
		return "those whose end would do may take longer to stop than it still waits (its pending limit)"
	case berth.VainFirst:
		return "it had to make room itself, and must run again before others do so for it"
	case berth.VainBrake:
		return "many workers of its pool are lost, and what may still run is left alone (berth brake)"
	case berth.VainRoom:
		return "no end of others would do"
	}
	return string(why)
}
