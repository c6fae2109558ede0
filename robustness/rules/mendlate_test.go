package rules

import (
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// A tenant's record and its blocks are deleted by one transaction, for it has no quota any more; and a daemon is told of the first by
// the answer to a plan that compared that alone. It takes no block for one without its record, which it would put back.
func TestLoan_RecordGoneBeforeItsBlock(t *testing.T) {
	for _, lender := range []berth.TenantID{"b", "c", "e", "f"} { // of whichever daemon it is to mend
		t.Run(string(lender), func(t *testing.T) {
			bubble(t, func(r *rig) {
				var kills []func()
				defer func() { endAll(kills) }()
				for _, w := range []berth.WorkerID{"w", "v", "u", "s", "q"} { // each daemon has some
					_, kill := r.lives(w)
					kills = append(kills, kill)
				}
				ds, stop := r.several(2)
				r.guarantee(ds[0], "a", 900, 0)
				r.guarantee(ds[0], lender, 300, 300)
				r.run(ds[0], "x", some(lender, 100))
				for _, w := range []string{"w", "v", "u", "s", "q"} {
					if r.kv("allocations/"+w+"/x") != nil {
						r.ends(w, "x")
					}
				}
				r.passes(time.Second)
				record := "/berth/tenants/" + string(lender)
				resp, err := r.client.Get(r.t.Context(), record+"/", clientv3.WithPrefix())
				r.ok(err)
				if len(resp.Kvs) != 1 {
					r.t.Fatalf("%d blocks are left over", len(resp.Kvs))
				}
				block := string(resp.Kvs[0].Key)
				other := ds[0]
				if strings.HasSuffix(block, "d0") {
					other = ds[1]
				}
				late := make(chan struct{})
				r.conn.hear(func(*pb.WatchResponse) { <-late })
				_, err = r.client.Txn(r.t.Context()).Then(clientv3.OpDelete(record), clientv3.OpDelete(block)).Commit()
				r.ok(err)
				for _, id := range ids("a", 8) {
					s := r.submission(id).Spec
					some("a", 30)(&s)
					_, err = other.Submit(r.t.Context(), []berth.Request{s})
					r.ok(err)
				}
				r.passes(2 * time.Second)
				if rec := r.record(lender); rec != "" {
					r.t.Errorf("the record is back: %s, fsck says %v", rec, r.fsck())
				}
				r.conn.hear(nil)
				close(late)
				r.passes(2 * time.Second)
				stop()
			})
		})
	}
}
