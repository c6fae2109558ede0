package sim

import (
	"cmp"
	"slices"

	"github.com/berthd/berth"
)

// takesBefore says whether a group that fits would have, by what is kept for it, room that a job would have whose turn is before, and that was tried in
// vain: as the daemon does, for how many ms nothing is kept then; 0: it would not. What others make room for is the group's.
func (r *replay) takesBefore(g int) (yields int64) {
	k := &r.gangs.keep
	if k.rec == nil || k.group != g || k.made {
		return 0
	}
	r.lookWhoHasLess(g)
	asks := keptAsks
	for _, j := range r.firstsBefore(g) {
		for i := range k.rec.Workers {
			if asks--; asks < 0 {
				return yields
			}
			if !k.by.fitsUnkept(r.kind[j], string(k.rec.Workers[i].Worker)) {
				continue
			}
			if r.goesFirst(g, j) {
				return keptOffFor
			}
			yields = keepEvery // shares and priorities are equal
			break
		}
	}
	return yields
}

// firstsBefore are the first of each kind of those that were tried in vain in this pass, and are before a group: in the order of their turns; of its
// tenant's of the same priority those that are older, every other time.
func (r *replay) firstsBefore(g int) (firsts []int) {
	of := r.first(g)
	own := r.turns.turnOf(r.turns.of[of.Tenant])
	var all []*turn
	for _, one := range r.turns.order {
		if len(one.kept[0]) > 0 && (string(one.id) == of.Tenant || r.turns.turnOf(one).Compare(own) < 0) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b *turn) int { return r.turns.turnOf(a).Compare(r.turns.turnOf(b)) })
	for _, one := range all {
		seen := make(map[int]bool)
		for _, j := range one.kept[0] {
			if string(one.id) == of.Tenant && !r.precedes(j, g) {
				break // nor does what is behind it
			}
			if string(one.id) != of.Tenant && !r.lets(g, &r.jobs[j]) {
				continue
			}
			if !seen[r.kind[j]] && !r.over(j) && !r.gangs.waitsWhole(r.gangOf(j)) {
				seen[r.kind[j]] = true
				firsts = append(firsts, j)
			}
		}
	}
	return firsts
}

// precedes says whether a job is before a group of its tenant's: by priority, and of equal ones by age where the group had its turn the last time.
func (r *replay) precedes(j, g int) bool {
	c := cmp.Compare(r.jobs[j].Priority, r.first(g).Priority)
	return c > 0 || c == 0 && r.gangs.keep.served && j < r.groups[g].first
}

// goesFirst says whether a job's turn is before that of a group for which something is kept: of a tenant with less, or of its own with a higher priority.
func (r *replay) goesFirst(g, j int) bool {
	of, one := r.first(g), &r.jobs[j]
	if one.Tenant == of.Tenant {
		return one.Priority > of.Priority
	}
	share := func(tenant string) float64 { return r.turns.shares.Turn(berth.TenantID(tenant), pool).Share }
	return share(one.Tenant) < share(of.Tenant) && r.lets(g, one)
}

// lets says whether a job of another tenant that has less goes before a group for which something is kept: see scheduler.Overtaken. How long it has waited counts
// from its arrival.
func (r *replay) lets(g int, j *Job) bool {
	return r.gangs.fates[g].overtaken.Lets(berth.TenantID(j.Tenant), r.now-j.ArrivalMS, r.now)
}

// takesKept says whether a job whose turn is before that of the group has room by what is kept for it, and would have others make it some instead.
func (r *replay) takesKept(j int) bool {
	if r.gangs == nil || r.gangs.keep.rec == nil {
		return false
	}
	k := &r.gangs.keep
	return !k.made && r.goesFirst(k.group, j) && slices.ContainsFunc(k.rec.Workers[:min(len(k.rec.Workers), keptAsks)], func(w berth.KeptWorker) bool {
		return k.by.fitsUnkept(r.kind[j], string(w.Worker))
	})
}

// yieldKept gives up what is kept for so many ms, and has all be looked at anew: first who goes first.
func (a *attempt) yieldKept(yields int64) {
	a.gangs.keep.served = false
	a.giveUpKept(yields)
	a.yields, a.gave = true, true
}

// giveUpKept gives up what is kept for a group for those whose turn is before, and nothing is kept for so many ms.
func (r *replay) giveUpKept(yields int64) (gave bool) {
	k := &r.gangs.keep
	k.without, k.gave = r.now+yields, k.group
	r.gangs.fates[k.group].overtaken.Again(r.now)
	return r.keepNothing()
}
