package memetcd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func sortBytes(list [][]byte) { slices.SortFunc(list, bytes.Compare) }

func sortLeases(list []*pb.LeaseStatus) {
	slices.SortFunc(list, func(a, b *pb.LeaseStatus) int { return cmp.Compare(a.ID, b.ID) })
}

// TestStore_AnswersAsEtcd sends the same random requests to the store in memory
// and to an embedded etcd: the same answers and errors must come, and the same
// events from watches.
func TestStore_AnswersAsEtcd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := newPair(ctx, rt.Fatalf)
		g := &generator{t: rt}
		var watches []*watchPair
		for range rapid.IntRange(1, 40).Draw(rt, "operations") {
			g.revision = p.mem.Revision()
			if g.chance("watch", 10) && len(watches) < 4 {
				watches = append(watches, p.watch(ctx, g.watch()))
				continue
			}
			req := g.request()
			if problem := p.both(ctx, req); problem != "" {
				rt.Fatalf("%T %.2000v:\n%.4000s", req, req, problem)
			}
		}
		p.end(ctx, rt, watches)
	})
}

// watchPair is one watch on both stores.
type watchPair struct {
	options   []string
	mem, real clientv3.WatchChan
}

func (p *pair) watch(ctx context.Context, w watchSpec) *watchPair {
	client := NewClient(ctx, p.direct)
	rev := w.revision
	if rev > 0 {
		rev += p.offset
	}
	pair := &watchPair{options: w.names}
	pair.mem = client.Watch(ctx, w.key, append(w.options, clientv3.WithRev(w.revision), clientv3.WithCreatedNotify())...)
	pair.real = embedded.client.Watch(ctx, w.key, append(w.options, clientv3.WithRev(rev), clientv3.WithCreatedNotify())...)
	return pair
}

// end writes and deletes a last key that every watch is told of in one way or
// the other, and compares all that the watches were told.
func (p *pair) end(ctx context.Context, t *rapid.T, watches []*watchPair) {
	for _, req := range []proto.Message{
		&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE},
		&pb.PutRequest{Key: []byte("k"), Value: []byte("last")},
		&pb.DeleteRangeRequest{Key: []byte("k")},
	} {
		if problem := p.both(ctx, req); problem != "" {
			t.Fatalf("at the end, %T %v:\n%s", req, req, problem)
		}
	}
	last := p.mem.Revision()
	for _, w := range watches {
		got, want := drain(ctx, w.mem, last, 0), drain(ctx, w.real, last+p.offset, p.offset)
		if !slices.EqualFunc(got, want, func(mem, real told) bool { return mem.as(real, p.mem.Compacted()) }) {
			t.Fatalf("watch %v, compacted %d:\ngot  %v\nwant %v", w.options, p.mem.Compacted(), got, want)
		}
	}
}

// told is what a watch was told: an event, or how it ended.
type told struct {
	text  string
	event *mvccpb.Event
}

func (t told) String() string { return t.text }

// as says whether a watch was told what etcd's was. etcd reads an event's previous
// value when it sends the event, and leaves it out where a compaction came first.
func (t told) as(real told, compacted int64) bool {
	if t.text == real.text {
		return true
	}
	if t.event == nil || real.event == nil || real.event.PrevKv != nil || t.event.Kv.ModRevision-1 >= compacted {
		return false
	}
	bare := proto.CloneOf(t.event)
	bare.PrevKv = nil
	return proto.Equal(bare, real.event)
}

// drain tells what a watch was told up to a revision, less offset.
func drain(ctx context.Context, c clientv3.WatchChan, last, offset int64) []told {
	var all []told
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return append(all, told{text: "and nothing more"})
		case resp, open := <-c:
			if !open {
				return append(all, told{text: "closed"})
			}
			if resp.Canceled {
				return append(all, told{text: fmt.Sprintf("cancelled, compacted %d: %v", resp.CompactRevision-offset, resp.Err())})
			}
			for _, e := range resp.Events {
				own := shift(e, -offset)
				all = append(all, told{text: fmt.Sprint(own), event: own.(*mvccpb.Event)}) //nolint:errcheck // a clone of one
				if e.Kv.ModRevision >= last-1 && string(e.Kv.Key) == "k" {
					return all
				}
			}
		}
	}
}
