package daemon

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/berthd/berth"
)

// pace is how the emptying of a worker may go on now.
type pace struct {
	late bool      // the deadline has passed: what is left is stopped
	all  bool      // nothing bounds the stops
	may  int       // otherwise, so many more may stop now
	at   time.Time // when this changes by itself; zero: by an event only
}

// paceOf is pure. moving counts what is stopping already. Without a pace and a
// deadline, all stop at once; a deadline alone lets what runs end by itself until then.
func paceOf(in *berth.Intent, moving int, now time.Time) pace {
	dated := !in.Deadline.IsZero()
	switch {
	case dated && !now.Before(in.Deadline):
		return pace{late: true, all: true}
	case !in.Paced() && !dated:
		return pace{all: true}
	case !in.Paced():
		return pace{at: in.Deadline}
	}
	p := pace{may: berth.MaxDrainParallel, at: in.Deadline}
	if in.Parallel > 0 {
		p.may = max(0, int(in.Parallel)-moving)
	}
	if in.PerMinute > 0 {
		next := nextStop(in, now)
		if now.Before(next) {
			p.may = 0
			p.at = sooner(p.at, next)
		} else {
			p.may = min(p.may, 1)
			p.at = sooner(p.at, now.Add(interval(in)))
		}
	}
	return p
}

func interval(in *berth.Intent) time.Duration { return time.Minute / time.Duration(in.PerMinute) }

// nextStop is when the rate lets another stop. Another machine's clock wrote the
// last one's moment: it holds nothing up for longer than one interval.
func nextStop(in *berth.Intent, now time.Time) time.Time {
	if in.LastStopAt.After(now) {
		return now.Add(interval(in))
	}
	return in.LastStopAt.Add(interval(in))
}

// sooner is the earlier of two moments, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// leaving is a container that a drain may stop.
type leaving struct {
	id         berth.RequestID
	allocation *berth.Allocation
	mod        berth.Revision
	submission *berth.Submission
	vacant     berth.RequestID // for the successor that is to run before it is stopped
}

// before is a total order: what matters least, then what loses least, goes first.
func (a leaving) before(b leaving) int {
	return cmp.Or(
		cmp.Compare(a.submission.Spec.Priority, b.submission.Spec.Priority),
		b.allocation.StartedAt.Compare(a.allocation.StartedAt),
		cmp.Compare(a.id, b.id),
	)
}

// emptying is the containers of a worker that is emptied.
type emptying struct {
	left      []leaving         // that are not told to stop, nor being replaced, in the order in which they go
	replacing int               // that have a successor on its way
	unplaced  []berth.RequestID // those of these successors that have no place
	pausing   int               // whose successors ended: the next is made later
	resumes   time.Time         // of these, the first
	stopping  int
}

// moving counts those that are on their way: the pace bounds them. What pauses keeps it from nobody.
func (c emptying) moving() int { return c.stopping + c.replacing }

// lookDrain lets the next containers of a worker go, as far as its pace allows.
// What is not paced, lookAllocation stops by itself.
func (l *loop) lookDrain(w berth.WorkerID, b *builder) {
	in, mod := record[berth.Intent](l.view, intentKey(w))
	if in == nil || !in.Empties() {
		return
	}
	c := l.emptyingOf(w, b.now)
	p := paceOf(in, c.moving(), b.now)
	if at := sooner(p.at, c.resumes); !at.IsZero() {
		l.timers.set(workerKey(w), at)
	}
	switch {
	case p.all && len(c.left)+c.replacing+c.pausing > 0:
		l.markAllocationsOf(w)
	case p.may > 0 && len(c.left) > 0 && l.myTurn(w, mod, b.now):
		l.letGo(w, in, mod, c.left[:min(p.may, len(c.left))], b)
	}
}

func (l *loop) emptyingOf(w berth.WorkerID, now time.Time) (c emptying) {
	for _, x := range l.view.on[w] {
		id := x.id
		a, mod := l.view.allocation(w, id)
		sub, _ := l.view.submission(id)
		switch {
		case a == nil || sub == nil || !a.State.MayRun():
		case a.Stop != nil:
			c.stopping++
		default:
			l.goes(&c, w, leaving{id: id, allocation: a, mod: mod, submission: sub}, now)
		}
	}
	slices.SortFunc(c.left, leaving.before)
	return c
}

// goes adds one that runs, and is not told to stop.
func (l *loop) goes(c *emptying, w berth.WorkerID, one leaving, now time.Time) {
	if one.submission.Spec.OnDrain != berth.OnDrainReplace {
		c.left = append(c.left, one)
		return
	}
	if by, _ := l.heirOf(one.submission); by != "" {
		if c.replacing++; l.stateOf(by) == berth.StatePending {
			c.unplaced = append(c.unplaced, by)
		}
		return
	}
	v := l.vacancyOf(one.submission, one.allocation.Attempt, w, now)
	if now.Before(v.at) {
		c.pausing++
		c.resumes = sooner(c.resumes, v.at)
		return
	}
	one.vacant = v.id
	c.left = append(c.left, one)
}

// myTurn says whether this daemon keeps the pace of a worker now. Nobody does from
// a view that may lack a stop which another daemon ordered: every stop under a pace
// also rewrites the intent, so a watch that has passed the intent has told of all.
func (l *loop) myTurn(w berth.WorkerID, mod berth.Revision, now time.Time) bool {
	if mod > l.view.revision {
		l.timers.set(workerKey(w), now.Add(viewPause))
		return false
	}
	return l.mayAct(workerKey(w), l.share.ofWorker(w))
}

// viewPause is how soon to look again at what the watch is about to tell.
const viewPause = 5 * time.Millisecond

// letGo orders stops, or submits successors, and rewrites the intent in the same transaction: two daemons
// that both find room in the pace cannot both use it.
func (l *loop) letGo(w berth.WorkerID, in *berth.Intent, mod berth.Revision, who []leaving, b *builder) {
	ordered := false
	for _, c := range who {
		k := allocationKey(w, c.id)
		if of := c.allocation.Group; of != "" && l.flights.defersGroup(of, workerKey(w)) || !b.claim(c.id, k) {
			continue
		}
		if c.vacant != "" {
			l.succeed(k, c.mod, c.submission, c.vacant, b)
			ordered = true
			continue
		}
		ordered = b.stopDrained(k, workerKey(w), c.allocation, c.mod, c.submission.Spec.Pool, drainOrder(in, &c.submission.Spec, b.now)) || ordered
	}
	if !ordered {
		return
	}
	next := *in
	next.LastStopAt = b.now.UTC()
	b.intent(w, next, mod)
}

func drainOrder(in *berth.Intent, r *berth.Request, now time.Time) *berth.StopOrder {
	return &berth.StopOrder{Reason: berth.StopDrain, Deadline: now.Add(time.Duration(r.StopTimeoutMS) * time.Millisecond), Message: in.Message}
}

// markIntent looks again at what an intent concerns; a pace that went on concerns
// the worker alone.
func (l *loop) markIntent(f berth.Fact, old former) {
	w := berth.WorkerID(f.Key.ID)
	l.due.add(workerKey(w))
	is, _ := f.Record.(*berth.Intent)
	was, _ := old.record.(*berth.Intent)
	if is != nil && was != nil {
		a, b := *is, *was
		a.Header, a.LastStopAt = b.Header, b.LastStopAt
		if reflect.DeepEqual(a, b) {
			return
		}
	}
	l.markAllocationsOf(w)
}

func intentKey(w berth.WorkerID) berth.Key {
	return berth.Key{Kind: berth.KindIntent, ID: string(w)}
}
