package daemon

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// A restart looks at a group that waits once, and not once for each member.
func TestSweep_GroupOnce(t *testing.T) {
	r := berth.Request{ID: "g", Group: &berth.Membership{Size: 50}}.Normalize()
	facts := []berth.Fact{{Key: groupKey("g"), Record: &berth.Group{Size: 50, MinCount: 50, Attempt: 1, State: berth.GroupPending}}}
	for _, m := range r.Members() {
		facts = append(facts, berth.Fact{Key: requestKey(m.ID), Record: &berth.Submission{Spec: m}})
	}
	l := loopWith(t)
	for i := range facts {
		facts[i].Create, facts[i].Mod = berth.Revision(i+1), berth.Revision(i+1)
	}
	l.take(etcdstore.Delta{Reset: true, Facts: facts, Revision: 100})
	if !l.due.sweeping() && l.due.rest == nil {
		t.Fatal("nothing is left to sweep")
	}
	if _, looks := lookAtDue(l, groupKey("g")); looks != 1 {
		t.Errorf("looked at the group %d times", looks)
	}
	if l.gangs.of["g"] == nil {
		t.Error("it does not wait for its place")
	}
}
