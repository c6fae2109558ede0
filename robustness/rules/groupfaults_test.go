package rules

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// groupState is a group's state, or why there is none.
func (r *rig) groupState(d *daemon.Daemon, id berth.GroupID) string {
	r.t.Helper()
	g, err := d.Group(r.t.Context(), id)
	if err != nil {
		return err.Error()
	}
	return string(g.Record.State)
}

// placesGroup says whether a transaction places group g.
func placesGroup(req proto.Message) bool { return puts(req, "groups/g") && puts(req, "allocations/") }

// A group whose hold cannot be put is placed all the same.
func TestHold_Refused(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 3 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%d", i)))
		}
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		conflicts, grants := 0, 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if g, ok := req.(*pb.LeaseGrantRequest); ok && g.TTL == 1 {
				grants++
				return nil, errLost
			}
			if placesGroup(req) && conflicts < 2 {
				conflicts++
				r.rewritten("ledgers/w1")
			}
			return apply()
		})
		r.submitGroup(d, r.group("g", 3, 3))
		<-time.After(10 * time.Second)
		synctest.Wait()
		if s := r.groupState(d, "g"); s != string(berth.GroupPlaced) || grants == 0 {
			t.Errorf("after %d conflicts and %d holds that were refused the group is %s", conflicts, grants, s)
		}
		stop()
	})
}

// A group that waits for another request to come is tried when that has come.
func TestGroup_WokenByARelation(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		r.worker("v")
		d, stop := r.daemon()
		g := r.group("g", 2, 2)
		g.Affinity = []berth.Affinity{{Requests: &berth.RequestLabel{Label: "app", Value: "db"}, Topology: "host"}}
		r.submitGroup(d, g)
		<-time.After(time.Second)
		if s := r.groupState(d, "g"); s != string(berth.GroupPending) {
			t.Errorf("near to nothing, and %s", s)
		}
		r.run(d, "db", func(q *berth.Request) { q.Labels = map[string]string{"app": "db"}; q.StartTimeoutMS = 3_600_000 })
		<-time.After(time.Second)
		synctest.Wait()
		if s := r.groupState(d, "g"); s != string(berth.GroupPlaced) {
			t.Errorf("what it is to be near to has come, and it is %s", s)
		}
		stop()
	})
}

// Groups that must be apart from each other are planned by one daemon, as single requests are.
func TestGroup_ApartWhoeverPlans(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 8 {
			lease, err := r.KeepLease(r.t.Context(), 60*time.Second)
			r.ok(err)
			reg := r.registration(lease)
			w := berth.WorkerID(fmt.Sprintf("w%d", i))
			reg.Labels = map[string]string{"rack": fmt.Sprint(i / 4)}
			epoch, err := r.RegisterWorker(r.t.Context(), w, reg)
			r.ok(err)
			r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{r.opened(w, epoch, lease)}})
		}
		a, stopA := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "a"})
		other := r.side()
		_, stopB := other.daemonOn(other.store(etcdstore.Options{}), daemon.Options{ID: "b"})
		<-time.After(time.Second)
		synctest.Wait()
		for i := range 12 {
			label := berth.RequestLabel{Label: "app", Value: fmt.Sprint("x", i)}
			for _, id := range []string{"p", "q"} {
				g := r.group(fmt.Sprint(id, i), 1, 1)
				g.Resources.CPUMilli = 10
				g.Labels = map[string]string{"app": label.Value}
				g.AntiAffinity = []berth.Affinity{{Requests: &label, Topology: "rack"}}
				go func() { _, _ = a.Submit(r.t.Context(), []berth.Request{g}) }()
			}
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			racks := map[int]int{}
			for _, id := range []string{"p", "q"} {
				s, err := a.Get(r.t.Context(), berth.RequestID(fmt.Sprint(id, i, ".0")))
				r.ok(err)
				if s.Worker == "" {
					t.Fatalf("%s%d is not placed", id, i)
				}
				racks[int(s.Worker[1]-'0')/4]++
			}
			if len(racks) != 2 {
				t.Errorf("pair %d is in one rack", i)
			}
		}
		stopA()
		stopB()
	})
}

// What is submitted by itself does not wait until all groups are placed.
func TestGroup_TakesTurns(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 20 {
			r.worker(berth.WorkerID(fmt.Sprintf("w%02d", i)))
		}
		for i := range 80 {
			id := fmt.Sprintf("g%02d", i)
			g := r.group(id, 1, 1)
			g.Resources.CPUMilli = 10
			rec, members := r.members(g)
			_, _, err := r.SubmitGroup(r.t.Context(), berth.GroupID(id), rec, members)
			r.ok(err)
		}
		var mu sync.Mutex // guards the two below it
		groups, before := 0, -1
		ready := make(chan *daemon.Daemon, 1)
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if writes(req) {
				<-time.After(5 * time.Millisecond)
			}
			mu.Lock()
			if puts(req, "groups/") {
				if groups++; groups == 10 {
					go func() {
						_, _ = (<-ready).Submit(r.t.Context(), []berth.Request{r.submission("single").Spec})
					}()
				}
			}
			if puts(req, "requests/single") && before < 0 {
				before = groups
			}
			mu.Unlock()
			return apply()
		})
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		ready <- d
		<-time.After(10 * time.Second)
		synctest.Wait()
		r.conn.between(nil)
		mu.Lock()
		if groups != 80 || before < 0 || before > 13 {
			t.Errorf("submitted when 10 of %d groups were placed, it came after %d", groups, before)
		}
		mu.Unlock()
		stop()
	})
}

// A group of which the store refuses the placement for good is tried again after a pause
// that grows.
func TestGroup_SetAside(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		tries := 0
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if placesGroup(req) {
				tries++
				return nil, rpctypes.ErrGRPCRequestTooLarge
			}
			return apply()
		})
		r.submitGroup(d, r.group("g", 2, 2))
		<-time.After(20 * time.Second)
		synctest.Wait()
		if tries < 2 || tries > 6 {
			t.Errorf("%d tries in 20 s", tries)
		}
		r.conn.between(nil)
		<-time.After(20 * time.Second)
		synctest.Wait()
		if s := r.groupState(d, "g"); s != string(berth.GroupPlaced) {
			t.Errorf("when the store takes it, it is %s", s)
		}
		stop()
	})
}

// Members whose group never came end as incomplete, whatever ends them: so the
// repetition of its submission is not told that there was one.
func TestGroup_OrphansEndAsIncomplete(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(r *rig, d *daemon.Daemon)
	}{
		{"pending limit", func(*rig, *daemon.Daemon) { <-time.After(90 * time.Second) }},
		{"cancelled", func(r *rig, d *daemon.Daemon) {
			<-time.After(time.Second)
			_, err := d.Cancel(r.t.Context(), "g.00", "")
			r.ok(err)
			synctest.Wait()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.worker("w")
				d, stop := r.daemon()
				g := r.large()
				g.PendingLimitMS = 5000
				_, members := r.members(g)
				r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: members[0]}, {Submission: members[1]}}})
				tt.end(r, d)
				res, err := d.Submit(r.t.Context(), []berth.Request{g})
				r.ok(err)
				if !errors.Is(res[0].Err, etcdstore.ErrGroupIncomplete) {
					t.Errorf("submitted again: existing %t, %v", res[0].Existing, res[0].Err)
				}
				stop()
			})
		})
	}
}

// A record that cannot be read ends a group's submission.
func TestGroup_UnreadableRecords(t *testing.T) {
	for _, key := range []string{"archive/g.0", "groups/g", "archive/g"} {
		t.Run(strings.ReplaceAll(key, "/", " "), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, err := r.client.Put(r.t.Context(), "/berth/"+key, `{"version":1,"txn":"t","bad":`)
				r.ok(err)
				rec, members := r.members(r.group("g", 2, 2))
				if _, _, err := r.SubmitGroup(r.t.Context(), "g", rec, members); err == nil || !strings.Contains(err.Error(), "berth fsck") {
					t.Errorf("submit: %v", err)
				}
				r.remove(key) // the invariants have seen it
			})
		})
	}
}

// No group has the name of a request.
func TestGroup_NameOfARequest(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		d, stop := r.daemon()
		r.run(d, "g", func(q *berth.Request) { q.StartTimeoutMS = 3_600_000 })
		for _, ended := range []bool{false, true} {
			if ended {
				_, err := d.Cancel(r.t.Context(), "g", "")
				r.ok(err)
				synctest.Wait()
			}
			res, err := d.Submit(r.t.Context(), []berth.Request{r.group("g", 2, 2)})
			r.ok(err)
			if !errors.Is(res[0].Err, etcdstore.ErrGroupTaken) {
				t.Errorf("request ended: %t; group: %v", ended, res[0].Err)
			}
		}
		stop()
	})
}
