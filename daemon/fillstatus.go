package daemon

import "github.com/berthd/berth"

// fill tells of a life, of which no record is kept whole, what a user sees. Each
// acknowledgement does: no record is made for it.
func (x *life) fill(s *Status) {
	s.ID, s.State, s.Attempt = x.id, berth.StatePending, 1
	s.Spec, s.SubmittedAt = x.spec.request, x.submitted.time()
	s.Spec.ID = x.id
	if x.stateIs != 0 {
		s.Attempt, s.UsedAttempts = int64(x.stateAttempt), int64(x.stateUsed)
		if x.waits != nil {
			s.Reason, s.NotBefore = x.waits.lastEnd, x.waits.notBefore
		}
		if x.stateIs.state() == berth.StatePlaced {
			s.State, s.Worker = berth.StatePlaced, ""
			if x.stateEpoch != 0 {
				s.Worker = x.stateWorker.Value()
			}
		}
	}
	if x.runs != 0 {
		s.State, s.Worker, s.Share, s.Exit, s.Stop = x.runs.state(), x.worker.Value(), &x.terms.share, x.exit, x.stop
		s.PlacedAt, s.StartedAt = x.placed.time(), x.started.time()
	}
}

// changed is the revision of the last change of what is packed.
func (x *life) changed() berth.Revision { return max(x.requestMod, x.stateMod, x.mod) }

// fillStatus is fill from the records, where one is kept whole. False: nothing can be
// read of the request.
func (v *view) fillStatus(id berth.RequestID, s *Status) bool {
	sub, _ := v.submission(id)
	if sub == nil {
		return false
	}
	s.ID, s.State, s.Attempt = id, berth.StatePending, 1
	s.Spec, s.SubmittedAt = sub.Spec, sub.SubmittedAt
	if p, _ := v.progress(id); p != nil {
		s.Attempt, s.UsedAttempts, s.Reason, s.NotBefore = p.Attempt, p.Used, p.LastEnd, p.NotBefore
		if p.State == berth.StatePlaced {
			s.State, s.Worker = berth.StatePlaced, p.Worker
		}
	}
	if w, a, _ := v.allocationOf(id); a != nil {
		s.State, s.Worker, s.Share, s.Exit, s.Stop = a.State, w, &a.Share, a.Exit, a.Stop
		s.PlacedAt, s.StartedAt = a.PlacedAt, a.StartedAt
	}
	return true
}

// changed is the revision of the last change of a request's records.
func (v *view) changed(id berth.RequestID) (last berth.Revision) {
	last, _ = v.stored(archiveKey(id))
	x := v.lives[id]
	switch {
	case x == nil:
		return last
	case x.whole == 0:
		return max(last, x.changed())
	}
	keys := []berth.Key{requestKey(id), stateKey(id)}
	for w := range v.holders(id) {
		keys = append(keys, allocationKey(w, id))
	}
	for _, k := range keys {
		mod, _ := v.stored(k)
		last = max(last, mod)
	}
	return last
}
