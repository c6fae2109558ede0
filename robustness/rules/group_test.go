package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// group is one whose members are not started, and may be so for an hour.
func (r *rig) group(id string, size, need int64) berth.Request {
	r.t.Helper()
	g := r.submission(id).Spec
	g.Group = &berth.Membership{Size: size, MinCount: need}
	g.StartTimeoutMS = 3_600_000
	return g.Normalize()
}

// members are a group's, and its record, as they are submitted.
func (r *rig) members(g berth.Request) (berth.Group, []berth.Submission) {
	r.t.Helper()
	digest, err := g.Digest()
	r.ok(err)
	rec := berth.Group{
		Size: g.Group.Size, MinCount: g.Group.MinCount, Digest: digest, Attempt: 1, State: berth.GroupPending, Since: time.Now().UTC(),
	}
	var all []berth.Submission
	for _, m := range g.Members() {
		own, err := m.Digest()
		r.ok(err)
		all = append(all, berth.Submission{Digest: own, SubmittedAt: time.Now().UTC(), Spec: m})
	}
	return rec, all
}

func (r *rig) submitGroup(d *daemon.Daemon, g berth.Request) {
	r.t.Helper()
	res, err := d.Submit(r.t.Context(), []berth.Request{g})
	r.ok(err)
	r.ok(res[0].Err)
	r.passes(20 * time.Millisecond) // in which it has its places, or something is kept for it
}

// large is a group whose submission takes several transactions.
func (r *rig) large() berth.Request {
	g := r.group("g", 20, 20)
	g.Env = map[string]string{"PAD": strings.Repeat("x", 60_000)}
	return g
}

// puts says whether a transaction puts a key.
func puts(req proto.Message, prefix string) bool {
	txn, ok := req.(*pb.TxnRequest)
	if !ok {
		return false
	}
	for _, op := range txn.Success {
		if strings.HasPrefix(string(op.GetRequestPut().GetKey()), "/berth/"+prefix) {
			return true
		}
	}
	return false
}

// rewritten puts a key's value again, from beside the connection that the test stands in.
func (r *rig) rewritten(key string) {
	r.t.Helper()
	resp, err := r.conn.Direct.Call(r.t.Context(), &pb.RangeRequest{Key: []byte("/berth/" + key)})
	r.ok(err)
	was := resp.(*pb.RangeResponse).Kvs[0] //nolint:errcheck // a range's answer
	_, err = r.conn.Direct.Call(r.t.Context(), &pb.PutRequest{Key: was.Key, Value: was.Value})
	r.ok(err)
}

// A submission that ends at any step is completed by its repetition, and until then
// there is no group.
func TestGroup_SubmissionEndsAtAnyStep(t *testing.T) {
	for step := range 4 {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/applied=%t", step, applied), func(t *testing.T) {
				bubble(t, func(r *rig) {
					rec, members := r.members(r.large())
					n := 0
					ctx, cancel := context.WithCancel(r.t.Context())
					r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
						if !writes(req) {
							return apply()
						}
						if n++; n <= step {
							return apply()
						}
						if applied {
							_, _ = apply()
						}
						cancel()
						return nil, errLost
					})
					_, _, err := r.SubmitGroup(ctx, "g", rec, members)
					r.conn.between(nil)
					whole := r.kv("groups/g") != nil
					for i := range members {
						if whole && r.kv("requests/"+string(members[i].Spec.ID)) == nil {
							t.Errorf("there is a group, and %s is absent: %v", members[i].Spec.ID, err)
						}
					}
					_, existing, err := r.SubmitGroup(r.t.Context(), "g", rec, members)
					r.ok(err)
					if existing != whole {
						t.Errorf("existing: %t, it was whole: %t", existing, whole)
					}
					for i := range members {
						if r.kv("requests/"+string(members[i].Spec.ID)) == nil {
							t.Errorf("%s is absent", members[i].Spec.ID)
						}
					}
				})
			})
		}
	}
}

// The transaction that makes a group compares that its earlier members are there.
func TestGroup_SubmissionComparesMembers(t *testing.T) {
	bubble(t, func(r *rig) {
		rec, members := r.members(r.large())
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "groups/") {
				r.conn.between(nil)
				r.remove("requests/g.00")
			}
			return apply()
		})
		if _, _, err := r.SubmitGroup(r.t.Context(), "g", rec, members); !errors.Is(err, etcdstore.ErrGroupIncomplete) {
			t.Errorf("submit: %v", err)
		}
		if r.kv("groups/g") != nil {
			t.Error("a group without its first member")
		}
	})
}

// Members whose group never came are not placed, and are archived after a minute.
func TestGroup_OrphansAreArchived(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		_, members := r.members(r.group("g", 3, 1))
		r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: members[0]}, {Submission: members[1]}}})
		<-time.After(59 * time.Second)
		synctest.Wait()
		if r.kv("allocations/w/g.0") != nil || r.kv("requests/g.0") == nil {
			t.Error("a member without a group was placed, or is gone too soon")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		s, err := d.Get(r.t.Context(), "g.1")
		if err != nil || s.State != berth.StateFailed || s.Reason != berth.EndIncomplete {
			t.Errorf("g.1 is %s %s, %v", s.State, s.Reason, err)
		}
		res, err := d.Submit(r.t.Context(), []berth.Request{r.group("g", 3, 1)})
		r.ok(err)
		if !errors.Is(res[0].Err, etcdstore.ErrGroupIncomplete) {
			t.Errorf("submitted again: %v", res[0].Err)
		}
		stop()
	})
}

// The first members of a group have one CreateRevision.
func TestGroup_OneTransaction(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 4 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemon()
		r.submitGroup(d, r.group("g", 8, 8))
		created := map[int64]int{}
		for i := range 8 {
			s, err := d.Get(r.t.Context(), berth.RequestID(fmt.Sprintf("g.%d", i)))
			r.ok(err)
			if kv := r.kv("allocations/" + string(s.Worker) + "/" + string(s.ID)); kv != nil {
				created[kv.CreateRevision]++
			}
		}
		if len(created) != 1 {
			t.Errorf("members by revision: %v", created)
		}
		stop()
	})
}

// A place for a later member, sent while the group's attempt goes on, does not apply
// once that is over.
func TestGroup_LatePlaceAfterTheAttempt(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		g := r.group("g", 2, 1)
		g.Resources.CPUMilli = 600 // one fits on w
		r.submitGroup(d, g)
		if r.kv("allocations/w/g.0") == nil {
			st, err := d.Group(r.t.Context(), "g")
			t.Fatalf("the first member is not placed: %+v, %v", st, err)
		}
		moved := false
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "allocations/v/g.1") && !moved {
				moved = true
				r.conn.between(nil)
				r.commit(&berth.Plan{ID: r.NewTxnID(), Groups: []berth.GroupWrite{{ID: "g", Was: r.mod("groups/g"), Group: &berth.Group{
					Size: 2, MinCount: 1, Digest: "x", Attempt: 2, State: berth.GroupPending, Since: time.Now().UTC(),
				}}}})
			}
			return apply()
		})
		r.worker("v")
		<-time.After(time.Second)
		synctest.Wait()
		if !moved {
			t.Error("the later member was never sent")
		}
		stop() // the invariants have looked at every revision
	})
}

// A hold keeps new placements off its workers for a second, and no longer, even where
// its key stays.
func TestHold_KeepsOffForASecond(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		_, err := r.client.Put(r.t.Context(), "/berth/holds/other", `{"version":1,"txn":"t","workers":["w"]}`)
		r.ok(err)
		synctest.Wait()
		r.run(d, "r", nil)
		<-time.After(900 * time.Millisecond)
		synctest.Wait()
		if r.kv("allocations/w/r") != nil {
			t.Error("placed on a worker that is held")
		}
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if r.kv("allocations/w/r") == nil {
			t.Error("not placed when the hold's time was over")
		}
		stop()
	})
}

// A group that has conflicted twice puts a hold, and its placement takes it away.
func TestHold_AfterTwoConflicts(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 3 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		conflicts, held := 0, 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "holds/g") {
				held++
			}
			if puts(req, "groups/g") && puts(req, "allocations/") && conflicts < 2 {
				conflicts++
				r.rewritten("ledgers/w1")
			}
			return apply()
		})
		r.submitGroup(d, r.group("g", 3, 3))
		<-time.After(time.Second / 2)
		synctest.Wait()
		if conflicts != 2 || held != 1 {
			t.Errorf("%d conflicts, %d holds", conflicts, held)
		}
		if r.kv("holds/g") != nil {
			t.Error("the placement has left the hold")
		}
		g, err := d.Group(r.t.Context(), "g")
		if err != nil || g.Record.State != berth.GroupPlaced {
			t.Errorf("%+v, %v", g.Record, err)
		}
		stop()
	})
}

// Who rewrites a group's record compares it: of two members that end at once, both count.
func TestGroup_RecordCompared(t *testing.T) {
	bubble(t, func(r *rig) {
		rec, members := r.members(r.group("g", 2, 2))
		_, _, err := r.SubmitGroup(r.t.Context(), "g", rec, members)
		r.ok(err)
		was := r.mod("groups/g")
		rec.Failed = 1
		r.commit(&berth.Plan{ID: r.NewTxnID(), Groups: []berth.GroupWrite{{ID: "g", Was: was, Group: &rec}}})
		r.conflicts(&berth.Plan{ID: r.NewTxnID(), Groups: []berth.GroupWrite{{ID: "g", Was: was, Group: &rec}}})
		r.conflicts(&berth.Plan{ID: r.NewTxnID(), Groups: []berth.GroupWrite{{ID: "g", Was: was}}})
	})
}
