package daemon

import "github.com/berthd/berth"

// Of accounts that may have to give back what they have borrowed, a daemon knows the allocations by
// name: where there is nothing guaranteed, nobody borrows, and nothing is kept.

// resides follows an allocation that comes to an account, or leaves it.
func (q *quotas) resides(was, is occupancy) {
	if len(q.residents) == 0 || was.terms != nil && is.terms != nil && was.id == is.id && was.account() == is.account() {
		return
	}
	if was.terms != nil {
		delete(q.residents[was.account()], was.id)
	}
	if is.terms != nil {
		if in := q.residents[is.account()]; in != nil {
			in[is.id] = struct{}{}
		}
	}
}

func (o *occupancy) account() account { return account{o.terms.tenant, o.pool} }

// follow knows the allocations of an account from now on, if it may borrow, or has.
func (l *loop) follow(of account, q *berth.Quota) {
	if len(q.Guaranteed)+len(q.Borrowed) == 0 || l.quotas.residents[of] != nil {
		return
	}
	l.quotas.residents[of] = make(map[berth.RequestID]struct{})
	if l.loaded { // otherwise when all is
		l.residesAll(func(a account) bool { return a == of })
	}
}

// residesAll finds those of some accounts: once, as countAll.
func (l *loop) residesAll(some func(account) bool) {
	for _, x := range l.view.lives {
		if is := l.view.occupancyOf(x); is.terms != nil && some(is.account()) {
			l.quotas.resides(occupancy{}, is)
		}
	}
}
