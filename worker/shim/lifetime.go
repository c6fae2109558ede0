package shim

import "time"

// Lifetime says when a container is asked to end, and when it is killed. It is
// pure, by one clock: the shim goes by it, and the simulation's machines do too
// (package robustness), so that the two cannot differ.
//
// Two things bound it, and the nearer kill counts: the lease's deadline, which
// moves on with each renewal, and a stop order's kill, which no renewal moves.
type Lifetime struct {
	keep     time.Duration
	deadline Deadline      // with keep
	ordered  time.Duration // the kill of a stop order; 0: none

	stop, asked  bool // it is to be asked to end; Act has said so
	overdue      bool // it was the deadline that said so
	over, killed bool // it is to be killed; Act has said so
}

// NewLifetime is under the deadline of the lease that fenced the start.
func NewLifetime(d Deadline, keep time.Duration) Lifetime {
	l := Lifetime{keep: keep}
	l.Renew(d)
	return l
}

// Renew moves the deadline on, never back. A container that its deadline has
// asked to end is not called back: its kill stands. One that was ordered to stop
// is renewed as any other, or its stop_timeout would be cut to what was left of
// the lease then.
func (l *Lifetime) Renew(d Deadline) {
	if l.overdue || l.over || d.Kill == 0 {
		return
	}
	if kill := d.Kill + l.keep; kill > l.deadline.Kill {
		l.deadline = Deadline{Stop: d.Stop + l.keep, Kill: kill}
	}
}

// Stop has it asked to end now, and killed after grace; the nearest of several
// such kills counts.
func (l *Lifetime) Stop(now, grace time.Duration) {
	l.look(now)
	at := max(now+max(grace, 0), 1)
	if l.ordered == 0 || at < l.ordered {
		l.ordered = at
	}
	l.stop = true
}

// Kill has it killed now, unasked.
func (l *Lifetime) Kill(now time.Duration) {
	l.look(now)
	l.over, l.stop, l.asked = true, true, true
}

// Act says what is due by now, each once: SIGTERM, and the end of the tree.
func (l *Lifetime) Act(now time.Duration) (ask, kill bool) {
	l.look(now)
	ask, kill = l.stop && !l.asked, l.over && !l.killed
	l.asked, l.killed = l.asked || ask, l.killed || kill
	return ask, kill
}

func (l *Lifetime) look(now time.Duration) {
	if !l.stop && l.deadline.Stop > 0 && now >= l.deadline.Stop {
		l.stop, l.overdue = true, true
	}
	if l.ordered > 0 && now >= l.ordered || l.deadline.Kill > 0 && now >= l.deadline.Kill {
		l.over = true
	}
}

// Due is the next moment at which Act has something to say; 0: none.
func (l *Lifetime) Due() time.Duration {
	if l.killed {
		return 0
	}
	next := l.ordered
	moments := []time.Duration{l.deadline.Kill, l.deadline.Stop}
	if l.stop {
		moments = moments[:1]
	}
	for _, at := range moments {
		if at > 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// Overdue says whether it was the deadline that has asked it to end.
func (l *Lifetime) Overdue() bool { return l.overdue }

// Deadline is by when it ends unless it is renewed, its keep included.
func (l *Lifetime) Deadline() Deadline { return l.deadline }
