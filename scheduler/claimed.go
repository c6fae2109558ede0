package scheduler

import "github.com/berthd/berth"

// Who has a claim on a worker will be there when its victims have ended. So that two that are to be apart from each other have no room
// made beside each other, a decision about who makes room takes it as there already: for anti_affinity, and in the domain where it is for a
// spread. Nobody is near to it yet, nor does it fill the emptiest domain of a spread: it may give up. Decisions about places do not look at it.

// Claim notes that a request with these labels has a claim on a worker, 1, or has none there any more, -1.
func (f *Fleet) Claim(w berth.WorkerID, labels map[string]string, by int64) {
	if len(labels) == 0 {
		return
	}
	h := f.holdingOf(w)
	for label, value := range labels {
		l := berth.RequestLabel{Label: label, Value: value}
		if h.claimed[l] += by; h.claimed[l] == 0 {
			delete(h.claimed, l)
		}
		f.relateClaim(h, l, by)
	}
	f.dropEmpty(h)
}

func (f *Fleet) relateClaim(h *holding, l berth.RequestLabel, by int64) {
	f.eachRelation(h, l, func(r *relation, domain string) { r.claim(domain, by) })
}

func (r *relation) claim(domain string, by int64) {
	if r.claimed == nil {
		r.claimed = make(map[string]int64)
	}
	if r.claimed[domain] += by; r.claimed[domain] == 0 {
		delete(r.claimed, domain)
	}
}

// makesRoom has decisions look at who has claims, until done.
func (f *Fleet) makesRoom() (done func()) {
	was := f.making
	f.making = true
	return func() { f.making = was }
}
