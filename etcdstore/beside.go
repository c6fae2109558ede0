package etcdstore

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// assembly makes the state at one revision of pages that were read at several, with
// the news of a watch that was opened before the first of them.
//
// It is for a store whose history is compacted faster than it can be read: near its
// quota, daemons leave none. Pages of one revision are refused there again and again,
// for that revision is gone before the last page. A watch that keeps up is not
// touched by compaction, and tells all that happened since it was opened. So what it
// has told, up to a revision that no page is newer than, laid over the pages, newer
// over older, is the store as it was then.
type assembly struct {
	order []berth.Key // as the keys came
	facts map[berth.Key]berth.Fact
	news  []berth.Fact
	told  berth.Revision // the watch has told everything up to here
	read  berth.Revision // of the newest page
}

// progressEvery is how often the watch is asked how far it is: etcd does not answer
// while any watch of the same stream is behind.
const progressEvery = 200 * time.Millisecond

// runBeside loads without history. The watch that it opens goes on behind what
// was loaded; it ends with ctx.
func (l *load) runBeside(ctx context.Context, folder string) error {
	s := l.store
	ctx = clientv3.WithRequireLeader(ctx)
	events := s.client.Watch(ctx, folder, clientv3.WithPrefix(), clientv3.WithProgressNotify(), clientv3.WithCreatedNotify())
	a := &assembly{facts: make(map[berth.Key]berth.Fact)}
	cluster, err := s.opened(ctx, events, a)
	if err == nil {
		err = s.pagesNow(ctx, folder, events, cluster, a)
	}
	if err == nil {
		err = s.catchUp(ctx, events, cluster, a)
	}
	if err != nil {
		return fmt.Errorf("read %s beside a compaction: %w", folder, err)
	}
	l.facts, l.rev, l.cluster, l.events = a.state(), a.told, cluster, events
	return nil
}

// opened waits until the watch stands.
func (s *Store) opened(ctx context.Context, events clientv3.WatchChan, a *assembly) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	select {
	case resp, open := <-events:
		if !open {
			return 0, errWatchClosed
		}
		if err := resp.Err(); err != nil {
			return 0, err
		}
		a.told = berth.Revision(resp.Header.Revision)
		return resp.Header.ClusterId, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// pagesNow reads each page as the store is then, and hears the watch between them,
// so that it does not fall behind.
func (s *Store) pagesNow(ctx context.Context, folder string, events clientv3.WatchChan, cluster uint64, a *assembly) error {
	from, end := folder, clientv3.GetPrefixRangeEnd(folder)
	for {
		resp, err := s.page(ctx, from, end, 0)
		if err != nil {
			return err
		}
		if resp.Header.ClusterId != cluster {
			return errAnotherCluster
		}
		a.read = max(a.read, berth.Revision(resp.Header.Revision))
		for _, f := range s.facts(resp.Kvs) {
			a.put(f)
		}
		if err := s.hear(events, cluster, a); err != nil {
			return err
		}
		if !resp.More {
			return nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// hear takes what the watch has told by now.
func (s *Store) hear(events clientv3.WatchChan, cluster uint64, a *assembly) error {
	for {
		select {
		case resp, open := <-events:
			if err := s.heard(resp, open, cluster, a); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *Store) heard(resp clientv3.WatchResponse, open bool, cluster uint64, a *assembly) error {
	if !open {
		return errWatchClosed
	}
	if err := resp.Err(); err != nil {
		return err
	}
	at, facts := s.news(resp)
	if resp.Header.ClusterId != cluster || at < a.told {
		return errAnotherCluster
	}
	a.told, a.news = at, append(a.news, facts...)
	return nil
}

// catchUp waits until the watch has told all that any page may hold. Where nothing
// happens under the folder, only a notification of progress says so.
func (s *Store) catchUp(ctx context.Context, events clientv3.WatchChan, cluster uint64, a *assembly) error {
	ask := time.NewTicker(progressEvery)
	defer ask.Stop()
	for a.told < a.read {
		if err := s.client.RequestProgress(ctx); err != nil {
			return err
		}
		select {
		case resp, open := <-events:
			if err := s.heard(resp, open, cluster, a); err != nil {
				return err
			}
		case <-ask.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// put takes a fact unless a newer one is known.
func (a *assembly) put(f berth.Fact) {
	have, known := a.facts[f.Key]
	if known && have.Mod >= f.Mod {
		return
	}
	if !known {
		a.order = append(a.order, f.Key)
	}
	a.facts[f.Key] = f
}

// state is that of the revision up to which the watch has told all.
func (a *assembly) state() []berth.Fact {
	for _, f := range a.news {
		a.put(f)
	}
	out := make([]berth.Fact, 0, len(a.order))
	for _, k := range a.order {
		if f := a.facts[k]; f.Record != nil {
			out = append(out, f)
		}
	}
	return out
}
