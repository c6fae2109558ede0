package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

func drawReclaimDeed(t *rapid.T) deed {
	return deed{
		kind:   rapid.SampledFrom([]string{"submit", "submit", "submit", "submit", "run", "run", "end", "cancel", "guarantee", "restart", "reclaim"}).Draw(t, "kind"),
		tenant: rapid.SampledFrom([]berth.TenantID{"a", "b", "c"}).Draw(t, "tenant"),
		by:     rapid.IntRange(0, 2).Draw(t, "by"),
		amount: rapid.SampledFrom([]int64{25, 20, 15, 12, 10, 8, 5}).Draw(t, "amount"),
		soon:   rapid.Bool().Draw(t, "soon"),
		first:  rapid.Int32Range(0, 2).Draw(t, "first"),
	}
}

// As TestLoan_Model, of tenants that ask for more than is guaranteed to them, of which what runs never ends, and
// which reclaim what they have lent.
func TestReclaim_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(drawReclaimDeed), 6, 20).Draw(rt, "deeds")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = loanModel(t, deeds, true) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// What one daemon's first lacks of a loan is wanted back no more than before where another wants exactly that for what is guaranteed: each undid
// what the other wrote, without end.
func TestReclaim_LoanBesideOwnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := loanModel(t, []deed{
			{"run", "b", 0, 15, false, 0},
			{"submit", "b", 1, 25, false, 0},
			{"submit", "b", 2, 12, true, 0},
			{"submit", "c", 1, 5, false, 0},
			{"submit", "c", 2, 5, false, 0},
			{"run", "b", 0, 20, true, 0},
			{"submit", "b", 2, 12, false, 0},
			{"submit", "a", 1, 10, false, 0},
			{"run", "a", 0, 5, true, 0},
			{"submit", "c", 1, 8, true, 0},
			{"end", "a", 0, 12, true, 0},
			{"restart", "b", 0, 5, false, 0},
			{"submit", "c", 1, 5, true, 0},
			{"cancel", "c", 2, 25, false, 0},
			{"submit", "a", 2, 25, false, 0},
			{"submit", "c", 1, 5, true, 0},
			{"end", "c", 0, 8, false, 0},
			{"submit", "a", 0, 15, false, 0},
			{"submit", "b", 1, 20, false, 0},
			{"submit", "b", 1, 10, false, 0},
		}, true)
		if wrong != "" {
			t.Error(wrong)
		}
	})
}

// reclaim sets how long a tenant waits for what it has lent, or that it waits for ever.
func (m *lenders) reclaim(by int, t berth.TenantID, amount int64) {
	c := daemon.QuotaChange{Tenant: t, Pool: "default", NeverReclaim: amount%4 == 0}
	delete(m.after, t)
	if !c.NeverReclaim {
		after := []time.Duration{0, 3 * time.Second, 12 * time.Second}[amount%3]
		ms := after.Milliseconds()
		c.ReclaimAfterMS, m.after[t] = &ms, after
	}
	_, err := m.ds[by].SetQuota(m.t.Context(), c)
	m.ok(err)
}

// runAll lets all that is placed of a tenant run, for ever.
func (m *lenders) runAll(t berth.TenantID) {
	for _, key := range m.allocations() {
		parts := strings.Split(key, "/")
		if a, _ := m.allocation(parts[1], parts[2]); a != nil && m.owner[parts[2]] == t && a.State == berth.StatePlaced && a.Stop == nil {
			m.runs(parts[1], parts[2])
		}
	}
}

// over ends what a worker would: what is told to stop or, where that is asked for, all.
func (m *lenders) over(all bool) (n int) {
	for _, key := range m.allocations() {
		parts := strings.Split(key, "/")
		a, _ := m.allocation(parts[1], parts[2])
		switch {
		case a == nil: // what ended before it let it end
			continue
		case a.State == berth.StatePlaced && a.Stop == nil && all:
			m.ends(parts[1], parts[2])
		case a.State == berth.StateRunning && (a.Stop != nil || all):
			m.reported(parts[1], parts[2], berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
		default:
			continue
		}
		n++
	}
	return n
}

// settles lets all that is told to stop do so, until nothing is any more: one reclaim leads to no other. What was
// stopped may want back what its own tenant has lent, after that tenant's own time, and so may what comes after something that
// quota was gathered for: so nothing has changed, either.
func (m *lenders) settles() string {
	for stopped := 0; stopped < 8; {
		before := m.dump()
		m.passes(20 * time.Second)
		switch {
		case m.over(false) > 0:
			stopped++
		case m.dump() == before:
			return ""
		}
	}
	return "something is told to stop again and again: " + m.dump()
}

// kept says who waits for what is guaranteed to it, and has said that it does not wait for ever.
func (m *lenders) kept() string {
	used, placed := map[berth.TenantID]int64{}, map[string]bool{}
	for _, key := range m.allocations() {
		id := strings.Split(key, "/")[2]
		placed[id] = true
		used[m.owner[id]] += m.needs[id]
	}
	if m.lentTooMuch() {
		return ""
	}
	for _, id := range slices.Sorted(maps.Keys(m.needs)) {
		t, n := m.owner[id], m.needs[id]
		if _, reclaims := m.after[t]; reclaims && !placed[id] && m.there("requests/"+id) > 0 && used[t]+n <= min(m.guaranteed[t], m.most[t]) && !m.comesAfter(id) {
			return fmt.Sprintf("%s of tenant %s waits for %d, with %d of its %d in use: %s", id, t, n, used[t], m.guaranteed[t], m.dump())
		}
	}
	return ""
}

// lentTooMuch says whether less was guaranteed to somebody than it had lent.
func (m *lenders) lentTooMuch() bool {
	for t, guaranteed := range m.guaranteed {
		var rec struct {
			Pools map[string]struct {
				Lent map[string]map[string]int64 `json:"lent"`
			} `json:"pools"`
		}
		m.ok(json.Unmarshal(m.kv("tenants/"+string(t)).Value, &rec))
		lent := int64(0)
		for _, of := range rec.Pools["default"].Lent {
			lent += of["cpu_milli"]
		}
		if lent > guaranteed {
			return true
		}
	}
	return false
}
