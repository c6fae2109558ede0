package berth

import (
	"maps"
	"slices"
)

// PlannedRelation is how many requests with a label were in each domain of a topology of a
// pool when decisions looked at that.
type PlannedRelation struct {
	Pool     PoolID          `json:"pool"`
	Topology string          `json:"topology"`
	Requests RequestLabel    `json:"requests"`
	Told     []PlannedCounts `json:"told"` // by From
}

// PlannedCounts is what a decision saw: of the first one all, and of the next ones what
// was another than the one before had seen.
type PlannedCounts struct {
	From   int64            `json:"from,omitempty"`   // the step that was decided next
	Counts map[string]int64 `json:"counts,omitempty"` // by domain; 0: none there any more
}

// At is what the decision saw by which a step was made; false: it did not look.
func (r *PlannedRelation) At(step int64) (map[string]int64, bool) {
	if len(r.Told) == 0 || r.Told[0].From > step {
		return nil, false
	}
	counts := make(map[string]int64)
	for _, t := range r.Told {
		if t.From <= step {
			maps.Copy(counts, t.Counts)
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int64) bool { return n == 0 })
	return counts, true
}

// TellsOf says whether all is told of where others ran that a request looks at, for the
// decision by which a step was made.
func (b *PlanBasis) TellsOf(r *Request, step int64) bool {
	for label, topology := range r.Relations() {
		told := slices.ContainsFunc(b.Relations, func(p PlannedRelation) bool {
			return p.Pool == r.Pool && p.Topology == topology && p.Requests == label && len(p.Told) > 0 && p.Told[0].From <= step
		})
		if !told {
			return false
		}
	}
	return true
}

// PlannedBeside is how many requests with a label somebody met on a worker who requires
// something of them, in its domain of a topology and beyond.
type PlannedBeside struct {
	Topology string       `json:"topology"`
	Requests RequestLabel `json:"requests"`
	Here     int64        `json:"here,omitempty"`
	All      int64        `json:"all,omitempty"`    // in all domains
	Fewest   int64        `json:"fewest,omitempty"` // of a spread: in one of those that it is over
}
