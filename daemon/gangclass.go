package daemon

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// gangClass is the groups that wait and are equal in all that decides whether they fit:
// what one has been told is true of all.
//
// A class that does not fit lacks places for so many members. Of workers that have more
// to give since, each has room for some; until these are as many, no group can fit that
// did not, and none is tried. When every free worker let all groups be tried again, 900
// that waited took 23 ms of each end.
type gangClass struct {
	members []*gang        // in order
	verdict *berth.Verdict // set: the first did not fit when it was tried last
	lacks   int
	room    map[berth.WorkerID]int // of those that had more to give since
	gained  int                    // their sum
	tryAt   time.Time              // not before

	roomless bool          // with over: nor had it room then
	over     int64         // so many of its members were more than its tenant's quota had room for; 0: that was not it
	extra    berth.Amounts // as of a request that waits
	spot     *spot[*gangClass]
	more     *spot[*gangClass] // where it waits for more than it must

	narrow berth.Amounts // in gangs.narrowed: what of devices it was judged for

	told   *berth.Verdict // see instead
	toldAt berth.Revision
}

// spendMost bounds the members that are tried in vain before calls are heard.
const spendMost = 1024

// triesKey stands for the groups that wait to be tried, and not for one.
var triesKey = berth.Key{Kind: berth.KindGroup}

// timeTries sets when groups are to be tried that wait for that alone.
func (l *loop) timeTries(now time.Time) {
	var next time.Time
	for _, c := range l.gangs.classes {
		if now.Before(c.tryAt) {
			next = sooner(next, c.tryAt)
		}
	}
	if !next.IsZero() {
		l.timers.set(triesKey, next)
	}
}

func (c *gangClass) add(g *gang) {
	i, _ := slices.BinarySearchFunc(c.members, g, (*gang).before)
	c.members = slices.Insert(c.members, i, g)
}

func (c *gangClass) remove(g *gang) {
	c.members = slices.DeleteFunc(c.members, func(o *gang) bool { return o == g })
}

// open says whether one may fit.
func (c *gangClass) open() bool { return c.verdict == nil || c.gained >= c.lacks }

// toTry says whether one is to be tried now.
func (c *gangClass) toTry(now time.Time) bool {
	return len(c.members) > 0 && c.open() && !now.Before(c.tryAt)
}

func (c *gangClass) block(v *berth.Verdict, until time.Time) {
	c.verdict, c.lacks, c.room, c.gained, c.tryAt, c.over, c.extra = v, lackOf(v), nil, 0, until, 0, nil
	c.toldAt = 0
}

// wake lets the class be tried again.
func (c *gangClass) wake() { c.gained = max(c.gained, c.lacks) }

// gains notes how many members a worker could take that has more to give.
func (c *gangClass) gains(w berth.WorkerID, room int) {
	c.gained += room - c.room[w]
	if room == 0 {
		delete(c.room, w)
		return
	}
	if c.room == nil {
		c.room = make(map[berth.WorkerID]int)
	}
	c.room[w] = room
}

// blockOver notes that so many members of a group, or what they would have got, were more
// than its quota had room for.
func (s *gangs) blockOver(g *gang, v *berth.Verdict, now time.Time, over int64, extra berth.Amounts) {
	s.block(g, v, now)
	g.class.over, g.class.extra = over, extra
	s.shelve(g.class)
}

// shelve puts a class among those whose quota has no room, if it is one, and unshelve takes
// it out: while its members change, too.
func (s *gangs) shelve(c *gangClass) {
	if c.over > 0 && len(c.members) > 0 {
		first := c.members[0]
		of, w, rank := accountOf(first.request), wanted{request: first.request, times: c.over}, scheduler.Hash(first.like)
		c.spot = s.over.add(of, c, w, rank)
		if first.waitsForMore() {
			c.more = s.more.add(of, c, w, rank)
		}
	}
}

// waitsForMore says whether a group waits for its quota to have room for more members than must be placed together.
func (g *gang) waitsForMore() bool { return len(g.class.extra) == 0 && g.class.over > g.need }

func (s *gangs) unshelve(c *gangClass) {
	if c.spot != nil {
		s.over.remove(accountOf(c.members[0].request), c.spot)
		c.spot = nil
	}
	if c.more != nil {
		s.more.remove(accountOf(c.members[0].request), c.more)
		c.more = nil
	}
}

// wakeAll lets all groups of a pool be tried again.
func (s *gangs) wakeAll(pool berth.PoolID) {
	for _, c := range s.classes {
		if c.members[0].pool == pool {
			c.wake()
		}
	}
}

// wakeNever is wakeAll of those that could never fit.
func (s *gangs) wakeNever(pool berth.PoolID) {
	for _, c := range s.classes {
		if c.members[0].pool == pool && c.verdict != nil && c.verdict.NeverFits {
			c.wake()
		}
	}
}

// lackOf is how many more members must find room before what a verdict is of can fit: at
// least one.
func lackOf(v *berth.Verdict) int {
	for i := range v.Reasons {
		if r := &v.Reasons[i]; r.Code == berth.ReasonGroup {
			return int(max(r.Want-r.Best, 1))
		}
	}
	return 1
}

// gangLike is equal for groups of which a verdict is the same: of one tenant, for it may
// have a quota. Where places depend on
// where other requests are, the members' own labels count; and who has a hold, or is
// kept something, may go where the others may not; a drain's has quota that they have not.
func (l *loop) gangLike(g *gang) string {
	r := g.request
	b := strconv.AppendQuote([]byte(scheduler.Shape(r)), string(r.Tenant))
	b = strconv.AppendQuote(append(b, ' '), r.Group.Topology)
	b = strconv.AppendBool(append(b, ' '), r.Group.Linked)
	b = strconv.AppendInt(append(b, ' '), g.size, 10)
	b = strconv.AppendInt(append(b, ' '), g.need, 10)
	if r.Related() {
		for _, label := range slices.Sorted(maps.Keys(r.Labels)) {
			b = strconv.AppendQuote(strconv.AppendQuote(append(b, " l"...), label), r.Labels[label])
		}
	}
	if _, drained := l.quotas.drained[g.id]; drained || l.holds.of[g.id] != nil || l.isKept(g) {
		b = strconv.AppendQuote(append(b, " h"...), string(g.id))
	}
	return string(b)
}

// roomFor bounds how many members of a group a worker could take now.
func (l *loop) roomFor(r *berth.Request, w berth.WorkerID) int {
	return l.fleet.RoomFor(scheduler.Candidate{Request: r}, w)
}
