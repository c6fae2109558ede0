package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/metadata"

	"github.com/berthd/berth"
)

// Delta is news of the store: with Reset, everything at Revision; otherwise
// whole revisions up to Revision, in their order. With More, it is a part of
// everything at Revision, and others follow: the first has Reset, and all that there is
// one of for each worker; requests, states, allocations and the archive come behind; the
// last has no More.
type Delta struct {
	Reset    bool
	More     bool
	Facts    []berth.Fact
	Revision berth.Revision
	Bytes    int64 // that changes take in the store's history, about; not of a load
}

// Deliver takes a delta; an error ends the following.
type Deliver = func(context.Context, Delta) error

// Follow delivers the whole keyspace once, then every change, until ctx ends.
// After a compaction, a cancelled watch or a lost leader it loads again and
// delivers a Reset, which is exactly the store's state. When another cluster
// answers than the one that the store was opened on it ends, with
// ErrClusterChanged: nothing that was known still counts.
func (s *Store) Follow(ctx context.Context, deliver Deliver) error {
	return s.follow(ctx, s.keys.prefix, deliver)
}

// FollowWorker follows the allocations of one worker. A changed cluster is told
// to it by its lease, not here: it loads again.
func (s *Store) FollowWorker(ctx context.Context, w berth.WorkerID, deliver Deliver) error {
	return s.followOn(ctx, s.keys.folder(berth.KindAllocation, string(w)), deliver)
}

// FollowAllocations follows those of all workers: one watch for many of them.
func (s *Store) FollowAllocations(ctx context.Context, deliver Deliver) error {
	return s.followOn(ctx, s.keys.folder(berth.KindAllocation, ""), deliver)
}

// errDeliver wraps an error of the receiver, which loading again would not cure.
var errDeliver = errors.New("deliver")

func (s *Store) follow(ctx context.Context, folder string, deliver Deliver) error {
	pause := resendFirst
	compacted := false // the last load's revision, before its last page
	for ctx.Err() == nil {
		loaded, err := s.loadAndWatch(ctx, folder, compacted, deliver)
		switch {
		case ctx.Err() != nil:
			return ctx.Err() // it ended the watch, and nothing is loaded again
		case errors.Is(err, errDeliver), errors.Is(err, ErrClusterChanged):
			return err
		}
		if loaded {
			pause = resendFirst
		}
		compacted = !loaded && (compacted || errors.Is(err, rpctypes.ErrCompacted))
		s.opts.Log.Info("watch ended; loading again", zap.String("folder", folder), zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, resendMost)
		}
	}
	return ctx.Err()
}

// followOn goes on when the cluster changes, from whatever the new one holds.
func (s *Store) followOn(ctx context.Context, folder string, deliver Deliver) error {
	for {
		err := s.follow(ctx, folder, deliver)
		if !errors.Is(err, ErrClusterChanged) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(resendMost):
		}
	}
}

func (s *Store) loadAndWatch(ctx context.Context, folder string, beside bool, deliver Deliver) (loaded bool, err error) {
	ctx, cancel := context.WithCancel(s.ownStream(ctx)) // ends the watch's stream with us
	defer cancel()
	l := &load{store: s, deliver: deliver}
	if beside {
		err = l.runBeside(ctx, folder)
	} else {
		err = l.run(ctx, folder)
	}
	if err == nil {
		err = l.tell(ctx, false)
	}
	if err != nil {
		return false, err
	}
	rev, events := l.rev, l.events
	if events == nil {
		events = s.client.Watch(clientv3.WithRequireLeader(ctx), folder, clientv3.WithPrefix(),
			clientv3.WithRev(int64(rev)+1), clientv3.WithProgressNotify())
	}
	for resp := range events {
		if err := resp.Err(); err != nil {
			return true, err
		}
		at, facts := s.news(resp)
		if resp.Header.ClusterId != l.cluster || at < rev {
			return true, fmt.Errorf("%w: revision %d after %d", errAnotherCluster, at, rev)
		}
		rev = at
		if err := deliver(ctx, Delta{Facts: facts, Revision: at, Bytes: written(resp.Events)}); err != nil {
			return true, fmt.Errorf("%w: %w", errDeliver, err)
		}
	}
	return true, errWatchClosed
}

// versionBytes is what a version of a key takes in etcd's file beside the key and its value, with
// pages that are not full: measured over 20,000 requests that ran and ended.
const versionBytes = 110

func written(events []*clientv3.Event) (bytes int64) {
	for _, e := range events {
		bytes += int64(len(e.Kv.Key)+len(e.Kv.Value)) + versionBytes
	}
	return bytes
}

// ownStream has etcd's client open a stream for the watches of ctx alone. All watches
// of a stream share the room for 128 responses that wait in the server. One for which
// there is none is behind from then on, and is served again within 100 ms only: with a
// hundred workers in a process, or a few daemons, each burst would put off most of them.
func (s *Store) ownStream(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "berth-follow", s.base+"-"+strconv.FormatUint(s.follows.Add(1), 36))
}

var (
	errWatchClosed    = errors.New("the watch was closed")
	errAnotherCluster = errors.New("another cluster answers, or an older state of it")
)

// news are the facts of a response, and the revision up to which it is complete:
// the last event's, for the header's may be of changes still to be told. Only a
// progress notification vouches for the header's. etcd never splits a revision
// over two responses unless asked to.
func (s *Store) news(resp clientv3.WatchResponse) (berth.Revision, []berth.Fact) {
	if len(resp.Events) == 0 {
		return berth.Revision(resp.Header.Revision), nil
	}
	last := resp.Events[len(resp.Events)-1].Kv.ModRevision
	return berth.Revision(last), s.eventFacts(resp.Events)
}

func (s *Store) eventFacts(events []*clientv3.Event) []berth.Fact {
	facts := make([]berth.Fact, 0, len(events))
	rev := int64(0)
	var own ownWrites // of that revision
	var alike repeats
	for _, e := range events {
		if e.Kv.ModRevision != rev {
			rev, own = e.Kv.ModRevision, nil
		}
		if own == nil && e.Type != clientv3.EventTypeDelete {
			own = ownWrites{}
			if t := s.own.take(e.Kv.Value); t != nil {
				own = t.puts
			}
		}
		if w := own.next(e); w != nil {
			if w.key.Kind != berth.KindPlan {
				facts = append(facts, factOf(w.key, e.Kv, w.record))
			}
			continue
		}
		k, ok := s.parse(e.Kv.Key)
		switch {
		case !ok, k.Kind == berth.KindPlan: // the basis of plans is for who looks back
		case e.Type == clientv3.EventTypeDelete:
			facts = append(facts, berth.Fact{Key: k, Mod: berth.Revision(rev)})
		default:
			facts = append(facts, alike.decode(k, e.Kv))
		}
	}
	return facts
}
