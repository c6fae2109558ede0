package daemon

import (
	"cmp"
	"container/heap"

	"github.com/berthd/berth"
)

// reclaimQueue are those who wait here of a lender for what is guaranteed to it, in the order in which they would be placed; and those
// that wait for a worker, for the rest of their room may be the borrowers'. Of equal ones there may be very many, of which few can be of use: each is there
// when the one before has been looked at.
type reclaimQueue struct {
	classes ordered[*reclaimClass]
	added   int
}

// reclaimClass are equal ones.
type reclaimClass struct {
	next   *reclaimer
	behind func() *reclaimer // nil: nobody is
	vain   int64             // so many before it can have nothing, unless they are passed by
	added  int               // so many classes were before it
	at     int
}

func (c *reclaimClass) place() *int { return &c.at }

// before is a total order: what waits for its quota of some types of devices, and for a worker with others, is there twice, and first for the former.
func (c *reclaimClass) before(o *reclaimClass) bool {
	return cmp.Or(c.next.order.Compare(&o.next.order.Gathering), cmp.Compare(c.added, o.added)) < 0
}

// first is of whom the next is to be looked at; nil: all have been.
func (q *reclaimQueue) first() *reclaimClass {
	if len(q.classes) == 0 {
		return nil
	}
	return q.classes[0]
}

// pass puts a class where it belongs without its next, and drop takes all out that are left of it.
func (q *reclaimQueue) pass(c *reclaimClass) {
	if c.next = c.behind(); c.next == nil {
		q.drop(c)
		return
	}
	heap.Fix(&q.classes, c.at)
}

func (q *reclaimQueue) drop(c *reclaimClass) { heap.Remove(&q.classes, c.at) }

// add adds a class: one of it with each call.
func (q *reclaimQueue) add(each func() *reclaimer) {
	if x := each(); x != nil {
		heap.Push(&q.classes, &reclaimClass{next: x, behind: each, added: q.added})
		q.added++
	}
}

// addOne adds a class of one, or nothing.
func (q *reclaimQueue) addOne(x *reclaimer) {
	q.add(func() *reclaimer {
		one := x
		x = nil
		return one
	})
}

// reclaimers are those of a lender.
func (l *loop) reclaimers(r *reclaim) *reclaimQueue {
	q, s := &reclaimQueue{}, l.balance(r.of, r.state, nil)
	own, _ := l.ownRoom(r.of, &s)
	at := look{within: s.bound(s.orObtainable(own))}
	for _, class := range l.gangs.over.all(r.of, at) {
		if g := class.members[0]; l.couldEver(g.request, g.need, &s) {
			q.add(l.eachGroup(class, func(g *gang) allowance { return l.allowsGang(g, &s) }))
		}
	}
	for _, c := range l.queue.over.all(r.of, at) {
		if l.couldEver(c.members[0].request, 0, &s) {
			q.add(l.eachAlone(c, func(w *waiting) allowance { return l.allowsOne(w, &s) }))
		}
	}
	for _, x := range l.narrowedIn(r.of) { // they are put in order
		switch c, g := l.queue.of[x.Request], l.gangs.of[x.Group]; {
		case !x.lacksLent(l, r.of, &s):
		case g != nil:
			q.addOne(l.waitsAsGroup(g, x.need))
		case c != nil:
			q.add(l.eachAlone(c, func(*waiting) allowance { return allowance{need: x.need} }))
		}
	}
	for _, x := range l.waitingForRoom(r.of, &s) {
		q.addOne(x)
	}
	return q
}

// eachAlone is one request of a class after the other that lacks something of its quota, and eachGroup one group.
func (l *loop) eachAlone(c *class, judge func(*waiting) allowance) func() *reclaimer {
	return eachOf(c.members.walk().step, judge, l.waitsAlone)
}

func (l *loop) eachGroup(c *gangClass, judge func(*gang) allowance) func() *reclaimer {
	rest := c.members
	return eachOf(func() (g *gang, ok bool) {
		if ok = len(rest) > 0; ok {
			g, rest = rest[0], rest[1:]
		}
		return g, ok
	}, judge, l.waitsAsGroup)
}

// eachOf is the next reclaimer with each call, of those that a class has in order, and nil when they are all gone through.
func eachOf[T any](each func() (T, bool), judge func(T) allowance, as func(T, berth.Amounts) *reclaimer) func() *reclaimer {
	left := reclaimersMost
	return func() *reclaimer {
		for ; left > 0; left-- {
			one, ok := each()
			if !ok {
				break
			}
			a := judge(one)
			if a.held { // as those behind it
				left = 0
				break
			}
			if len(a.need) == 0 {
				continue
			}
			if x := as(one, a.need); x != nil {
				left--
				return x
			}
		}
		return nil
	}
}
