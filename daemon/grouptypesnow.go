package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// A quota may have enough of some type of devices for each member of a group, and of all types together for all of them, and yet too
// little of the type that is free now. That is told where somebody asks why the group waits, and nowhere else: its class does not wait
// for its quota alone. Devices of another type may come free, which are kept for it, and nothing is kept for who waits for quota.

// groupExplained is why a group waits, as it is told to who asks about it, or nil.
func (l *loop) groupExplained(id berth.GroupID, of account) *berth.Verdict {
	v := l.whyNotGroup(id)
	if v == nil {
		return nil
	}
	if other := l.groupInstead(id, v); other != nil {
		victims, on := l.roomOf(id, of.pool)
		v = tellMaking(other, victims, on)
	}
	v = l.tellTypesNow(id, tellGroupVain(v, func() (berth.Reason, bool) { return l.groupInVain(id) }))
	v = l.tellRoomBeyond(id, v)
	l.tellStands(v, of)
	return v
}

// tellTypesNow adds to why a group fits nowhere what its quota has too little of for the devices that are free now, where it would be
// placed with more.
func (l *loop) tellTypesNow(id berth.GroupID, v *berth.Verdict) *berth.Verdict {
	rec, _ := l.view.group(id)
	members, _, ok := l.readyMembers(id, l.now())
	if rec == nil || !ok {
		return v
	}
	r := members[0].request
	st := l.limited(r)
	if st == nil {
		return v
	}
	return l.balanceOfGroup(id, st, members).tellTypesNow(v, r, min(l.needs(id, rec), int64(len(members))), func(n int64, left berth.Amounts) bool {
		return placeable(l.fleet, l.gangOf(id, rec, members[:n]), left)
	})
}

// tellTypesNow is that by the workers as they are. Where others make room for the group, it lacks nothing of its quota.
func (s *balance) tellTypesNow(v *berth.Verdict, r *berth.Request, needs int64, fits fitting) *berth.Verdict {
	if v.NeverFits || v.Reasons[0].Code != berth.ReasonGroup || tells(v, berth.ReasonQuota) {
		return v
	}
	m := s.mixOf(r, needs, fits)
	if m == nil {
		return v
	}
	shares := m.lacks(m.by(s.obtainable), m.by(s.limitOf))
	if len(shares) == 0 {
		return v
	}
	told := *v // it is the group's class's as well
	told.Reasons = slices.Clone(v.Reasons)
	for _, one := range shares {
		told.Reasons = append(told.Reasons, s.lackOf(one))
	}
	return &told
}

// placeable says whether all members of a gang have places now, with so much of devices; nothing is reserved.
func placeable(f *scheduler.Fleet, ask scheduler.Gang, left berth.Amounts) bool {
	ask.Members, ask.Need, ask.Left = slices.Clone(ask.Members), len(ask.Members), kindsOf(left)
	for i := range ask.Members {
		ask.Members[i].Again = true // nobody asks for it
	}
	d := f.PlaceGang(ask)
	f.Undo(d)
	return d.Verdict == nil
}
