package sim

import (
	"cmp"
	"slices"

	"github.com/berthd/berth/scheduler"
)

// pass is one look at all that waits, as a daemon's plans take it when nothing else happens (see
// package snapshot): what waits alone, in the order of its turns, and then groups; but groups first
// while it is the turn of one of their tenants before. Turns change with what is placed.
type pass struct {
	*replay
	open func(job int) bool          // one that waits alone may fit
	try  func(unit int) (int, error) // how many jobs wait no more
}

// each tries all, each once.
func (p *pass) each() error {
	s := p.turns
	alone := scheduler.NewTurns[int](s.shares)
	for _, one := range s.order {
		one.kept, one.tried = [2][]int{one.waiting[:0], one.whole[:0]}, 0 // behind what is tried
	}
	for p.groupsFirst() {
		if placed, err := p.group(); err != nil {
			return err
		} else if !placed {
			break // none of them fits
		}
	}
	for _, one := range s.single {
		alone.Add(one.id, pool, one.waiting)
	}
	for job, ok := alone.Next(); ok; job, ok = alone.Next() {
		if _, err := p.one(job); err != nil {
			return err
		}
	}
	for placed := true; placed; {
		var err error
		if placed, err = p.group(); err != nil {
			return err
		}
	}
	for _, one := range s.order {
		one.waiting, one.whole = one.kept[0], one.kept[1]
	}
	return nil
}

// groupsFirst says whether it is the turn of a group before that of all that waits alone and may fit.
func (p *pass) groupsFirst() bool {
	var group, alone *scheduler.Turn
	least := func(of *scheduler.Turn, one *turn) *scheduler.Turn {
		t := p.turns.shares.Turn(one.id, pool)
		if of == nil || t.Compare(*of) < 0 {
			return &t
		}
		return of
	}
	for _, one := range p.turns.order {
		if one.tried < len(one.whole) {
			group = least(group, one)
		}
	}
	if group == nil {
		return false
	}
	for _, one := range p.turns.single {
		if slices.ContainsFunc(one.waiting, p.open) {
			alone = least(alone, one)
		}
	}
	return alone != nil && group.Compare(*alone) < 0
}

// group tries groups that were not tried yet, until one is placed; false: none is. Where turns are
// equal, the groups themselves decide. Turns stay as they are while none is placed.
func (p *pass) group() (placed bool, err error) {
	turns := make(map[*turn]scheduler.Turn)
	for _, one := range p.turns.order {
		if one.tried < len(one.whole) {
			turns[one] = p.turns.shares.Turn(one.id, pool)
		}
	}
	for len(turns) > 0 && !placed && err == nil {
		var first *turn
		for one, turn := range turns {
			if first == nil || cmp.Or(turn.Compare(turns[first]), p.before(one.whole[one.tried], first.whole[first.tried])) < 0 {
				first = one
			}
		}
		unit := first.whole[first.tried]
		if first.tried++; first.tried == len(first.whole) {
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
	s.shares.Serve(one.id, pool)
	return true, nil
}
