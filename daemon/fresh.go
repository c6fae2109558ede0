package daemon

// A request that was left to another daemon is placed by that one within a moment of its
// being told, nearly always. So nobody else looks at it at once: it is fresh, and is
// unpacked and queued when its planner has committed nothing for half of its time (see
// lookPeer), or when somebody asks about requests that wait.

// keepFresh says whether a request that was just told of is such a one.
func (l *loop) keepFresh(x *life) bool {
	if x == nil || !l.loaded || !x.unplaced() {
		return false
	}
	r := &x.spec.request
	p := l.peers.byID[x.planner.Value()]
	switch {
	case p == nil, p.silent, !l.share.plans(r.Pool, p.id):
		return false
	case r.PendingLimitMS > 0, r.Replaces != "", r.Group != nil, l.cancels[x.id] != nil, l.successors[x.id] != "":
		return false
	}
	l.owing(p, func() { p.fresh = append(p.fresh, x) })
	return true
}

// unplaced says whether the request is there, as one that was never placed is.
func (x *life) unplaced() bool { return x.spec != nil && x.stateIs == 0 && x.runs == 0 && x.whole == 0 }

// anyFresh says whether one of a peer's still waits.
func (p *peer) anyFresh() bool {
	for len(p.fresh) > 0 && !p.fresh[0].unplaced() {
		p.fresh[0] = nil
		p.fresh = p.fresh[1:]
	}
	return len(p.fresh) > 0
}

// queueFresh queues those of a peer that still wait.
func (l *loop) queueFresh(p *peer) {
	for _, x := range p.fresh {
		if x.unplaced() {
			sub := x.submission()
			l.peers.holder[requestKey(x.id)] = p
			p.queue.put(waitingOf(x.id, sub, x.requestCreate, nil))
		}
	}
	p.fresh = nil
}

func (l *loop) queueAllFresh() {
	for _, p := range l.peers.sorted {
		l.queueFresh(p)
	}
}
