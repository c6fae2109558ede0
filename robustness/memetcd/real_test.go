package memetcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Limits of both stores, small so that tests meet them.
const (
	testTxnOps       = 8
	testRequestBytes = 16 << 10
)

// embedded is a real etcd that the tests of this package share.
var embedded *realEtcd //nolint:gochecknoglobals // TestMain makes and ends it

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "memetcd")
	if err == nil {
		embedded, err = startReal(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	embedded.close()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

type realEtcd struct {
	etcd   *embed.Etcd
	client *clientv3.Client
}

func startReal(dir string) (*realEtcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir, cfg.UnsafeNoFsync = dir, true
	local, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	cfg.ListenClientUrls, cfg.ListenPeerUrls = []url.URL{*local}, []url.URL{*local}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.MaxTxnOps, cfg.MaxRequestBytes = testTxnOps, testRequestBytes
	cfg.WatchProgressNotifyInterval = 200 * time.Millisecond
	r := &realEtcd{}
	if r.etcd, err = embed.StartEtcd(cfg); err != nil {
		return nil, err
	}
	select {
	case <-r.etcd.Server.ReadyNotify():
	case err := <-r.etcd.Err():
		return nil, err
	}
	r.client, err = clientv3.New(clientv3.Config{Endpoints: []string{r.etcd.Clients[0].Addr().String()}, Logger: zap.NewNop()})
	return r, err
}

func (r *realEtcd) close() {
	_ = r.client.Close() // the server goes too
	r.etcd.Close()
}

// do sends a request of etcd's protocol, past the client's own retries.
func (r *realEtcd) do(ctx context.Context, req proto.Message) (proto.Message, error) {
	conn := r.client.ActiveConnection()
	kv, lease, maintenance := pb.NewKVClient(conn), pb.NewLeaseClient(conn), pb.NewMaintenanceClient(conn)
	switch v := req.(type) {
	case *pb.RangeRequest:
		return kv.Range(ctx, v)
	case *pb.PutRequest:
		return kv.Put(ctx, v)
	case *pb.DeleteRangeRequest:
		return kv.DeleteRange(ctx, v)
	case *pb.TxnRequest:
		return kv.Txn(ctx, v)
	case *pb.CompactionRequest:
		return kv.Compact(ctx, v)
	case *pb.LeaseGrantRequest:
		return lease.LeaseGrant(ctx, v)
	case *pb.LeaseRevokeRequest:
		return lease.LeaseRevoke(ctx, v)
	case *pb.LeaseTimeToLiveRequest:
		return lease.LeaseTimeToLive(ctx, v)
	case *pb.LeaseLeasesRequest:
		return lease.LeaseLeases(ctx, v)
	case *pb.LeaseKeepAliveRequest:
		return keepAliveOnce(ctx, lease, v)
	case *pb.AlarmRequest:
		return maintenance.Alarm(ctx, v)
	}
	return nil, fmt.Errorf("%T is not sent", req)
}

func keepAliveOnce(ctx context.Context, c pb.LeaseClient, r *pb.LeaseKeepAliveRequest) (proto.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.LeaseKeepAlive(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(r); err != nil {
		return nil, err
	}
	return stream.Recv()
}

// pair is both stores, empty and at a revision that is called 1.
type pair struct {
	mem    *Store
	direct *Direct
	offset int64 // real revisions are so much higher
}

// newPair empties the real store and brings a new one to its state.
func newPair(ctx context.Context, fail func(format string, args ...any)) *pair {
	must := func(req proto.Message) proto.Message {
		resp, err := embedded.do(ctx, req)
		if err != nil {
			fail("prepare etcd with %T: %v", req, err)
		}
		return resp
	}
	must(&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE})
	leases, _ := must(&pb.LeaseLeasesRequest{}).(*pb.LeaseLeasesResponse)
	for _, l := range leases.GetLeases() {
		must(&pb.LeaseRevokeRequest{ID: l.ID})
	}
	must(&pb.PutRequest{Key: []byte("gone")})
	gone, _ := must(&pb.DeleteRangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}).(*pb.DeleteRangeResponse)
	must(&pb.CompactionRequest{Revision: gone.GetHeader().GetRevision(), Physical: true})
	p := &pair{mem: New(Config{MaxTxnOps: testTxnOps, MaxRequestBytes: testRequestBytes}), offset: gone.GetHeader().GetRevision() - 1}
	if _, err := p.mem.Do(&pb.CompactionRequest{Revision: 1}); err != nil {
		fail("compact the empty store: %v", err)
	}
	p.direct = NewDirect(p.mem)
	return p
}

// isRevision says whether a field holds one.
func isRevision(name protoreflect.Name) bool {
	return name == "revision" || strings.HasSuffix(string(name), "_revision")
}

// shift adds to every revision in a message that is not 0, and blanks what
// differs from store to store.
func shift(m proto.Message, by int64) proto.Message {
	c := proto.Clone(m)
	shiftIn(c.ProtoReflect(), by)
	return c
}

func shiftIn(m protoreflect.Message, by int64) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				shiftIn(v.List().Get(i).Message(), by)
			}
		case f.Message() != nil && !f.IsMap():
			shiftIn(v.Message(), by)
		case f.Kind() == protoreflect.Int64Kind && isRevision(f.Name()) && v.Int() != 0:
			m.Set(f, protoreflect.ValueOfInt64(v.Int()+by))
		case f.Name() == "cluster_id" || f.Name() == "member_id" || f.Name() == "memberID" || f.Name() == "raft_term":
			m.Clear(f)
		}
		return true
	})
}

// both sends a request, whose revisions are the new store's, to both stores and
// says how the answers differ.
func (p *pair) both(ctx context.Context, req proto.Message) (difference string) {
	mem, memErr := p.direct.Call(ctx, req)
	want, wantErr := embedded.do(ctx, shift(req, p.offset))
	if problem := differ(wantErr, memErr); problem != "" {
		return problem
	}
	if wantErr != nil {
		return ""
	}
	got, wanted := normal(shift(mem, 0)), normal(shift(want, -p.offset))
	if !proto.Equal(got, wanted) {
		return fmt.Sprintf("got  %v\nwant %v", got, wanted)
	}
	return ""
}

func differ(want, got error) string {
	w, g := status.Convert(want), status.Convert(got)
	if w.Code() != g.Code() || w.Code().String() != "ResourceExhausted" && w.Message() != g.Message() {
		return fmt.Sprintf("got error  %v\nwant error %v", got, want)
	}
	return ""
}

// normal blanks what time decides, and orders what etcd leaves in any order.
func normal(m proto.Message) proto.Message {
	switch v := m.(type) {
	case *pb.LeaseTimeToLiveResponse:
		v.TTL = min(v.TTL, 0)
		sortBytes(v.Keys)
	case *pb.LeaseLeasesResponse:
		sortLeases(v.Leases)
	case *pb.RangeResponse:
		if len(v.Kvs) == 0 {
			v.Kvs = nil
		}
	}
	return m
}
