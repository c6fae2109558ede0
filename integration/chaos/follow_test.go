package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth/invariant"
)

const prefix = "/berth/"

// archived is what the test reads of an archive record, by itself.
type archived struct {
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Attempt int64  `json:"attempt"`
	Worker  string `json:"worker"`
	Exit    *struct {
		Kind string `json:"kind"`
		Code int64  `json:"code"`
	} `json:"exit"`
	mod int64
}

// follower reads the store from its first revision on: the archive, for a daemon
// may purge it before the run ends, and all invariants.
type follower struct {
	client *clientv3.Client

	mu         sync.Mutex
	archive    map[string]archived
	problems   []string
	revision   int64 // checked
	revisions  int
	unseen     int64 // that were compacted before they could be checked
	archiveRev int64 // up to which the archive is known
}

func newFollower(c *clientv3.Client) *follower {
	return &follower{client: c, archive: map[string]archived{}}
}

// seen is a revision that both followers have passed.
func (f *follower) seen() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return min(f.revision, f.archiveRev)
}

// check checks every revision.
func (f *follower) check(ctx context.Context) error {
	return invariant.WatchStore(ctx, f.client, prefix, invariant.Options{}, func(r invariant.Report) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revision = r.Revision
		f.revisions++
		f.unseen += r.Unseen
		for _, v := range r.Violations {
			f.problems = append(f.problems, "invariant: "+v.String())
		}
		return nil
	})
}

// followArchive keeps each record that ever was. Where history was compacted
// unseen it reads what is there: a daemon purges nothing younger than a minute.
func (f *follower) followArchive(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.readArchive(ctx)
		if err == nil {
			err = f.watchArchive(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, rpctypes.ErrCompacted) {
			select {
			case <-time.After(200 * time.Millisecond): // no leader, or the connection broke
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (f *follower) readArchive(ctx context.Context) error {
	if f.archiveRev > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := f.client.Get(ctx, prefix+"archive/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	for _, kv := range resp.Kvs {
		f.take(kv)
	}
	f.passed(resp.Header.Revision)
	return nil
}

func (f *follower) passed(rev int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.archiveRev = rev
}

func (f *follower) watchArchive(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range f.client.Watch(ctx, prefix+"archive/", clientv3.WithPrefix(), clientv3.WithRev(f.archiveRev+1), clientv3.WithProgressNotify()) {
		if err := resp.Err(); err != nil {
			if resp.CompactRevision > 0 {
				f.passed(0) // read it anew
			}
			return err
		}
		for _, e := range resp.Events {
			if e.Type == clientv3.EventTypePut {
				f.take(e.Kv)
			}
		}
		f.passed(resp.Header.Revision)
	}
	return errors.New("the watch ended")
}

func (f *follower) take(kv *mvccpb.KeyValue) {
	id := strings.TrimPrefix(string(kv.Key), prefix+"archive/")
	var a archived
	err := json.Unmarshal(kv.Value, &a)
	a.mod = kv.ModRevision
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.problems = append(f.problems, fmt.Sprintf("archive %s: %v", id, err))
	}
	if before, ok := f.archive[id]; ok && before.mod != a.mod {
		f.problems = append(f.problems, fmt.Sprintf("archive %s: put at revision %d, and again at %d", id, before.mod, a.mod))
	}
	f.archive[id] = a
}

// ended is the archive as it was, and how many records there are.
func (f *follower) ended() map[string]archived {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]archived, len(f.archive))
	for id, a := range f.archive {
		out[id] = a
	}
	return out
}
