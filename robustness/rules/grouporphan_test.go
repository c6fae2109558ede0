package rules

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
)

// Members are archived for want of their group only while that is not there: a
// submission that comes to its end at that moment has made a group, whole.
func TestGroup_WholeWhenItsOrphansEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		rec, members := r.members(r.group("g", 3, 3))
		r.commit(&berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: members[0]}, {Submission: members[1]}}})
		other, whole := r.side(), false
		r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
			if puts(req, "archive/g.") && !whole {
				whole = true
				if _, _, err := other.SubmitGroup(r.t.Context(), "g", rec, members); err != nil {
					r.t.Error(err)
				}
			}
			return apply()
		})
		<-time.After(61 * time.Second)
		wait(r, 1)
		if !whole {
			t.Fatal("no orphan was ended")
		}
		for i := range members {
			if id := string(members[i].Spec.ID); r.kv("requests/"+id) == nil {
				t.Errorf("%s of a group that is there was ended", id)
			}
		}
		if s, err := d.Group(r.t.Context(), "g"); err != nil || len(s.Members) != 3 {
			t.Errorf("the group has %d members, %v, want 3", len(s.Members), err)
		}
		stop()
	})
}

// A request that has the id of a group's member, and is another, is not taken for it.
func TestGroup_IDOfAMemberTaken(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemonOn(r.store(etcdstore.Options{}), daemon.Options{ID: "d"})
		g := r.group("g", 3, 3)
		taken := string(g.Members()[1].ID)
		r.run(d, taken, nil)
		res, err := d.Submit(r.t.Context(), []berth.Request{g})
		r.ok(err)
		if !errors.Is(res[0].Err, etcdstore.ErrGroupTaken) {
			t.Errorf("group: %v, want it refused", res[0].Err)
		}
		if r.kv("groups/g") != nil {
			t.Errorf("there is a group, and %s is none of its members", taken)
		}
		stop()
	})
}

// Members that have succeeded count: a group of which they and those that still run are
// min_count goes on when another one fails.
func TestGroup_SucceededMembersCount(t *testing.T) {
	bubble(t, func(r *rig) {
		d, stop := r.daemon()
		_, kill := r.lives("w")
		g := r.group("g", 4, 2)
		g.Retry.MaxAttempts = 1
		r.submitGroup(d, g)
		for _, id := range []string{"g.0", "g.1", "g.2", "g.3"} {
			r.runs("w", id)
		}
		for i, code := range []int64{0, 0, 1} {
			r.reported("w", fmt.Sprintf("g.%d", i), berth.StateExited, &berth.Exit{Kind: berth.ExitExited, Code: code, At: time.Now().UTC()})
			wait(r, 1)
		}
		if a, _ := r.allocation("w", "g.3"); a == nil || a.Stop != nil {
			t.Errorf("the last member is %+v, want it to run: two have succeeded", a)
		}
		if s, err := d.Group(r.t.Context(), "g"); err != nil || s.Record.Attempt != 1 || s.Record.State != berth.GroupPlaced {
			t.Errorf("the group is %+v, %v, want its first attempt to go on", s.Record, err)
		}
		kill()
		stop()
	})
}
