package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
)

// What a worker brings or takes away has tenants looked at in the order of their names, and of what
// waits for a quota each look asks in the same order: what is looked at first may be placed first, and what was asked is
// remembered. Two runs of seed 60000 of the simulation differed.
func TestLookAtTenants_InOrder(t *testing.T) {
	s := newStage(t, bigWorker)
	var tenants []string
	for i := range 12 {
		id := fmt.Sprintf("t%02d", i*5%12)
		tenants = append(tenants, id)
		s.tellQuota(berth.TenantID(id), berth.Quota{Limits: berth.Amounts{berth.DimensionCPU: 1000}, Blocks: 1})
	}
	s.step()
	slices.Sort(tenants)
	for name, look := range map[string]func(){
		"types":   func() { s.quotas.types["default"] = []string{"other"}; s.retype("default") },
		"workers": func() { s.lookAtTenants("default", func(account) bool { return true }) },
	} {
		s.due.take()
		look()
		if got := s.due.take(); !slices.Equal(got, tenants) {
			t.Errorf("%s: looked at %v", name, got)
		}
	}
}

// take are the names of the keys that are due.
func (d *dueKeys) take() (ids []string) {
	for k, ok := d.pop(); ok; k, ok = d.pop() {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestShelf_AsksInOrder(t *testing.T) {
	s := newGangs()
	var want []berth.GroupID
	for i := range 12 {
		g := gangAsking(fmt.Sprintf("g%02d", i), berth.Revision(i+1), fmt.Sprint("like ", i))
		g.request.Resources.Custom = map[string]int64{fmt.Sprintf("x%02d", i): 1}
		s.put(g)
		s.blockOver(g, overQuota(), time.Unix(1000, 0), 2, nil)
		want = append(want, g.id)
	}
	var got []berth.GroupID
	s.over.first(accountOf(s.of["g00"].request), anything(), func(c *gangClass) bool {
		got = append(got, c.members[0].id)
		return false
	})
	if !slices.Equal(got, want) {
		t.Errorf("asked %v", got)
	}
}
