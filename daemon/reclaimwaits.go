package daemon

import (
	"fmt"
	"math"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// reclaimer is a request, or a group, of a lender that waits here for what is guaranteed to it.
type reclaimer struct {
	order   asking
	alone   *waiting // nil: it is a group
	group   *gang
	members scheduler.Gang // of one, where it waits alone
	like    string         // equal for those that the same room would do for
	need    berth.Amounts  // of its quota; nothing: it has that, and waits for a worker
}

func (x *reclaimer) request() *berth.Request { return x.members.Members[0].Request }

// reclaimersMost bounds those who are looked at at a time, and searchesMost those for whom ends are looked for, which takes longer: what is
// behind them is the next time, if nothing helps them, or when they are placed.
const (
	reclaimersMost = 1024
	searchesMost   = 64
)

// waitingForRoom are the requests of an account that wait here for a worker with their quota, of equal ones the first, and the groups that do, in their
// order, as far as there is quota for them together. What other daemons have taken and do not use they give to who has room.
func (l *loop) waitingForRoom(of account, s *balance) (all []*reclaimer) {
	unused := l.unusedOf(of, s)
	has := func(a allowance) bool {
		return a.verdict == nil || !slices.ContainsFunc(a.verdict.Reasons, lacking) || !a.held && unused.holds(a.need, s)
	}
	for _, class := range l.gangs.classes { // they are put in order
		g := class.members[0]
		if accountOf(g.request) == of && !class.open() && !g.pastRoom() && has(s.of(askedByGroup(g)).judgeMembers(g.request, g.need)) {
			if x := l.waitsAsGroup(g, nil); x != nil {
				all = append(all, x)
			}
		}
	}
	l.queue.eachBlocked(of, blockedLooks, func(c *class) bool {
		w := c.members[0]
		if a := l.allowsOne(w, s); w.claimOn == "" && has(a) {
			x := l.waitsAlone(w, nil)
			x.members.Members[0].Request = a.request // with those types of devices that it may have
			all = append(all, x)
		}
		return false
	})
	slices.SortFunc(all, func(a, b *reclaimer) int { return a.order.Compare(&b.order.Gathering) })
	used := make(berth.Amounts, len(s.state.dimensions))
	out := all[:0]
	for _, x := range all {
		if !slices.ContainsFunc(s.state.dimensions, func(d berth.Dimension) bool { return used[d]+x.asksFor(d) > unused(d)-s.state.below[d] }) {
			x.takes(used, s)
			out = append(out, x)
		}
	}
	return out
}

// takes has those behind it find what it asks for taken. What this daemon has not taken yet of that it needs as what is lent.
func (x *reclaimer) takes(used berth.Amounts, s *balance) {
	for _, d := range s.state.dimensions {
		v := x.asksFor(d)
		if used[d] += v; v > 0 && used[d] > s.room(d) && x.alone != nil {
			if x.need == nil {
				x.need = make(berth.Amounts, 1)
			}
			x.need[d] = v
		}
	}
}

// asksFor is how much of a dimension it gets wherever it goes, all members of a group.
func (x *reclaimer) asksFor(d berth.Dimension) (sum int64) {
	for i := range x.members.Members {
		sum += leastOf(x.members.Members[i].Request, d)
	}
	return sum
}

func (l *loop) waitsAlone(w *waiting, need berth.Amounts) *reclaimer {
	c := w.candidate()
	c.Again, c.Request = true, ofTypes(w.request, need)
	return &reclaimer{order: askedBy(w), alone: w, members: scheduler.Gang{Members: []scheduler.Candidate{c}, Need: 1}, like: l.shape(w.request), need: need}
}

// waitsAsGroup is a group whose members may all be placed, or nil.
func (l *loop) waitsAsGroup(g *gang, need berth.Amounts) *reclaimer {
	rec, _ := l.view.group(g.id)
	members, _, ok := l.readyMembers(g.id, l.now())
	if rec == nil || !ok {
		return nil
	}
	ask := l.gangOf(g.id, rec, members)
	for i := range ask.Members {
		ask.Members[i].Again, ask.Members[i].Priority = true, math.MaxInt32 // whatever theirs is
	}
	kept, _ := l.keep(g.pool)
	ask.Beside = kept != nil && kept.Group != g.id
	return &reclaimer{order: askedByGroup(g), group: g, members: ask, like: fmt.Sprint(len(members), " ", l.shape(g.request)), need: need}
}

// ofTypes is a request with those of its types of devices alone that are in what it needs of its quota, where any are.
func ofTypes(r *berth.Request, need berth.Amounts) *berth.Request {
	if !severalTypes(r) {
		return r
	}
	next := *r
	next.Resources.Devices = slices.Clone(r.Resources.Devices)
	for i := range next.Resources.Devices {
		of := &next.Resources.Devices[i]
		var types []string
		for _, d := range need.Dimensions() {
			if kind, device := d.DeviceType(); device && (len(of.Types) == 0 || slices.Contains(of.Types, kind)) {
				types = append(types, kind)
			}
		}
		if len(types) > 0 {
			of.Types = types
		}
	}
	return &next
}

// reclaimLook goes through those who wait, each as if those before it that have room were placed.
type reclaimLook struct {
	*reclaim
	left  berth.Amounts // of what is guaranteed
	there berth.Amounts // of that: it is free, or this daemon's, and nobody else waits for it
	lacks berth.Amounts // of those that have room
	none  map[string]bool
	undos []func()
}

func (r *reclaim) begin() *reclaimLook {
	s := r.l.balance(r.of, r.state, nil)
	own, _ := r.l.ownRoom(r.of, &s)
	k := &reclaimLook{reclaim: r, left: make(berth.Amounts), there: make(berth.Amounts), lacks: make(berth.Amounts), none: make(map[string]bool)}
	for _, d := range s.state.dimensions {
		k.left[d] = own(d)
		k.there[d] = max(r.l.free(r.of, r.state, d), 0) + max(s.block.Block[d]-s.block.Used[d], 0)
	}
	return k
}

// holds says whether what is guaranteed has room for so many of one, beside those before it.
func (k *reclaimLook) holds(x *reclaimer, n int64) bool {
	for d, v := range x.need {
		if left, limited := k.left[d]; limited && v > left/n {
			return false
		}
	}
	return true
}

// lacksOf is what one lacks of its quota, beside those before it.
func (k *reclaimLook) lacksOf(x *reclaimer) berth.Amounts {
	lacks := make(berth.Amounts, len(x.need))
	for d, v := range x.need {
		lacks[d] = max(v-k.there[d], 0)
	}
	return lacks
}

// counts has those behind one find what it takes of the quota taken.
func (k *reclaimLook) counts(x *reclaimer) {
	addTo(k.lacks, k.lacksOf(x))
	for d := range k.there {
		v, lacks := x.need[d]
		if !lacks {
			v = x.asksFor(d) // it has that
		}
		k.left[d] -= v
		k.there[d] = max(k.there[d]-v, 0)
	}
}

// hasRoom says whether one has room now, or others make it some already; what it has is taken until that is undone.
func (k *reclaimLook) hasRoom(x *reclaimer) bool {
	l := k.l
	if l.isMadeRoom(x) {
		return true
	}
	if k.none[x.like] {
		return false
	}
	d := l.fleet.PlaceGang(x.members)
	if d.Verdict != nil {
		l.fleet.Undo(d)
		k.none[x.like] = true
		return false
	}
	count := func(by int64) {
		for i, one := range d.Placed {
			l.fleet.Count(one.Worker, x.members.Members[i].Request.Labels, by)
		}
	}
	count(1)
	k.undos = append(k.undos, func() {
		count(-1)
		l.fleet.Undo(d)
	})
	return true
}

func (k *reclaimLook) undo() {
	for _, do := range slices.Backward(k.undos) {
		do()
	}
}

// isMadeRoom says whether others make room for one already, or have.
func (l *loop) isMadeRoom(x *reclaimer) bool {
	if x.group != nil {
		rec, _ := l.keep(x.group.pool)
		return rec != nil && rec.Group == x.group.id && l.roomComes(x.group.pool, rec, l.now())
	}
	ledger, _ := l.view.ledger(x.alone.claimOn)
	if ledger == nil {
		return false
	}
	c := ledger.ClaimOf(x.alone.id)
	return c != nil && l.claimStands(x.alone.claimOn, c)
}
