package invariant

import "slices"

// checkClaims is of invariant 2 what concerns the claims of a ledger: each holds no
// more than it wants, and waits for allocations that are there and are to end.
func (s *State) checkClaims(w string, f *finder) {
	e, l, _ := at[ledger](s, kindLedger+"/"+w)
	if l == nil {
		return
	}
	waitedFor := map[string]string{}
	for _, c := range l.Claims {
		held, wants := tallyOf(c.Share), tallyOf(c.Wants)
		for _, d := range held.excess(wants) {
			f.add("2.11", e.Key, "the claim of %s holds %s of %s, and wants %s", c.Request, held[d], d, wants[d])
		}
		if len(c.Victims) == 0 {
			for _, d := range wants.excess(held) {
				f.add("2.11", e.Key, "the claim of %s waits for nobody, and holds %s of %s, of %s", c.Request, held[d], d, wants[d])
			}
		}
		for _, v := range c.Victims {
			if by, twice := waitedFor[v]; twice {
				f.add("2.12", e.Key, "the claims of %s and %s both wait for %s", by, c.Request, v)
			}
			waitedFor[v] = c.Request
			s.checkVictim(e.Key, c.Request, kindAllocation+"/"+w+"/"+v, f)
		}
	}
}

func (s *State) checkVictim(key, claimant, victim string, f *finder) {
	e, a, unreadable := at[allocation](s, victim)
	switch {
	case unreadable:
	case e == nil:
		f.add("2.12", key, "the claim of %s waits for %s, which is not there", claimant, victim)
	case a.Stop == nil && a.State != "EXITED":
		f.add("2.12", victim, "the claim of %s waits for it, and nobody has told it to stop", claimant)
	}
}

// checkClaimant is clause 2.13: what a request believes to be set aside for it is.
func (s *State) checkClaimant(id string, f *finder) {
	e, p, _ := at[progress](s, kindState+"/"+id)
	if p == nil || p.ClaimOn == "" {
		return
	}
	_, l, unreadable := at[ledger](s, kindLedger+"/"+p.ClaimOn)
	if unreadable {
		return
	}
	there := l != nil && slices.ContainsFunc(l.Claims, func(c claim) bool { return c.Request == id && c.Attempt == p.Attempt })
	if !there {
		f.add("2.13", e.Key, "names a claim of attempt %d on %s, where there is none", p.Attempt, p.ClaimOn)
	}
}

// claimants are the requests that an entry's claims are of.
func (s *State) claimants(e *entry) (list []subject) {
	l, ok := e.record.(*ledger)
	if !ok {
		return nil
	}
	for _, c := range l.Claims {
		list = append(list, subject{aboutRequest, c.Request})
	}
	return list
}

// countedFor are the tenants in whose quotas an entry's claims are counted.
func (s *State) countedFor(e *entry) (list []subject) {
	l, ok := e.record.(*ledger)
	if !ok {
		return nil
	}
	for _, c := range l.Claims {
		if c.Counted != nil {
			list = append(list, subject{aboutTenant, c.Counted.Tenant})
		}
	}
	return list
}

// stepPreempted is clauses 2.14 and 2.15: room is made for what matters more, by a group only whole.
func (s *State) stepPreempted(changes []change, f *finder) {
	for _, c := range changes {
		if c.after == nil || c.after.kind != kindAllocation || preempted(c.before) || !preempted(c.after) {
			continue
		}
		_, victim, _ := at[submission](s, kindRequest+"/"+c.after.id)
		_, l, unreadable := at[ledger](s, kindLedger+"/"+c.after.owner)
		if victim == nil || unreadable {
			continue
		}
		s.checkPriority(c.after, victim, l, f)
		if a, ok := c.after.record.(*allocation); ok && s.inPlace(a) {
			f.add("2.15", c.after.Key, "is to make room, and its group %s stays where it is", a.Group)
		}
	}
}

func (s *State) checkPriority(e *entry, victim *submission, l *ledger, f *finder) {
	if l != nil {
		for _, c := range l.Claims {
			if !slices.Contains(c.Victims, e.id) {
				continue
			}
			_, by, _ := at[submission](s, kindRequest+"/"+c.Request)
			if by != nil && by.Spec.Priority <= victim.Spec.Priority {
				f.add("2.14", e.Key, "of priority %d is to make room for %s of %d", victim.Spec.Priority, c.Request, by.Spec.Priority)
			}
			return
		}
	}
	s.checkPriorityOfGroup(e, victim, f)
}

// checkPriorityOfGroup is clause 2.14 of who makes room for a group: by the revision that keeps it.
func (s *State) checkPriorityOfGroup(e *entry, victim *submission, f *finder) {
	kept, k, unreadable := at[keep](s, kindKeep+"/"+victim.Spec.Pool)
	switch {
	case unreadable:
	case k == nil || kept.Mod != s.revision || k.MadeRoom.IsZero() || !slices.ContainsFunc(k.Workers, func(w keptWorker) bool { return w.Worker == e.owner }):
		f.add("2.14", e.Key, "is to make room, and no claim on its worker waits for it, nor is that kept for a group")
	default:
		for _, m := range s.membersOf[k.Group] {
			if by, ok := m.record.(*submission); ok && by.Spec.Priority <= victim.Spec.Priority {
				f.add("2.14", e.Key, "of priority %d is to make room for group %s of %d", victim.Spec.Priority, k.Group, by.Spec.Priority)
				return
			}
		}
	}
}

// inPlace says whether an allocation is of a group's present attempt.
func (s *State) inPlace(a *allocation) bool {
	if a.Group == "" {
		return false
	}
	_, g, _ := at[group](s, kindGroup+"/"+a.Group)
	return g != nil && g.State == "PLACED" && g.Attempt == a.GroupAttempt
}

func preempted(e *entry) bool {
	if e == nil {
		return false
	}
	a, ok := e.record.(*allocation)
	return ok && a.Stop != nil && a.Stop.Reason == "preempt"
}
