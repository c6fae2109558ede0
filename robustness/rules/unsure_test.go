package rules

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// apartFromWeb submits what is apart from the app web, in all of so much: a request, or a group of two.
func (r *rig) apartFromWeb(d *daemon.Daemon, group bool, cpu int64) (ids []string) {
	r.t.Helper()
	apart := []berth.Affinity{{Requests: &web, Topology: berth.TopologyHost}}
	if !group {
		r.run(d, "first", func(q *berth.Request) { sized(cpu, 5)(q); q.AntiAffinity = apart })
		return []string{"first"}
	}
	g := r.group("first", 2, 2)
	g.Resources.CPUMilli, g.Priority, g.AntiAffinity = cpu/2, 5, apart
	r.submitGroup(d, g)
	return []string{"first.0", "first.1"}
}

// Another daemon has freed room, and a conflict tells of it before the watch does: who is apart from others waits for that, and what comes behind does not take it.
func TestUnsure_KeepsItsTurn(t *testing.T) {
	for _, group := range []bool{false, true} {
		t.Run(fmt.Sprint("group: ", group), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.livesAs("w", map[string]string{"rack": "x"})
				d, stop := r.daemon()
				defer stop()
				r.run(d, "base", func(q *berth.Request) { sized(1000, 9)(q); q.Labels = map[string]string{"app": "web"} })
				r.lives("v")
				r.passes(time.Second)
				r.run(d, "other", sized(800, 9))
				r.run(d, "ends", nil)
				kept := r.group("kept", 2, 2) // so that nothing is kept on v
				kept.Resources.CPUMilli, kept.Constraints, kept.Priority = 500, []berth.Constraint{{Label: "rack", Operator: berth.OperatorExists}}, 7
				r.submitGroup(d, kept)
				r.run(d, "behind", sized(200, 0))
				ids := r.apartFromWeb(d, group, 200)
				r.passes(time.Second)
				told := r.holdsWatch("requests/there")
				defer told()
				r.submit("there")
				r.commit(r.ending("v", "ends", true))
				r.run(d, "there", nil)
				r.passes(time.Second)
				if in, err := d.Info(r.t.Context()); err != nil || in.Conflicts != 1 || r.located(append(ids, "behind")...) > 0 {
					t.Errorf("while the watch is behind: %v, %+v, %v", r.held(), in, err)
				}
				told()
				if r.located(ids...) != len(ids) {
					t.Errorf("who comes first waits: %v", r.held())
				}
			})
		})
	}
}

// holdsWatch keeps from all watches what tells of a key, and what comes behind it, until told.
func (r *rig) holdsWatch(key string) (told func()) {
	late := make(chan struct{})
	r.conn.hear(func(w *pb.WatchResponse) {
		if slices.ContainsFunc(w.Events, func(e *mvccpb.Event) bool { return string(e.Kv.Key) == "/berth/"+key }) {
			<-late
		}
	})
	return sync.OnceFunc(func() { r.conn.hear(nil); close(late); r.passes(time.Second) })
}

// An answer tells all that a daemon's own transaction did: who looks at others waits for no watch to tell it again.
func TestUnsure_NotOfItsOwn(t *testing.T) {
	for _, group := range []bool{false, true} {
		t.Run(fmt.Sprint("group: ", group), func(t *testing.T) {
			bubble(t, func(r *rig) {
				d, stop := r.daemon()
				defer stop()
				ids := r.apartFromWeb(d, group, 200)
				told := r.holdsWatch("ledgers/v")
				defer told()
				r.lives("v")
				r.passes(time.Second)
				if r.located(ids...) != len(ids) {
					t.Errorf("they wait: %v", r.held())
				}
				told()
			})
		})
	}
}

// What an own transaction did on top of what another daemon's has done tells nothing of that.
func TestUnsure_OthersBeneath(t *testing.T) {
	bubble(t, func(r *rig) {
		r.lives("v")
		d, stop := r.daemon()
		defer stop()
		r.passes(time.Second)
		told := r.holdsWatch("requests/others")
		defer told()
		s := r.submission("others")
		s.Spec.Labels = map[string]string{"app": "web"}
		digest, err := s.Spec.Digest()
		r.ok(err)
		s.Digest = digest
		r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: s}}})
		r.commit(r.placement("v", "others"))
		r.run(d, "plain", nil)
		if in, err := d.Info(r.t.Context()); err != nil || in.Conflicts == 0 || r.located("plain") != 1 {
			t.Fatalf("%v, %+v, %v", r.held(), in, err)
		}
		ids := r.apartFromWeb(d, false, 200)
		for _, when := range []string{"before the watch has told", "then"} {
			if r.located(ids...) > 0 {
				t.Errorf("beside another daemon's, %s: %v", when, r.held())
			}
			told()
		}
	})
}
