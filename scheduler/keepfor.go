package scheduler

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"github.com/berthd/berth"
)

// Stay is an allocation on a worker, as who waits for its end sees it.
type Stay struct {
	Share *berth.Share
	Age   int64 // ms since it was placed
	Left  int64 // ms until it has ended at the latest, where Ends: it has a run limit, or is told to stop
	Ends  bool
}

// Wanting is a gang that does not fit, and waits.
type Wanting struct {
	Gang
	Waited   int64 // ms since something was kept for it first; 0: nothing was yet
	Patience int64 // ms that it waits yet; 0: for ever
	Anew     bool  // a round begins, or nothing is kept for it now: see KeepFor
}

// Round is the number of the round that a gang is in for which something has been kept for
// so many ms: each lasts as long as all before it.
func Round(waited int64) int { return bits.Len64(uint64(max(waited, 0)) / firstRound) }

const firstRound = 10_000

// Wanted is what is to be kept for a gang.
type Wanted struct {
	Workers []berth.KeptWorker // by id
	Within  int64              // ms until all that it waits for has ended, at the latest; 0: not known
}

// settled is how long room that is free, and not kept, counts as not had: it may be gone
// before it is.
const settled = 1000

// KeepFor chooses what is to be kept for a gang: the places for Need of its members that
// come free first. on tells who is on a worker, and is asked for all that could take any.
//
// When an allocation ends is known where it has a limit. Of others it is guessed that they
// last as long again as they have lasted, and a quarter of what the gang has waited at least:
// being very young tells nothing. What has been there for long looks bad by that, and worse
// with each hour.
//
// What is kept stays kept for a round: or each allocation that has just begun would look
// better than one that is about to end, and nothing would ever be gathered. With each round
// it is chosen anew, but for what is free by then: who waits for what does not end has another
// choice. In a round that lasts longer than what runs there, all of it ends. So a gang waits no
// longer than eight times that, whatever comes meanwhile, where there are enough workers on which
// everything ends.
//
// Where a round begins, and even the best places wait for something that nobody knows the end
// of and that has lasted since before the first round, nothing is kept: small requests do not
// wait for who waits for what may never end. The gang hopes again, whenever that is asked,
// when what it needs is younger than that.
//
// Not ok: nothing is to be kept, for that reason; or there are too few places, however long it
// waits, or too few on which its devices are found together; or it does not wait so long.
func (f *Fleet) KeepFor(w Wanting, on func(berth.WorkerID) []Stay) (Wanted, bool) {
	r := w.Members[0].Request
	p := f.pools[r.Pool]
	if p == nil || malformed(&r.Resources) {
		return Wanted{}, false
	}
	first, demands := w.narrowable()
	q := f.ask(first)
	by := make(map[site][]opening)
	for _, n := range p.nodes {
		value, ok := n.worker.Labels[w.Topology]
		if !n.open || w.Topology != "" && !ok || !q.constraints.Allows(n.worker.Labels) || !tolerates(r.Tolerations, n) {
			continue
		}
		if w.Topology == "" {
			value = ""
		}
		var stays []Stay
		for _, link := range w.linksOf(n) {
			if demands.to(link); !q.couldTake(n) {
				continue
			}
			if stays == nil {
				stays = on(n.worker.ID)
			}
			where := site{value, link}
			by[where] = append(by[where], q.openings(n, &w, stays)...)
		}
	}
	var best chosen
	for _, where := range slices.SortedFunc(maps.Keys(by), site.compare) {
		if one := choose(by[where], max(w.Need, 1)); one.enough && (!best.enough || one.at < best.at) {
			best = one
			best.link = where.link
		}
	}
	demands.to(best.link)
	if !best.enough {
		return Wanted{}, false
	}
	if w.Waited > 0 && w.Anew && best.lasting(w.Waited) {
		return Wanted{}, false
	}
	out := Wanted{Within: best.within()}
	places := 0
	for _, of := range best.of {
		if share, n := q.shareOn(of); n > 0 {
			out.Workers = append(out.Workers, berth.KeptWorker{Worker: of.node.worker.ID, Share: share})
			places += n
		}
	}
	return out, places >= max(w.Need, 1) && (w.Patience == 0 || out.Within <= w.Patience)
}

// waits is the allocations of a worker in the order in which they are taken to end.
type waits struct {
	node  *node
	stays []stay
}

type stay struct {
	*Stay
	after int64 // ms until it is taken to have ended
}

// opening is room on a worker for more members, once the first so many of its waits have ended.
type opening struct {
	*waits
	at    int64 // ms, as it counts in the choice
	isNew bool  // nothing is kept there yet
	ends  int
	room  int
}

// compare is a total order: what counts as first, what is kept, what waits for fewer.
func (a opening) compare(b opening) int {
	if c := cmp.Compare(a.at, b.at); c != 0 {
		return c
	}
	if a.isNew != b.isNew {
		return order(b.isNew)
	}
	return cmp.Or(cmp.Compare(a.ends, b.ends), cmp.Compare(a.node.worker.ID, b.node.worker.ID))
}

// openings are when a worker comes to have room for members, and for how many.
func (q *query) openings(n *node, w *Wanting, stays []Stay) (out []opening) {
	on, r := &waits{node: n, stays: make([]stay, len(stays))}, w.Members[0].Request
	for i := range stays {
		s := &stays[i]
		if on.stays[i] = (stay{s, max(s.Age, w.Waited/4)}); s.Ends {
			on.stays[i].after = min(on.stays[i].after, s.Left)
		}
	}
	slices.SortStableFunc(on.stays, func(a, b stay) int { return cmp.Compare(a.after, b.after) })
	kept := n.kept != nil && r.Group != nil && r.Group.ID == q.keep.group
	had := 0
	then := *n.unkept()
	for ends := 0; ; ends++ {
		room := min(q.room(&then), max(w.Need, 1))
		if r.Related() {
			room = min(room, 1)
		}
		if room > had {
			out = append(out, opening{waits: on, at: on.counts(ends, kept, w.Anew), isNew: !kept, ends: ends, room: room - had})
			had = room
		}
		if ends == len(on.stays) || had == max(w.Need, 1) || !q.release(&then, on.stays[ends].Stay) {
			return out
		}
	}
}

// counts is when the first so many have ended, as it counts.
func (w *waits) counts(ends int, kept, anew bool) int64 {
	switch {
	case kept && (ends == 0 || !anew):
		return 0
	case ends == 0:
		return settled
	}
	return max(w.stays[ends-1].after, settled)
}

// release takes an allocation off what is free of a worker; false: its ledger is not of that.
func (q *query) release(then *node, s *Stay) bool {
	if len(q.custom)+len(q.request.Resources.Ports)+len(q.request.Resources.Devices) == 0 {
		for r, amount := range vectorOf(&s.Share.Quantities) {
			then.own.free[r] += amount
		}
		return true
	}
	ledger, err := then.worker.Ledger.Release(*s.Share)
	if err != nil {
		return false
	}
	w := then.worker
	w.Ledger = ledger
	*then = *newNode(w, nil)
	return true
}

// chosen are the openings that a gang waits for.
type chosen struct {
	of     []*opening // by the worker's id: room is of all members that are to go there
	at     int64      // when the last of them counts
	enough bool
	link   string // the domain that they are in, of a linked gang
}

// choose takes the first openings that have room for so many.
func choose(all []opening, need int) (c chosen) {
	slices.SortFunc(all, opening.compare)
	on := make(map[*waits]*opening)
	for i := range all {
		o := &all[i]
		room := min(o.room, need)
		if first := on[o.waits]; first != nil {
			first.room, first.ends = first.room+room, o.ends
		} else {
			o.room = room
			on[o.waits] = o
			c.of = append(c.of, o)
		}
		c.at = o.at
		if need -= room; need == 0 {
			c.enough = true
			break
		}
	}
	slices.SortFunc(c.of, func(a, b *opening) int { return cmp.Compare(a.node.worker.ID, b.node.worker.ID) })
	return c
}

// within is until when all that is waited for has ended, at the latest; 0: not known.
func (c *chosen) within() (last int64) {
	for _, o := range c.of {
		for i := range o.stays[:o.ends] {
			if !o.stays[i].Ends {
				return 0
			}
			last = max(last, o.stays[i].Left)
		}
	}
	return last
}

// lasting says whether something is waited for that has been there for so long, and of which
// nothing says when it ends.
func (c *chosen) lasting(waited int64) bool {
	return slices.ContainsFunc(c.of, func(o *opening) bool {
		return slices.ContainsFunc(o.stays[:o.ends], func(s stay) bool { return !s.Ends && s.Age >= waited })
	})
}

// shareOn is the share of the members that are to go to a worker, and how many they are: fewer than
// was thought, perhaps, for how devices are combined was not asked.
func (q *query) shareOn(o *opening) (berth.Share, int) {
	w := o.node.worker
	for i := range o.stays[:o.ends] {
		ledger, err := w.Ledger.Release(*o.stays[i].Share)
		if err != nil {
			return berth.Share{}, 0
		}
		w.Ledger = ledger
	}
	then, sum, n := newNode(w, nil), berth.Share{}, 0
	for ; n < o.room; n++ {
		if slices.ContainsFunc(q.filters, func(f filter) bool { return !f.passing && !f.passes(q, then) }) {
			break
		}
		ledger, share, err := q.reserve(then)
		if err != nil {
			break
		}
		if sum, err = sum.Plus(share); err != nil {
			return berth.Share{}, 0
		}
		then.worker.Ledger = ledger
		then.refresh()
	}
	return sum, n
}
