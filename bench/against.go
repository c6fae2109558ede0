package bench

import (
	"fmt"
	"slices"

	"github.com/berthd/berth"
)

// Against is what placements are measured beside, by turns, apart from the floor:
// the same load with one thing otherwise.
type Against string

// What there is. Nothing is the default.
const (
	AgainstNothing       Against = "none"
	AgainstOneDaemon     Against = "one-daemon"     // instead of Daemons
	AgainstNoMaintenance Against = "no-maintenance" // instead of Maintain
	AgainstNoQuota       Against = "no-quota"       // instead of Quota
)

func (o *PlaceOptions) checkAgainst() error {
	bad := func(problem, bound string) error {
		return &berth.FieldError{Field: "against", Value: string(o.Against), Problem: problem, Bound: bound}
	}
	switch o.Against {
	case AgainstNothing:
	case AgainstOneDaemon:
		if o.Daemons < 2 {
			return bad("compares a daemon with itself", "2 daemons or more")
		}
	case AgainstNoMaintenance:
		if o.Maintain == MaintainNothing {
			return bad("compares what is the same", "with --maintain")
		}
	case AgainstNoQuota:
		if !o.Quota {
			return bad("compares what is the same", "with --tenant-quota")
		}
	default:
		return bad("is unknown", fmt.Sprintf("%s, %s, %s, %s", AgainstNothing, AgainstOneDaemon, AgainstNoMaintenance, AgainstNoQuota))
	}
	return nil
}

// other is the load with that one thing otherwise.
func (o PlaceOptions) other() *PlaceOptions {
	switch o.Against {
	case AgainstOneDaemon:
		o.Daemons = 1
	case AgainstNoMaintenance:
		o.Maintain = MaintainNothing
	case AgainstNoQuota:
		o.Quota = false
	}
	return &o
}

// sides of placements: as asked for, and what that is measured against.
func (p *placing) sides() []side {
	all := []side{{"scheduler", p.schedule}}
	if p.opts.Against != AgainstNothing {
		o := p.opts.other()
		o.Profile = nil // it is of what was asked for
		all = append(all, side{string(p.opts.Against), (&placing{opts: o}).schedule})
	}
	return all
}

// setAgainst tells what the other side showed, and the share of its rate that the
// scheduler had in each round.
func (r *Report) setAgainst(res *results) {
	r.Against = ptr(figuresOf(res, 1))
	var shares []float64
	for i := range res.rounds {
		if other := res.rounds[i].sides[1].PerS(); other > 0 {
			shares = append(shares, res.rounds[i].sides[0].PerS()/other)
		}
	}
	if r.OfAgainst = median(shares); r.OfAgainst != nil {
		r.OfAgainstMin, r.OfAgainstMax = ptr(slices.Min(shares)), ptr(slices.Max(shares))
	}
}
