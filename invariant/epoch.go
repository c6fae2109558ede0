package invariant

// checkEpoch is of invariant 5 what one revision shows: an allocation was
// created while its worker was alive, in that epoch. Step sees the rest.
func (s *State) checkEpoch(w string, f *finder) {
	e, l, _ := at[ledger](s, kindLedger+"/"+w)
	if l != nil && l.Epoch >= e.Mod {
		f.add("5.4", e.Key, "is open for epoch %d, which began after it was written at %d", l.Epoch, e.Mod)
	}
	presence := s.entries[kindWorker+"/"+w]
	if presence != nil && presence.Create != presence.Mod {
		f.add("5.5", presence.Key, "was put at %d and again at %d: a registration is put once", presence.Create, presence.Mod)
	}
	for k, e := range s.allocationsOn[w] {
		a, ok := e.record.(*allocation)
		switch {
		case !ok:
		case e.Create <= a.Epoch:
			f.add("5.1", k, "was created at %d, before its epoch %d", e.Create, a.Epoch)
		case presence != nil && e.Create > presence.Create && a.Epoch != presence.Create:
			f.add("5.3", k, "was created at %d for epoch %d, in epoch %d", e.Create, a.Epoch, presence.Create)
		}
	}
}

// stepEpoch is invariant 5 at the revision that creates an allocation or opens
// a ledger.
func (s *State) stepEpoch(c change, f *finder) {
	if c.after == nil {
		if c.before != nil && c.before.kind == kindLedger && s.entries[kindWorker+"/"+c.before.id] != nil {
			f.add("5.6", c.before.Key, "was deleted while its worker was alive")
		}
		return
	}
	presence := s.entries[kindWorker+"/"+c.after.worker()]
	switch r := c.after.record.(type) {
	case *allocation:
		switch {
		case c.before != nil:
		case presence == nil:
			f.add("5.2", c.after.Key, "was created for epoch %d, while its worker was gone", r.Epoch)
		case presence.Create != r.Epoch && c.after.Create > r.Epoch:
			f.add("5.3", c.after.Key, "was created at %d for epoch %d, in epoch %d", c.after.Create, r.Epoch, presence.Create)
		}
	case *ledger:
		if c.before != nil {
			if was, ok := c.before.record.(*ledger); !ok || was.Epoch == r.Epoch {
				return
			}
		}
		if presence == nil || presence.Create != r.Epoch {
			f.add("5.4", c.after.Key, "was opened for epoch %d, which is not alive", r.Epoch)
		}
	}
}

// worker is whose worker the entry is: that of a ledger or of an allocation.
func (e *entry) worker() string {
	if e.kind == kindAllocation {
		return e.owner
	}
	return e.id
}
