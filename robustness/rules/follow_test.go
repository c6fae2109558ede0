package rules

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

func contextOf(r *rig) (context.Context, context.CancelFunc) {
	return context.WithCancel(r.t.Context())
}

// follower keeps what Follow delivers, as its readers do.
type follower struct {
	deltas []etcdstore.Delta
	holds  map[berth.Key]berth.Fact
	stop   func()
}

func (r *rig) follow(s *etcdstore.Store) *follower {
	f := &follower{holds: map[berth.Key]berth.Fact{}}
	ctx, cancel := contextOf(r)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Follow(ctx, func(_ context.Context, d etcdstore.Delta) error { f.take(d); return nil })
	}()
	f.stop = func() { cancel(); <-ended }
	return f
}

func (f *follower) take(d etcdstore.Delta) {
	f.deltas = append(f.deltas, d)
	if d.Reset {
		clear(f.holds)
	}
	for _, fact := range d.Facts {
		if fact.Record == nil {
			delete(f.holds, fact.Key)
			continue
		}
		f.holds[fact.Key] = fact
	}
}

// loaded is the first load that came to its end, its parts as one.
func (f *follower) loaded() (all etcdstore.Delta) {
	for _, d := range f.deltas {
		if d.Reset {
			all = etcdstore.Delta{}
		}
		all.Facts, all.Revision = append(all.Facts, d.Facts...), d.Revision
		if !d.More {
			break
		}
	}
	return all
}

// differs says in what the follower and the store differ.
func (f *follower) differs(r *rig) (list []string) {
	resp, err := r.client.Get(r.t.Context(), "/berth/", clientv3.WithPrefix())
	r.ok(err)
	is := map[string]int64{}
	for _, kv := range resp.Kvs {
		is[string(kv.Key)] = kv.ModRevision
	}
	seen := map[string]int64{}
	for k, fact := range f.holds {
		name := "/berth/" + string(k.Kind)
		for _, part := range []string{k.Owner, k.ID} {
			if part != "" {
				name += "/" + part
			}
		}
		seen[name] = int64(fact.Mod)
	}
	for k, mod := range is {
		if seen[k] != mod {
			list = append(list, fmt.Sprintf("%s is at %d, seen at %d", k, mod, seen[k]))
		}
	}
	for k := range seen {
		if _, ok := is[k]; !ok {
			list = append(list, k+" is gone, and not seen so")
		}
	}
	slices.Sort(list)
	return list
}

// A watch that has fallen behind a compaction loads again: what vanished, came
// or changed in the gap is known then.
func TestFollow_Gap(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		f := r.follow(r.Store)
		synctest.Wait()
		r.conn.hear(func(w *pb.WatchResponse) { // the gap: these events are gone
			if len(w.Events) > 0 {
				w.Events, w.Canceled, w.CompactRevision = nil, true, r.newest()
			}
		})
		r.commit(&berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: "pending", RequestWas: r.mod("requests/pending"), Archive: r.archive("pending")}}})
		r.submit("new")
		synctest.Wait()
		r.conn.hear(nil)
		r.submit("last")
		wait(r, 5)
		f.stop()
		if d := f.differs(r); len(d) > 0 {
			r.t.Errorf("after the gap: %q", d)
		}
	})
}

// newest is the store's revision, asked for from within a hook.
func (r *rig) newest() int64 {
	resp, err := r.conn.Direct.Call(context.Background(), &pb.RangeRequest{Key: []byte("none")})
	if err != nil {
		return 1
	}
	return resp.(*pb.RangeResponse).Header.Revision //nolint:errcheck,forcetypeassert // the answer to a range is one
}

// All pages of a load are of one revision.
func TestFollow_PagesOfOneRevision(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		paged := r.store(etcdstore.Options{PageSize: 2})
		pages := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			resp, err := apply()
			if rr, ok := req.(*pb.RangeRequest); ok && rr.Limit == 2 {
				if pages++; pages == 1 {
					r.conn.between(nil)
					r.commit(r.placement("w", "pending")) // between the first page and the next
				}
			}
			return resp, err
		})
		f := r.follow(paged)
		wait(r, 2)
		f.stop()
		first := f.loaded()
		for _, fact := range first.Facts {
			if fact.Mod > first.Revision {
				r.t.Errorf("%v is of revision %d in a view of revision %d", fact.Key, fact.Mod, first.Revision)
			}
		}
		if d := f.differs(r); len(d) > 0 {
			r.t.Errorf("after the load: %q", d)
		}
	})
}

// A response vouches for its own events alone: its header may be ahead of them.
func TestFollow_HeaderAhead(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.follow(r.Store)
		synctest.Wait()
		r.conn.hear(func(w *pb.WatchResponse) {
			if len(w.Events) > 0 {
				w.Header.Revision += 100
			}
		})
		r.submit("a")
		synctest.Wait()
		f.stop()
		last := f.deltas[len(f.deltas)-1]
		if at := r.mod("requests/a"); last.Revision != at {
			r.t.Errorf("complete up to revision %d, told by events up to %d", last.Revision, at)
		}
	})
}

// A watch at a member that is cut off is silent for ever, unless it demands a leader.
func TestFollow_DemandsLeader(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.follow(r.Store)
		synctest.Wait()
		f.stop()
		if opened := r.conn.opened(); len(opened) == 0 || slices.Contains(opened, false) {
			r.t.Errorf("watches that demand a leader: %v, want each", opened)
		}
	})
}

// wait lets seconds of the bubble's time pass.
func wait(r *rig, seconds int) {
	r.t.Helper()
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-r.t.Context().Done():
	}
	synctest.Wait()
}

// A load goes on beside compactions that leave no history, as daemons make them in a
// store that is nearly full: it is of one revision all the same, though its pages
// are not.
func TestFollow_BesideCompaction(t *testing.T) {
	for name, beside := range map[string]func(r *rig, c *clientv3.Client, page int){
		"nothing of ours changes": func(r *rig, c *clientv3.Client, page int) {
			_, err := c.Put(r.t.Context(), "/other", "x")
			r.ok(err)
		},
		"what was read, and what is to be read": func(r *rig, c *clientv3.Client, page int) {
			for key, value := range map[string]string{
				fmt.Sprintf("/berth/archive/new-%d", page): "", // put behind the page, then deleted
				fmt.Sprintf("/berth/pools/a-%d", page):     `{"version":1,"txn":"x-1","strategy":"spread"}`,
				fmt.Sprintf("/berth/brakes/b-%d", page):    "x", // cannot be read, and is there
			} {
				_, err := c.Put(r.t.Context(), key, value)
				r.ok(err)
			}
			for _, key := range []string{fmt.Sprintf("archive/new-%d", page-1), fmt.Sprintf("requests/r%02d", page), fmt.Sprintf("requests/r%02d", 59-page)} {
				_, err := c.Delete(r.t.Context(), "/berth/"+key)
				r.ok(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				for i := range 60 {
					r.submit(fmt.Sprintf("r%02d", i))
				}
				c := memetcd.NewClient(r.t.Context(), r.conn.Direct) // another program's
				pages := 0
				r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
					resp, err := apply()
					if g, ok := req.(*pb.RangeRequest); ok && g.Limit == 5 {
						pages++
						at, err := c.Get(r.t.Context(), "/none")
						r.ok(err)
						_, err = c.Compact(r.t.Context(), at.Header.Revision)
						r.ok(err)
						beside(r, c, pages)
						<-time.After(300 * time.Millisecond)
					}
					return resp, err
				})
				f := r.follow(r.store(etcdstore.Options{PageSize: 5}))
				wait(r, 60)
				if len(f.deltas) == 0 {
					r.t.Fatal("in a minute it was never loaded")
				}
				r.conn.between(nil)
				first := f.loaded()
				resp, err := r.client.Get(r.t.Context(), "/berth/", clientv3.WithPrefix(), clientv3.WithRev(int64(first.Revision)))
				r.ok(err)
				want, got := map[int64]int{}, map[int64]int{} // keys of each ModRevision
				for _, kv := range resp.Kvs {
					want[kv.ModRevision]++
				}
				for _, fact := range first.Facts {
					got[int64(fact.Mod)]++
				}
				if !maps.Equal(want, got) {
					r.t.Errorf("loaded %d keys, and the store had %d others at revision %d", len(first.Facts), len(resp.Kvs), first.Revision)
				}
				r.submit("after")
				wait(r, 1)
				f.stop()
				if d := f.differs(r); len(d) > 0 {
					r.t.Errorf("after the load: %q", d)
				}
			})
		})
	}
}
