package bench

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/berthd/berth"
)

// placing of r1 on w1, beside one of another request, as etcdstore sends it.
func placed() *pb.TxnRequest {
	return &pb.TxnRequest{
		Compare: []*pb.Compare{modIs("/p/requests/r1", 0), modIs("/p/ledgers/w1", 7), createIs("/p/workers/w1", 5), modIs("/p/schema", 2)},
		Success: []*pb.RequestOp{put("/p/requests/r1", "request"), put("/p/ledgers/w1", "ledger"), put("/p/allocations/w1/r1", "allocation")},
		Failure: []*pb.RequestOp{get("/p/requests/r1"), get("/p/ledgers/w1"), get("/p/schema")},
	}
}

func ended() *pb.TxnRequest {
	return &pb.TxnRequest{
		Compare: []*pb.Compare{modIs("/p/allocations/w1/r1", 9), above(createIs("/p/requests/r1", 0))},
		Success: []*pb.RequestOp{remove("/p/allocations/w1/r1")},
	}
}

func puts(key string) *pb.TxnRequest {
	return &pb.TxnRequest{Success: []*pb.RequestOp{put(key, "x")}}
}

func TestLearn(t *testing.T) {
	got, err := learn([]*pb.TxnRequest{placed(), puts("/p/requests/r2"), ended()}, "/p/", "r1", "w1")
	if err != nil || len(got.steps) != 2 {
		t.Fatalf("%d steps: %v", len(got.steps), err)
	}
	if from := got.steps[1].cmps[0].from; from != 0 {
		t.Errorf("the end compares what step %d put, want 0", from)
	}
	f := &fleet{etcd: &etcd{prefix: "/q/"}, schema: 3, workers: []fleetWorker{{id: "w8", epoch: 11}, {id: "w9", epoch: 12}}, mods: mods{21, 22}}
	m := &maker{fleet: f, templates: []template{got}}
	txns := m.batch([]unit{{id: "a", worker: 1}, {id: "b", worker: 1}, {id: "c", worker: 0}})
	want := []string{
		"/q/requests/a", "/q/ledgers/w9", "/q/allocations/w9/a", "/q/requests/b", "/q/allocations/w9/b",
		"/q/requests/c", "/q/ledgers/w8", "/q/allocations/w8/c",
	}
	if diff := cmp.Diff(want, keysOf(txns[0].Success)); diff != "" {
		t.Errorf("puts (-want +got):\n%s", diff)
	}
	if n := len(txns[0].Compare); n != 3+2+2+1 {
		t.Errorf("%d compares, want one of each request, two of each worker, one of the schema", n)
	}
	if p := txns[0].patches; len(p) != 2 || p[0].worker != 1 || p[1].worker != 0 {
		t.Errorf("patches %+v, want the ledgers of both workers", p)
	}
	if p := txns[1].patches; len(p) != 3 || p[0].worker != -1 {
		t.Errorf("patches of the end %+v, want each allocation", p)
	}
	if !txns[0].first || txns[0].last || !txns[1].last || txns[1].members != 3 {
		t.Errorf("steps %+v", txns)
	}
}

func keysOf(ops []*pb.RequestOp) (keys []string) {
	for _, op := range ops {
		o, _ := operationOf(op)
		keys = append(keys, o.key)
	}
	return keys
}

// Nothing of a bare loop depends on what was written before.
func TestMaker_Bare(t *testing.T) {
	got, err := learn([]*pb.TxnRequest{placed(), ended()}, "/p/", "r1", "w1")
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{fleet: &fleet{etcd: &etcd{prefix: "/p/"}, workers: make([]fleetWorker, 1), mods: make(mods, 1)}, templates: []template{got}, bare: true}
	for _, txn := range m.batch([]unit{{id: "a"}}) {
		if len(txn.patches) > 0 {
			t.Errorf("patches %+v", txn.patches)
		}
	}
}

func TestLearn_Refuses(t *testing.T) {
	strange := placed()
	strange.Success = append(strange.Success, put("/p/states/r2", "x"))
	value := placed()
	value.Compare = append(value.Compare, &pb.Compare{Target: pb.Compare_VALUE, Key: []byte("/p/requests/r1")})
	tests := []struct {
		name string
		all  []*pb.TxnRequest
		want string
	}{
		{"not seen", nil, errNotSeen.Error()},
		{"another request's key", []*pb.TxnRequest{strange}, "belongs neither"},
		{"another prefix", []*pb.TxnRequest{puts("/o/requests/r1")}, "is not under"},
		{"unknown compare", []*pb.TxnRequest{value}, "does not know"},
		{"compares what nobody put", []*pb.TxnRequest{ended()}, "no step before"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := learn(tt.all, "/p/", "r1", "w1")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if tt.all == nil && !errors.Is(err, errNotSeen) {
				t.Errorf("%v is not errNotSeen", err)
			}
		})
	}
}

func TestFits(t *testing.T) {
	got, err := learn([]*pb.TxnRequest{placed()}, "/p/", "r1", "w1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		n, ops, bytes int
		want          bool
	}{
		{5, 16, 1000, true}, // 3 compares each and the schema
		{6, 18, 1000, false},
		{5, 100, 5 * 23, true}, // "request", "ledger", "allocation"
		{5, 100, 5*23 - 1, false},
	} {
		if fits([]template{got}, tt.n, tt.ops, tt.bytes) != tt.want {
			t.Errorf("%+v", tt)
		}
	}
}

// No worker is in two lanes, and nothing is lost.
func TestLanes(t *testing.T) {
	var units []unit
	for i := range 1000 {
		units = append(units, unit{id: string(requestID('b', i)), worker: i % 37})
	}
	of, n := map[int]int{}, 0
	for i, lane := range lanes(units, 5) {
		for k, u := range lane {
			if at, seen := of[u.worker]; seen && at != i {
				t.Errorf("worker %d is in lanes %d and %d", u.worker, at, i)
			}
			if of[u.worker] = i; k > 0 && lane[k-1].id > u.id {
				t.Errorf("%s comes after %s", u.id, lane[k-1].id)
			}
			n++
		}
	}
	if n != len(units) {
		t.Errorf("%d of %d units", n, len(units))
	}
}

func TestRequestID_Length(t *testing.T) {
	for _, n := range []int{0, 9, maxRequests} {
		if id := requestID('b', n); len(id) != 9 || berth.CheckID("id", string(id)) != nil {
			t.Errorf("%d is %q", n, id)
		}
	}
}
