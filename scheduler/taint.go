package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// setTaints parts a worker's taints by what they do.
func (n *node) setTaints() {
	n.repels, n.disliked = n.repels[:0], n.disliked[:0]
	for _, taints := range [2][]berth.Taint{n.worker.Taints, n.worker.Ordered} {
		for _, t := range taints {
			if t.Effect == berth.EffectPreferNoPlace {
				n.disliked = append(n.disliked, t)
			} else {
				n.repels = append(n.repels, t)
			}
		}
	}
}

// tolerates says whether a request with these tolerations may be placed on n.
func tolerates(tolerations []berth.Toleration, n *node) bool {
	for _, t := range n.repels {
		if !berth.Tolerated(tolerations, t) {
			return false
		}
	}
	return true
}

// Repels says whether a worker has a taint that keeps a request off, whatever comes free there.
func (f *Fleet) Repels(w berth.WorkerID, r *berth.Request) bool {
	n := f.nodes[w]
	return n != nil && !tolerates(r.Tolerations, n)
}

// taintWhy names the first in words that is not tolerated, as constraintWhy does.
func taintWhy(q *query, n *node) measure { return taintsWhy(q, n)[0] }

// taintsWhy names all that are not tolerated. Of one that is all there is against the request, and an operator's, it says so.
func taintsWhy(q *query, n *node) (all []measure) {
	repels := func(t berth.Taint) bool {
		return t.Effect != berth.EffectPreferNoPlace && !berth.Tolerated(q.request.Tolerations, t)
	}
	for _, t := range n.repels {
		if repels(t) {
			all = append(all, measure{detail: t.String()})
		}
	}
	all = inWords(all)
	if len(all) == 1 && !slices.ContainsFunc(n.worker.Taints, repels) {
		all[0].total = 1
	}
	return all
}

// tainted is what a worker's taints of the effect prefer_no_place weigh: each as
// much as the heaviest preference.
const tainted = 100

// dislike is how much speaks against a worker that fits.
func (q *query) dislike(n *node) (sum int64) {
	for _, t := range n.disliked {
		if !berth.Tolerated(q.request.Tolerations, t) {
			sum += tainted
		}
	}
	return sum + q.dislikeTerms(n)
}
