package worker

import (
	"context"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// feed is one watch over all allocations for many workers of one process. Its
// state belongs to the goroutine of run.
type feed struct {
	store    *etcdstore.Store
	joins    chan *subscriber
	deltas   chan etcdstore.Delta
	members  map[berth.WorkerID]*subscriber
	facts    map[berth.WorkerID]map[berth.Key]berth.Fact // what is there now
	revision berth.Revision
	loaded   bool
}

// subscriber is a worker whose follow has not ended; deliver fails once it has.
type subscriber struct {
	id      berth.WorkerID
	deliver func(etcdstore.Delta) error
}

func newFeed(store *etcdstore.Store) *feed {
	return &feed{
		store: store, joins: make(chan *subscriber), deltas: make(chan etcdstore.Delta),
		members: map[berth.WorkerID]*subscriber{}, facts: map[berth.WorkerID]map[berth.Key]berth.Fact{},
	}
}

// follow is the followFunc of a member.
func (f *feed) follow(ctx context.Context, w berth.WorkerID, deliver func(context.Context, etcdstore.Delta) error) error {
	s := &subscriber{id: w, deliver: func(d etcdstore.Delta) error { return deliver(ctx, d) }}
	select {
	case f.joins <- s:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return ctx.Err()
}

// run returns when ctx ends.
func (f *feed) run(ctx context.Context) error {
	watched := make(chan error, 1) // the watch's one answer
	go func() {
		watched <- f.store.FollowAllocations(ctx, func(ctx context.Context, d etcdstore.Delta) error {
			select {
			case f.deltas <- d:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	for {
		select {
		case s := <-f.joins:
			f.join(s)
		case d := <-f.deltas:
			f.take(d)
		case err := <-watched:
			return ignoreCancel(ctx, err)
		}
	}
}

func (f *feed) join(s *subscriber) {
	f.members[s.id] = s
	if f.loaded {
		f.reset(s)
	}
}

// reset gives a member all that is there, as a load of its own would.
func (f *feed) reset(s *subscriber) {
	delta := etcdstore.Delta{Reset: true, Revision: f.revision}
	for _, fact := range f.facts[s.id] {
		delta.Facts = append(delta.Facts, fact)
	}
	f.send(s, delta)
}

// send drops a member whose follow has ended.
func (f *feed) send(s *subscriber, delta etcdstore.Delta) {
	if err := s.deliver(delta); err != nil && f.members[s.id] == s {
		delete(f.members, s.id)
	}
}

func (f *feed) take(delta etcdstore.Delta) {
	if delta.Reset {
		clear(f.facts)
	}
	byWorker := map[berth.WorkerID][]berth.Fact{}
	for _, fact := range delta.Facts {
		w := berth.WorkerID(fact.Key.Owner)
		byWorker[w] = append(byWorker[w], fact)
		f.keep(w, fact)
	}
	f.revision, f.loaded = delta.Revision, true
	if delta.Reset {
		for _, s := range f.members {
			f.reset(s)
		}
		return
	}
	for w, facts := range byWorker {
		if s := f.members[w]; s != nil {
			f.send(s, etcdstore.Delta{Facts: facts, Revision: delta.Revision})
		}
	}
}

func (f *feed) keep(w berth.WorkerID, fact berth.Fact) {
	if fact.Record == nil {
		delete(f.facts[w], fact.Key)
		return
	}
	if f.facts[w] == nil {
		f.facts[w] = map[berth.Key]berth.Fact{}
	}
	f.facts[w][fact.Key] = fact
}
