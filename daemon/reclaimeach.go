package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// Where several wait for what a borrower is to give back, what ends is to make room for each of them: the borrower may be down to what
// is guaranteed to it then, and gives back nothing more. So their placements are rehearsed in the fleet, in the order in which they
// would be placed, as if what stops had ended; and it is put back as it was.

// helpedLater is when it is looked again whether what is to end for the next would take nothing from the ones before it.
const helpedLater = time.Second

// helped is one that has places by the ends of some: of none, where it has them by what leaves anyway.
type helped struct {
	reclaimer
	ends []berth.RequestID
}

// helpingEach is what is to end so that those who wait have places together, as many as can be, the first before the others: all, the
// fewest, where all have room. Those are helped at a time who are alike: of others, whichever fits first into what comes free would
// take it, and another may have needed just that. So it is nothing for now, where another is still to be placed. Not known: nothing
// helps any of them.
func (l *loop) helpingEach(r *reclaim, waits []reclaimer, leaving []berth.RequestID, leaves berth.Amounts, could []scheduler.Holding) (victims []berth.RequestID, known bool) {
	all := scheduler.Reclaim(lackedBy(waits, r, leaves), could)
	h := &rehearsal{l: l}
	defer h.undo(0)
	if h.serve(waits, nil) {
		return all, true
	}
	h.undo(0)
	h.end(leaving)
	h.endLeaving(l.mostlyOn(could))
	begun := len(h.undos)
	if allLike(waits, &waits[0]) && h.serve(waits, all) {
		return all, true
	}
	h.undo(begun)
	served := h.each(waits, r, leaves, could)
	first := slices.IndexFunc(served, func(one helped) bool { return len(one.ends) > 0 })
	waits = waits[:0]
	for _, one := range served {
		waits, victims = append(waits, one.reclaimer), append(victims, one.ends...)
	}
	if first < 0 || !allLike(waits, &waits[first]) {
		l.timers.set(tenantKey(r.of.tenant), l.now().Add(helpedLater))
		return nil, len(served) > 0
	}
	if h.undo(begun); h.serve(waits, victims) {
		return victims, true
	}
	return served[first].ends, true
}

// lackedBy is how much of what is needed has to end for those who wait: more may be wanted back, for others that are not known here yet.
func lackedBy(waits []reclaimer, r *reclaim, leaves berth.Amounts) berth.Amounts {
	out := make(berth.Amounts, len(r.need))
	for d := range r.need {
		lacks := int64(0)
		for i := range waits {
			lacks += waits[i].lacks[d]
		}
		out[d] = r.keeps(d, min(r.back[d], lacks)) - leaves[d]
	}
	return out
}

// allLike says whether it makes no difference which of them and of one gets which place.
func allLike(waits []reclaimer, one *reclaimer) bool {
	return !slices.ContainsFunc(waits, func(x reclaimer) bool { return x.like != one.like })
}

// each is who has places one after the other, by what leaves anyway, and then, of those that are alike, by the ends of as few as can be for
// each: in all no more than what is needed.
func (h *rehearsal) each(waits []reclaimer, r *reclaim, leaves berth.Amounts, could []scheduler.Holding) (served []helped) {
	back, ended := make(berth.Amounts, len(r.need)), maps.Clone(leaves) // of those that are served
	may := make(map[berth.RequestID]*scheduler.Holding, len(could))
	for i := range could {
		may[could[i].Request] = &could[i]
	}
	var first *reclaimer // for which something is to end
	for i := range waits {
		x := &waits[i]
		if first != nil && x.like != first.like {
			break
		}
		next, lack := make(berth.Amounts), make(berth.Amounts)
		for d := range r.need {
			next[d] = min(r.back[d], back[d]+x.lacks[d])
			lack[d] = r.keeps(d, next[d]) - ended[d]
		}
		at, one := len(h.undos), helped{reclaimer: *x}
		if positive(lack) {
			one.ends = h.endsFor(x, lack, could)
			h.end(one.ends)
		}
		if positive(lack) && len(one.ends) == 0 || !h.place(x) {
			h.undo(at)
			continue
		}
		served = append(served, one)
		if len(one.ends) > 0 && first == nil {
			first = x
		}
		for _, id := range one.ends {
			addTo(ended, may[id].Amounts)
		}
		back = next
		_, could = parted(one.ends, may, could)
	}
	return served
}

func positive(amounts berth.Amounts) bool {
	for _, v := range amounts {
		if v > 0 {
			return true
		}
	}
	return false
}

// endsFor is what is to end for one: for a group anything.
func (h *rehearsal) endsFor(x *reclaimer, lack berth.Amounts, could []scheduler.Holding) []berth.RequestID {
	all := scheduler.Reclaim(lack, could)
	if r := x.gang.Members[0].Request; r.Group == nil && len(all) > 0 {
		return h.helping(r, lack, could, all)
	}
	return all
}
