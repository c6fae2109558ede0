package memetcd

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// bothClients runs a test on the store in memory and on the embedded etcd.
func bothClients(t *testing.T, test func(t *testing.T, c *clientv3.Client, p *pair)) {
	p := newPair(t.Context(), t.Fatalf)
	ctx, cancel := context.WithCancel(t.Context())
	go p.direct.Run(ctx)
	t.Cleanup(cancel)
	t.Run("memory", func(t *testing.T) { test(t, NewClient(t.Context(), p.direct), p) })
	t.Run("etcd", func(t *testing.T) { test(t, embedded.client, p) })
}

func receive(t *testing.T, c clientv3.WatchChan) clientv3.WatchResponse {
	t.Helper()
	select {
	case r, open := <-c:
		if !open {
			t.Fatal("the watch was closed")
		}
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return clientv3.WatchResponse{}
}

func TestWatch_CreatedAndProgress(t *testing.T) {
	bothClients(t, func(t *testing.T, c *clientv3.Client, _ *pair) {
		watch := c.Watch(t.Context(), "p", clientv3.WithCreatedNotify())
		if r := receive(t, watch); !r.Created || len(r.Events) > 0 {
			t.Fatalf("first response %+v, want created", r)
		}
		put, err := c.Put(t.Context(), "elsewhere", "")
		if err != nil {
			t.Fatal(err)
		}
		for {
			if err := c.RequestProgress(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := receive(t, watch)
			if !r.IsProgressNotify() {
				t.Fatalf("response %+v, want progress", r)
			}
			if r.Header.Revision >= put.Header.Revision {
				return
			}
		}
	})
}

// What a watch does not want is passed over: nothing is pending, it is told how
// far it has come, and a compaction of it does not end the watch.
func TestWatch_Pending(t *testing.T) {
	s := New(Config{})
	put := func(key string) {
		t.Helper()
		if _, err := s.Do(&pb.PutRequest{Key: []byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	watches := map[string]*Watch{}
	for name, r := range map[string]*pb.WatchCreateRequest{
		"key": {Key: []byte("p/1")}, "prefix": {Key: []byte("p/"), RangeEnd: []byte("p0")}, "all": {Key: []byte("a"), RangeEnd: []byte{0}},
		"deletes": {Key: []byte("p/1"), Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}},
	} {
		watches[name], _ = s.Watch(r)
	}
	for _, step := range []struct {
		put  string
		want map[string]bool
	}{
		{"elsewhere", map[string]bool{"all": true}},
		{"p/2", map[string]bool{"prefix": true, "all": true}},
		{"p/1", map[string]bool{"key": true, "prefix": true, "all": true}},
	} {
		put(step.put)
		if _, err := s.Do(&pb.CompactionRequest{Revision: s.Revision()}); err != nil {
			t.Fatal(err)
		}
		for name, w := range watches {
			pending := s.Pending(w)
			told := s.Next(w, 0)
			if pending != step.want[name] || (len(told) > 0) != pending || pending && (len(told[0].Events) != 1 || told[0].Canceled) {
				t.Errorf("watch of %s after a put of %s: pending %t, then told %v", name, step.put, pending, told)
			}
			if p := s.Progress(w); p == nil || p.Header.Revision != s.Revision() {
				t.Errorf("watch of %s after a put of %s: progress %v", name, step.put, p)
			}
		}
	}
}

// Events that are larger than one message come in parts, which the client joins;
// both stores cut at the same size.
func TestWatch_Fragments(t *testing.T) {
	const puts = 150
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := newPair(ctx, t.Fatalf)
	for i := range puts {
		put := &pb.PutRequest{Key: fmt.Appendf(nil, "big%03d", i), Value: bytes.Repeat([]byte("v"), testRequestBytes*3/4)}
		if problem := p.both(ctx, put); problem != "" {
			t.Fatal(problem)
		}
	}
	create := func(rev int64) *pb.WatchCreateRequest {
		return &pb.WatchCreateRequest{Key: []byte("big"), RangeEnd: []byte("bih"), StartRevision: rev, Fragment: true}
	}
	w, _ := p.mem.Watch(create(2))
	got := p.mem.Next(w, 0)
	stream, err := pb.NewWatchClient(embedded.client.ActiveConnection()).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create(2 + p.offset)}}); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err != nil || !r.Created {
		t.Fatalf("first response %v, error %v", r, err)
	}
	for i, part := range got {
		want, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(part.Events) != len(want.Events) || part.Fragment != want.Fragment {
			t.Errorf("part %d: %d events, more %t; want %d, %t", i, len(part.Events), part.Fragment, len(want.Events), want.Fragment)
		}
	}
	if len(got) < 3 {
		t.Errorf("%d parts, want several", len(got))
	}
	watch := NewClient(ctx, p.direct).Watch(ctx, "big", clientv3.WithPrefix(), clientv3.WithRev(2), clientv3.WithFragment())
	if r := receive(t, watch); len(r.Events) != puts {
		t.Errorf("the client joined %d events, want %d", len(r.Events), puts)
	}
}

func TestLease_Expires(t *testing.T) {
	bothClients(t, func(t *testing.T, c *clientv3.Client, _ *pair) {
		lease, err := c.Grant(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if lease.TTL != 2 {
			t.Errorf("granted %d s, want the least: 2", lease.TTL)
		}
		for _, key := range []string{"l2", "l1"} {
			if _, err := c.Put(t.Context(), key, "", clientv3.WithLease(lease.ID)); err != nil {
				t.Fatal(err)
			}
		}
		r := receive(t, c.Watch(t.Context(), "l", clientv3.WithPrefix(), clientv3.WithFilterPut()))
		if len(r.Events) != 2 || string(r.Events[0].Kv.Key) != "l1" || r.Events[0].Kv.ModRevision != r.Events[1].Kv.ModRevision {
			t.Errorf("events %v, want l1 and l2 deleted at one revision", r.Events)
		}
		if ttl, err := c.TimeToLive(t.Context(), lease.ID); err != nil || ttl.TTL != -1 {
			t.Errorf("time to live %+v, error %v; want -1", ttl, err)
		}
		if _, err := c.KeepAliveOnce(t.Context(), lease.ID); err == nil {
			t.Error("a lease that is over was kept alive")
		}
	})
}

func TestStore_RefusesWhatIsTooLarge(t *testing.T) {
	p := newPair(t.Context(), t.Fatalf)
	for _, size := range []int{testRequestBytes, grpcOverhead + 2*testRequestBytes} {
		put := &pb.PutRequest{Key: []byte("large"), Value: make([]byte, size)}
		if problem := p.both(t.Context(), put); problem != "" {
			t.Errorf("%d bytes: %s", size, problem)
		}
	}
}

func TestStore_FullRaisesTheAlarm(t *testing.T) {
	s := New(Config{QuotaBytes: 4 << 10})
	put := &pb.PutRequest{Key: []byte("a"), Value: make([]byte, 1<<10)}
	var err error
	for range 10 {
		if _, err = s.Do(put); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("a store of 4 KiB took 10 KiB")
	}
	if _, err := s.Do(&pb.LeaseGrantRequest{TTL: 10}); err == nil {
		t.Error("a lease was granted under the alarm")
	}
	if _, err := s.Do(&pb.CompactionRequest{Revision: s.Revision()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(&pb.DefragmentRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(put); err != nil {
		t.Errorf("after compaction, defragmentation and disarming: %v", err)
	}
}

func TestStore_StaleReads(t *testing.T) {
	s := New(Config{})
	for _, v := range []string{"old", "new"} {
		if _, err := s.Do(&pb.PutRequest{Key: []byte("a"), Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
	read := &pb.RangeRequest{Key: []byte("a"), Serializable: true}
	txn := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: read}}}}
	if !Serializable(read) || !Serializable(txn) || Serializable(&pb.RangeRequest{}) || Serializable(&pb.TxnRequest{}) {
		t.Error("which requests any member may answer is not told")
	}
	one, err := s.Stale(read, 2)
	if err != nil {
		t.Fatal(err)
	}
	many, err := s.Stale(txn, 2)
	if err != nil {
		t.Fatal(err)
	}
	kvs := one.(*pb.RangeResponse).Kvs                                               //nolint:errcheck // its kind is the request's
	kvs = append(kvs, many.(*pb.TxnResponse).Responses[0].GetResponseRange().Kvs...) //nolint:errcheck // as above
	for _, kv := range kvs {
		if string(kv.Value) != "old" {
			t.Errorf("a member that has not applied revision 3 answers %q", kv.Value)
		}
	}
}

// A new leader renews all leases.
func TestStore_NewLeader(t *testing.T) {
	s := New(Config{})
	if _, err := s.Do(&pb.LeaseGrantRequest{ID: 1, TTL: 10}); err != nil {
		t.Fatal(err)
	}
	s.Advance(9 * time.Second)
	s.NewLeader()
	s.Advance(18 * time.Second)
	if n := s.Expire(); n != 0 {
		t.Errorf("%d leases ended before their renewed time", n)
	}
	s.Advance(19 * time.Second)
	if n := s.Expire(); n != 1 {
		t.Errorf("%d leases ended, want 1", n)
	}
}

// The client works where time is simulated.
func TestClient_InABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := NewDirect(New(Config{}))
		go d.Run(ctx)
		c := NewClient(ctx, d)
		lease, err := c.Grant(ctx, 60)
		if err != nil {
			t.Fatal(err)
		}
		watch := c.Watch(ctx, "a")
		if _, err := c.Put(ctx, "a", "1", clientv3.WithLease(lease.ID)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		<-watch
		if r := <-watch; len(r.Events) != 1 || r.Events[0].Type != clientv3.EventTypeDelete {
			t.Errorf("%+v, want the key's end", r)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+ExpiryPoll {
			t.Errorf("a lease of 60 s ended after %s", took)
		}
		cancel()
		synctest.Wait()
	})
}
