package main

import (
	"fmt"
	"time"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// gatheredText says for what quota is gathered that a request waits for.
func gatheredText(spec *berthv1.Request, r *berthv1.Reason, now time.Time) string {
	g, d := r.GetStands().GetGathers(), berth.Dimension(r.GetDetail())
	if g == nil {
		return ""
	}
	has := fmt.Sprintf("%s of %s so far", dimensionAmount(d, g.GetHas()[string(d)]), dimensionAmount(d, g.GetNeed()[string(d)]))
	if isGathered(spec, g) {
		return fmt.Sprintf("; what comes free is gathered for it since %s: %s", when(g.GetSince(), now), has)
	}
	return fmt.Sprintf("; what comes free is gathered for %s since %s: %s", gatheredFor(g), when(g.GetSince(), now), has)
}

// isGathered says whether it is this request, or its group, that quota is gathered for.
func isGathered(spec *berthv1.Request, g *berthv1.Gathered) bool {
	if g.GetGroup() != "" {
		return spec.GetGroup().GetId() == g.GetGroup()
	}
	return spec.GetId() == g.GetRequest()
}

// gatheredFor names what quota is gathered for.
func gatheredFor(g *berthv1.Gathered) string {
	if g.GetGroup() != "" {
		return "group " + g.GetGroup()
	}
	return "request " + g.GetRequest()
}

// gatheredCell tells of a dimension for what it is gathered, and how much is there.
func gatheredCell(g *berthv1.Gathered, d berth.Dimension) string {
	need, ok := g.GetNeed()[string(d)]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%s of %s for %s", dimensionAmount(d, g.GetHas()[string(d)]), dimensionAmount(d, need), gatheredFor(g))
}
