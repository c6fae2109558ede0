package sim

import (
	"cmp"
	"maps"

	"github.com/berthd/berth/scheduler"
)

// pass is one look at all that waits, as a daemon's plans take it when nothing else happens (see
// package snapshot): what waits alone, in the order of its turns, and then groups; but groups first
// while it is the turn of one of their tenants before, or of one tenant its priority is higher. Turns change with what is placed.
type pass struct {
	*replay
	open func(job int) bool          // one that waits alone may fit
	try  func(unit int) (int, error) // how many jobs wait no more
}

// each tries all, each once.
func (p *pass) each() error {
	s := p.turns
	for _, one := range s.order {
		one.kept, one.tried = [2][]int{one.waiting[:0], one.whole[:0]}, 0 // behind what is tried
	}
	left := make(map[*turn][]int, len(s.single))
	for _, one := range s.single {
		left[one] = one.waiting
	}
	alone := p.alone(left)
	for job, ok := alone.Next(); ok; job, ok = alone.Next() {
		if ahead := p.ahead(job); len(ahead) > 0 {
			placed, err := p.group(ahead, func(one *turn) bool { return p.isAhead(one, ahead[one], job) })
			if err != nil {
				return err
			}
			if placed { // turns have changed
				clear(left)
				for ; ok; job, ok = alone.Next() {
					one := s.of[p.jobs[job].Tenant]
					left[one] = append(left[one], job)
				}
				alone = p.alone(left)
				continue
			}
		}
		if _, err := p.one(job); err != nil {
			return err
		}
	}
	for placed := true; placed; {
		var err error
		if placed, err = p.group(p.untried(), (*turn).untried); err != nil {
			return err
		}
	}
	for _, one := range s.order {
		one.waiting, one.whole = one.kept[0], one.kept[1]
	}
	return nil
}

// alone hands out jobs that wait alone.
func (p *pass) alone(left map[*turn][]int) *scheduler.Turns[int] {
	out := scheduler.NewTurns[int](p.turns.shares)
	for _, one := range p.turns.single {
		out.Add(one.id, pool, left[one])
	}
	return out
}

// ahead are the turns of tenants of which a group that was not tried yet comes before a job that waits alone.
func (p *pass) ahead(job int) map[*turn]scheduler.Turn {
	if !p.open(job) {
		return nil
	}
	turns := p.untried()
	maps.DeleteFunc(turns, func(one *turn, its scheduler.Turn) bool { return !p.isAhead(one, its, job) })
	return turns
}

// isAhead says whether a tenant's next group comes before a job that waits alone: by turns, and of one tenant by priority.
func (p *pass) isAhead(one *turn, its scheduler.Turn, job int) bool {
	if !one.untried() {
		return false
	}
	own := p.turns.of[p.jobs[job].Tenant]
	return its.Compare(p.turns.shares.Turn(own.id, pool)) < 0 || one == own && p.jobs[p.jobIn(one.whole[one.tried])].Priority > p.jobs[job].Priority
}

// untried says whether a group of a tenant's was not tried yet.
func (t *turn) untried() bool { return t.tried < len(t.whole) }

// untried are the turns of tenants of which a group was not tried yet.
func (p *pass) untried() map[*turn]scheduler.Turn {
	if len(p.groups) == 0 {
		return nil
	}
	turns := make(map[*turn]scheduler.Turn)
	for _, one := range p.turns.order {
		if one.untried() {
			turns[one] = p.turns.shares.Turn(one.id, pool)
		}
	}
	return turns
}

// first is whose group it is of those. Where turns are equal, the groups themselves decide.
func (p *pass) first(turns map[*turn]scheduler.Turn) (first *turn) {
	for one, turn := range turns {
		if first == nil || cmp.Or(turn.Compare(turns[first]), p.before(one.whole[one.tried], first.whole[first.tried])) < 0 {
			first = one
		}
	}
	return first
}

// group tries groups that were not tried yet of tenants whose turns these are, as long as a tenant's next may be, until one is placed; false: none
// is. Turns stay as they are while none is placed.
func (p *pass) group(turns map[*turn]scheduler.Turn, may func(*turn) bool) (placed bool, err error) {
	for len(turns) > 0 && !placed && err == nil {
		first := p.first(turns)
		unit := first.whole[first.tried]
		if first.tried++; !may(first) {
			delete(turns, first)
		}
		placed, err = p.one(unit)
	}
	return placed, err
}

// one tries a job or a group.
func (p *pass) one(unit int) (placed bool, err error) {
	s, job, line := p.turns, unit, 0
	if unit < 0 {
		job, line = p.groups[^unit].first, 1
	}
	one := s.of[p.jobs[job].Tenant]
	gone, err := p.try(unit)
	if err != nil {
		return false, err
	}
	if gone == 0 {
		one.kept[line] = append(one.kept[line], unit)
		return false, nil
	}
	s.count -= gone
	s.shares.Serve(one.id, pool, 0)
	return true, nil
}
