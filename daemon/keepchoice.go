package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/scheduler"
)

// keepChoice is what is to be kept for a group, while that is being chosen: all of it as of when
// that began.
type keepChoice struct {
	next    berth.Keep
	began   time.Time
	instead *berth.Keep // of this
	of      *scheduler.KeepChoice
}

// chooseKept is what is to be kept for a group whose members wait, in place of rec; nil:
// nothing. Not done: a part of the choice is made, and it is to be asked again.
func (l *loop) chooseKept(g *gang, members []*waiting, rec *berth.Keep, now time.Time) (next *berth.Keep, done bool) {
	s := l.keepOf(g.pool)
	if c := s.choice; c == nil || c.next.Group != g.id || c.instead != rec {
		if s.choice = l.beginKeep(g, members, rec, now); s.choice == nil {
			return nil, true
		}
	}
	c := s.choice
	on := l.stays(c.began)
	seen, done := c.of.Look(s.looks, on)
	if s.looks -= seen; !done {
		return nil, false
	}
	s.choice = nil
	got, ok := c.of.Choose(on)
	if !ok {
		return nil, true
	}
	c.next.Workers = withinBytes(got.Workers)
	if got.Within > 0 {
		c.next.By = c.began.Add(time.Duration(got.Within) * time.Millisecond)
	}
	return &c.next, true
}

// beginKeep begins to choose.
func (l *loop) beginKeep(g *gang, members []*waiting, rec *berth.Keep, now time.Time) *keepChoice {
	group, _ := l.view.group(g.id)
	if group == nil {
		return nil
	}
	now = now.UTC().Truncate(time.Millisecond)
	c := &keepChoice{next: berth.Keep{Group: g.id, Since: now, Chosen: now}, began: now, instead: rec}
	way := l.withinQuota(g.id, members) // what it may not have now would be kept for nobody
	ask := scheduler.Wanting{Gang: l.gangOf(g.id, group, way.members), Patience: l.patienceOf(members[0], now)}
	ask.Left = kindsOf(way.left)
	since := l.groups[g.id].keptSince
	if since.IsZero() && rec != nil { // of before this daemon knew the group
		since = rec.Since
	}
	if !since.IsZero() {
		if since.After(now) { // by the clock of another daemon: else no round would end before that
			since = now
			l.groups[g.id].keptSince = now
		}
		c.next.Since = since
		ask.Waited = now.Sub(since).Milliseconds()
		ask.Anew = rec == nil || scheduler.Round(ask.Waited) != scheduler.Round(rec.Chosen.Sub(since).Milliseconds())
		if c.next.Chosen = latest(now, since); !ask.Anew {
			c.next.Chosen = latest(rec.Chosen, since) // by the clock of a daemon that has seen no earlier one
		}
	}
	c.of = l.fleet.BeginKeep(ask)
	return c
}

// stays tells who is on a worker, and until when.
func (l *loop) stays(now time.Time) func(berth.WorkerID) []scheduler.Stay {
	var all []scheduler.Stay // used again for the next worker
	ms := func(t time.Time) int64 { return max(t.UnixMilli()-now.UnixMilli(), 0) }
	return func(w berth.WorkerID) []scheduler.Stay {
		all = all[:0]
		for _, x := range l.view.on[w] {
			if !x.isOn(w) || x.spec == nil {
				continue
			}
			s := scheduler.Stay{Share: &x.terms.share, Age: max(now.Sub(x.placed.time()).Milliseconds(), 0)}
			if ends := x.endsBy(); x.exit != nil || ends.After(now) { // what is overdue ends nobody knows when
				s.Ends, s.Left = true, ms(ends)
			}
			all = append(all, s)
		}
		return all
	}
}

// endsBy is when an allocation has ended, by its run limit or because it is told to stop;
// zero: nothing says.
func (x *life) endsBy() time.Time {
	r := &x.spec.request
	stop := time.Duration(r.StopTimeoutMS) * time.Millisecond
	switch {
	case x.exit != nil:
		return x.placed.time()
	case x.stop != nil:
		return x.stop.Deadline
	case r.RunLimitMS == 0:
		return time.Time{}
	case x.started != 0:
		return x.started.time().Add(time.Duration(r.RunLimitMS)*time.Millisecond + stop)
	}
	return x.placed.time().Add(time.Duration(r.StartTimeoutMS+r.RunLimitMS)*time.Millisecond + stop)
}

// keptBytesMost bounds the record: what does not fit is kept for nobody.
const keptBytesMost = etcdstore.MaxValueBytes * 3 / 4

func withinBytes(workers []berth.KeptWorker) []berth.KeptWorker {
	bytes := int64(0)
	for i := range workers {
		if bytes += keptBytes(workers[i : i+1]); bytes > keptBytesMost {
			return workers[:i]
		}
	}
	return workers
}

// keptBytes is about what they take in the store.
func keptBytes(workers []berth.KeptWorker) (bytes int64) {
	for i := range workers {
		w := &workers[i]
		bytes += int64(len(w.Worker) + 128 + 48*len(w.Share.Custom) + 8*len(w.Share.Ports) + 64*len(w.Share.Devices))
	}
	return bytes
}

// besideWithin is what is kept for others beside what gathers, as far as the record has room.
func besideWithin(k *berth.Keep) []berth.KeptBeside {
	bytes := keptBytes(k.Workers)
	for i := range k.Beside {
		if bytes += besideBytes(&k.Beside[i]); bytes > keptBytesMost {
			return k.Beside[:i]
		}
	}
	return k.Beside
}

func besideBytes(b *berth.KeptBeside) int64 { return keptBytes(b.Workers) + int64(len(b.Group)) + 128 }

// sameKeep says whether nothing is to be written of what is kept for who gathers.
func sameKeep(was, is *berth.Keep) bool {
	if is == nil {
		return was == nil
	}
	return slices.EqualFunc(was.Workers, is.Workers, sameKept) && was.Chosen.Equal(is.Chosen) && was.By.Equal(is.By)
}

func sameKept(a, b berth.KeptWorker) bool {
	x, y := &a.Share, &b.Share
	return a.Worker == b.Worker && sameQuantities(&x.Quantities, &y.Quantities) && slices.Equal(x.Ports, y.Ports) && slices.Equal(x.Devices, y.Devices)
}

// writeKeep replaces what is kept in a pool, or deletes it.
func (l *loop) writeKeep(p berth.PoolID, was berth.Revision, next *berth.Keep) {
	l.keepOf(p).writing = true
	if next != nil {
		next.Beside = besideWithin(next)
	}
	go l.putKeep(p, was, next)
}

// putKeep writes, and tells the loop. Of daemons that choose at once one writes, and the others
// learn what.
func (l *loop) putKeep(p berth.PoolID, was berth.Revision, next *berth.Keep) {
	ctx, cancel := context.WithTimeout(context.Background(), finishIn)
	defer cancel()
	fact, err := l.store.SetKeep(ctx, p, was, next)
	// Also when the time is up: nothing would be kept in the pool ever again, or all of it
	// for ever. A loop that has ended needs no answer.
	_ = l.post(context.WithoutCancel(ctx), func() { l.keepWritten(p, was, next, fact, err) })
}

func (l *loop) keepWritten(p berth.PoolID, was berth.Revision, next *berth.Keep, fact berth.Fact, err error) {
	s := l.keepOf(p)
	s.writing = false
	l.due.add(keepKey(p))
	for _, k := range s.again {
		l.due.add(k)
	}
	s.again = nil
	conflict, isConflict := errors.AsType[*etcdstore.ConflictError](err)
	switch {
	case err == nil:
		l.takeFact(fact)
		if next != nil && was == 0 {
			l.log.Info("workers are kept for a group that does not fit", zap.String("pool", string(p)),
				zap.String("group", string(next.Group)), zap.Int("workers", len(next.Workers)))
		}
	case isConflict:
		l.takeFacts(conflict.Facts)
	default:
		l.log.Warn("cannot write what is kept for a group", zap.String("pool", string(p)), zap.Error(err))
		l.keepOf(p).failed = l.now().Add(pause)
	}
}
