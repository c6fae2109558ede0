package etcdstore

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// crowded are the kinds of which there may be millions of records; of the others
// there are some for each worker.
var crowded = []berth.Kind{berth.KindAllocation, berth.KindArchive, berth.KindRequest, berth.KindState} // sorted

// load is everything under a folder at one revision, on its way to who follows it.
type load struct {
	store   *Store
	deliver Deliver
	rev     berth.Revision     // 0: nothing was read yet
	cluster uint64             // that answers
	facts   []berth.Fact       // read, and to be told with the next part
	begun   bool               // the first part was told
	events  clientv3.WatchChan // of all that came later; nil: to be opened
}

// run loads at one revision, and tells all of it.
func (l *load) run(ctx context.Context, folder string) error {
	if folder != l.store.keys.prefix {
		return l.read(ctx, stretch{folder, clientv3.GetPrefixRangeEnd(folder)})
	}
	few, many := l.store.stretches()
	for _, s := range few {
		if err := l.read(ctx, s); err != nil {
			return err
		}
	}
	for _, s := range many {
		if err := l.readInParts(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// read gathers for the next part.
func (l *load) read(ctx context.Context, s stretch) error {
	return l.store.pages(ctx, s, &l.rev, &l.cluster, func(kvs []*mvccpb.KeyValue) error {
		l.facts = append(l.facts, l.store.facts(kvs)...)
		return nil
	})
}

// readInParts tells what was read before as soon as there is more.
func (l *load) readInParts(ctx context.Context, s stretch) error {
	return l.store.pages(ctx, s, &l.rev, &l.cluster, func(kvs []*mvccpb.KeyValue) error {
		if len(l.facts) > 0 && len(kvs) > 0 {
			if err := l.tell(ctx, true); err != nil {
				return err
			}
		}
		l.facts = append(l.facts, l.store.facts(kvs)...)
		return nil
	})
}

// tell delivers what was gathered.
func (l *load) tell(ctx context.Context, more bool) error {
	if err := l.store.sameCluster(l.cluster); err != nil {
		return err
	}
	if err := l.deliver(ctx, Delta{Reset: !l.begun, More: more, Facts: l.facts, Revision: l.rev}); err != nil {
		return fmt.Errorf("%w: %w", errDeliver, err)
	}
	l.begun, l.facts = true, nil
	return nil
}

// stretch is the keys from one to another, which is not in it.
type stretch struct{ from, end string }

// stretches are the whole keyspace: first all but the crowded kinds.
func (s *Store) stretches() (few, many []stretch) {
	from := s.keys.prefix
	for _, kind := range crowded {
		folder := s.keys.folder(kind, "")
		end := clientv3.GetPrefixRangeEnd(folder)
		few, many = append(few, stretch{from, folder}), append(many, stretch{folder, end})
		from = end
	}
	return append(few, stretch{from, clientv3.GetPrefixRangeEnd(s.keys.prefix)}), many
}

// decodedAtOnce is how many records are worth a goroutine.
const decodedAtOnce = 256

// facts decodes records, on all processors where they are many: that is most of a load.
func (s *Store) facts(kvs []*mvccpb.KeyValue) []berth.Fact {
	facts := make([]berth.Fact, len(kvs))
	decode := func(from, to int) {
		for i := from; i < to; i++ {
			if k, ok := s.parse(kvs[i].Key); ok && k.Kind != berth.KindPlan {
				facts[i] = decodeFact(k, kvs[i])
			}
		}
	}
	each := max(decodedAtOnce, len(kvs)/runtime.GOMAXPROCS(0)+1)
	var others sync.WaitGroup
	for from := each; from < len(kvs); from += each {
		others.Go(func() { decode(from, min(from+each, len(kvs))) })
	}
	decode(0, min(each, len(kvs)))
	others.Wait()
	return slices.DeleteFunc(facts, func(f berth.Fact) bool { return f.Key == berth.Key{} }) // no keys of ours
}
