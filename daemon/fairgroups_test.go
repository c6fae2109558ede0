package daemon

import (
	"testing"
	"time"

	"github.com/berthd/berth"
)

// Of groups, too, the one of who holds the least comes first, and before what waits alone
// of others.
func TestFair_Groups(t *testing.T) {
	l := loopWith(t, heldBy("aabbbcccc")...)
	l.allKnown()
	l.look(workerKey("w"), newBuilder(l, time.Now()))
	put := func(id berth.GroupID, of berth.TenantID, seq berth.Revision) {
		r := berth.Request{ID: berth.RequestID(id), Tenant: of, Group: &berth.Membership{Size: 2, MinCount: 2}}.Normalize()
		g := &gang{id: id, pool: r.Pool, seq: seq, size: 2, need: 2, request: &r}
		g.like = l.gangLike(g)
		l.gangs.put(g)
	}
	put("of-c", "c", 1)
	put("of-b", "b", 2)
	put("second-of-b", "b", 3)
	now := time.Now()
	if g := l.nextGang(now); g == nil || g.id != "of-b" {
		t.Errorf("first is %+v", g)
	}
	for _, tt := range []struct {
		alone string
		want  bool
	}{{"", false}, {"c", true}, {"b", false}, {"a", false}} {
		l.queue = newQueue(l)
		l.wait(tt.alone)
		l.gangs.turn, l.gangs.last = false, false
		if got := l.groupsTurn(now); got != tt.want {
			t.Errorf("beside one of %q the group comes first: %t", tt.alone, got)
		}
	}
	l.gangs.turn, l.gangs.last = true, true // what waits alone cannot be placed now
	if !l.groupsTurn(now) {
		t.Error("a group waits for what cannot be placed")
	}
}
