package scheduler

import (
	"slices"

	"github.com/berthd/berth"
)

// Members that want parts of several devices get, one after the other, those that are best for each, as
// single requests do: the least room that suffices. So two may get parts of the same two devices, and a third
// that wants parts of two finds one. Where fewer members have places than want them, all are dealt again,
// evenly: each gets the devices that have most parts left. With one demand, or several of which no device
// serves two, as many fit then as can: see timesServed. That breaks the most devices, so it stands only where
// more have places.

// placeWithin places members, all or as many as fit; where those are too few, none, and
// short, if there is one, sees before they are taken back how many fit, and the one that
// does not.
func (f *Fleet) placeWithin(g Gang, where site, short func(fit int, next Candidate)) GangDecision {
	again, may := g.dealAgain()
	if !may {
		return f.placeInTurn(g, where, short)
	}
	first := f.placeInTurn(g, where, nil)
	if first.Fit == len(g.Members) {
		return first
	}
	f.Undo(first)
	second := f.placeInTurn(again, where, func(fit int, next Candidate) {
		if short != nil && fit >= first.Fit {
			short(fit, next)
		}
	})
	if second.Fit > first.Fit || second.Fit == first.Fit && len(first.Placed) == 0 {
		return second
	}
	f.Undo(second)
	return f.placeInTurn(g, where, short)
}

// dealAgain is a gang whose devices are dealt evenly, if that may make a difference.
func (g *Gang) dealAgain() (again Gang, may bool) {
	again = *g
	again.evenly = true
	return again, slices.ContainsFunc(g.Members[0].Request.Resources.Devices, parted)
}

// placeInTurn is placeWithin that deals once. Each is counted for the relations of the next; who
// counts what is placed does so for the plan, thereafter.
func (f *Fleet) placeInTurn(g Gang, where site, short func(fit int, next Candidate)) GangDecision {
	d, members := GangDecision{Domain: where.value, Link: where.link, evenly: g.evenly}, g.within(where)
	defer f.uncount(members, &d)()
	left := f.leftOf(&g)
	if g.byWorker {
		f.placeByWorker(members, left, &d)
	}
	if g.seats != nil {
		f.seat(&g, where, members, left, &d)
	}
	for i := len(d.Placed); i < len(members); i++ {
		one := left.place(members[i], &d)
		if one.Worker != "" {
			d.Placed = append(d.Placed, one)
			left.take(members[i], &one)
			f.Count(one.Worker, members[i].Request.Labels, 1)
			continue
		}
		if d.Fit = i; i >= max(g.Need, 1) {
			f.countStarts(&d)
			return d
		}
		if short != nil {
			short(i, members[i])
		}
		f.Undo(d)
		f.uncount(members, &d)()
		d.Placed, d.were = nil, nil
		return d
	}
	d.Fit = len(members)
	f.countStarts(&d)
	return d
}

// fill is the share of as many candidates as a worker takes, so many at most, and how many they
// are. Where others are says nothing here. The worker is changed.
func (q *query) fill(then *node, most int) (berth.Share, int) {
	was := then.worker.Ledger
	sum, n := q.fillInTurn(then, most)
	if n == most || !slices.ContainsFunc(q.request.Resources.Devices, parted) {
		return sum, n
	}
	then.worker.Ledger = was
	then.refresh()
	q.evenly = true
	again, more := q.fillInTurn(then, most)
	if q.evenly = false; more > n {
		return again, more
	}
	return sum, n
}

// fillInTurn is fill that deals once.
func (q *query) fillInTurn(then *node, most int) (sum berth.Share, n int) {
	for ; n < most; n++ {
		if slices.ContainsFunc(q.filters, func(f filter) bool { return !f.passing && !f.passes(q, then) }) {
			break
		}
		ledger, share, err := q.reserve(then)
		if err != nil {
			break
		}
		next, err := sum.Plus(share)
		if err != nil {
			return berth.Share{}, 0
		}
		sum, then.worker.Ledger = next, ledger
		then.refresh()
	}
	return sum, n
}
