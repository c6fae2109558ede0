package rules

import (
	"cmp"
	"context"
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

// lenders are the tenants of this model, and what is guaranteed to each.
type lenders struct {
	*modelled
	guaranteed map[berth.TenantID]int64
	most       map[berth.TenantID]int64
	after      map[berth.TenantID]time.Duration // of those who reclaim
}

func drawLoanDeed(t *rapid.T) deed {
	return deed{
		kind:   rapid.SampledFrom([]string{"submit", "submit", "submit", "submit", "end", "end", "end", "guarantee", "cancel", "restart", "reclaim", "reclaim", "run", "run"}).Draw(t, "kind"),
		tenant: rapid.SampledFrom([]berth.TenantID{"a", "b", "c"}).Draw(t, "tenant"),
		by:     rapid.IntRange(0, 2).Draw(t, "by"),
		amount: rapid.Int64Range(1, 25).Draw(t, "amount"),
		soon:   rapid.Bool().Draw(t, "soon"),
		first:  rapid.Int32Range(0, 2).Draw(t, "first"),
	}
}

// Whatever three daemons are asked for, of tenants that borrow from each other: all that is in use is never
// more than what is guaranteed to all, or each tenant's limit, and nothing is stopped that need not be for what is reclaimed (the
// invariants hold at every revision); when all is quiet nobody waits whose turn it is for what is idle, nobody who reclaims for what is
// guaranteed to it, and nothing is written; and when all has ended nothing is lent.
func TestLoan_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(drawLoanDeed), 3, 16).Draw(rt, "deeds")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = loanModel(t, deeds, false) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// loanModel does all of it, and says what is wrong then. reclaims: from the beginning all do.
func loanModel(t *testing.T, deeds []deed, reclaims bool) (wrong string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := &lenders{guaranteed: map[berth.TenantID]int64{}, most: map[berth.TenantID]int64{}, after: map[berth.TenantID]time.Duration{}}
	m.modelled = newModelled(ctx, t)
	defer m.expire(cancel)
	var kills []func()
	for _, w := range []berth.WorkerID{"w", "v"} {
		_, kill := m.lives(w)
		kills = append(kills, kill)
	}
	checked := m.checkedInto(&wrong)
	m.ds, m.stops = make([]*daemon.Daemon, 3), make([]func(), 3)
	for i := range m.ds {
		m.begin(i)
	}
	for i, of := range []berth.TenantID{"a", "b", "c"} {
		m.set(i, of, int64(70-20*i), 30)
		if reclaims {
			m.reclaim(i, of, int64(1+i))
		}
	}
	for i, d := range deeds {
		switch d.kind {
		case "guarantee":
			m.set(d.by, d.tenant, 4*d.amount, min(3*d.amount, 40))
		case "reclaim":
			m.reclaim(d.by, d.tenant, d.amount)
		case "run":
			m.runAll(d.tenant)
		default:
			m.do(i, d)
		}
		if d.soon && i < len(deeds)-1 {
			continue
		}
		if wrong = cmp.Or(m.settles(), m.kept(), m.idle(), m.goesRound()); wrong != "" {
			wrong = fmt.Sprintf("after %v: %s", deeds[:i+1], wrong)
			break
		}
	}
	if wrong == "" {
		wrong = m.restless()
	}
	if wrong == "" {
		wrong = m.windUp()
	}
	for _, stop := range append(m.stops, kills...) {
		stop()
	}
	checked()
	return wrong
}

func (m *lenders) set(by int, t berth.TenantID, most, guaranteed int64) {
	m.guarantee(m.ds[by], t, most, guaranteed)
	m.most[t], m.guaranteed[t] = most, guaranteed
	delete(m.after, t)
}

// idle says who waits though all that it needs is idle, and it has its turn: where nobody waits for what is
// guaranteed to it, that is who has waited for longest. And it says who lets others know of what is not so.
func (m *lenders) idle() string {
	used, placed, sum, all := map[berth.TenantID]int64{}, map[string]bool{}, int64(0), int64(0)
	for _, key := range m.allocations() {
		id := strings.Split(key, "/")[2]
		placed[id] = true
		used[m.owner[id]] += m.needs[id]
		sum += m.needs[id]
	}
	kept := map[berth.TenantID]int64{}
	for t, g := range m.guaranteed {
		need := m.gathers(t)
		if all += g; need > 0 { // what it does not use is kept for that, and what others have idle
			all -= max(g-used[t], 0)
			kept[t] = need
		}
	}
	waits, own, anyOwn := map[berth.TenantID][]string{}, map[berth.TenantID]bool{}, false
	for _, id := range slices.Sorted(maps.Keys(m.needs)) {
		if t := m.owner[id]; !placed[id] && m.there("requests/"+id) > 0 && !m.comesAfter(id) {
			waits[t] = append(waits[t], id)
			own[t] = own[t] || used[t]+m.needs[id] <= m.guaranteed[t]
			anyOwn = anyOwn || own[t]
		}
	}
	first := []berth.TenantID{"a", "b", "c"}
	for _, t := range m.turns() {
		switch {
		case len(waits[t.tenant]) == 0:
			return fmt.Sprintf("nothing of tenant %s waits, and its record says so: %s", t.tenant, m.dump())
		case t.own && !own[t.tenant]:
			return fmt.Sprintf("nothing of tenant %s waits for what is guaranteed to it, and its record says so: %s", t.tenant, m.dump())
		case len(first) > 1:
			first = []berth.TenantID{t.tenant}
		}
	}
	for _, t := range first {
		for _, id := range waits[t] {
			others := int64(0)
			for o, v := range kept {
				if o != t {
					others = max(others, v)
				}
			}
			if n := m.needs[id]; !anyOwn && used[t]+n <= m.most[t] && sum+n+others <= all {
				return fmt.Sprintf("%s of tenant %s waits for %d, %d of %d are in use, of all %d of %d: %s", id, t, n, used[t], m.guaranteed[t], sum, all, m.dump())
			}
		}
	}
	return ""
}

// gathers is how much a tenant's quota is gathered for.
func (m *lenders) gathers(t berth.TenantID) (most int64) {
	var rec berth.Tenant
	m.ok(json.Unmarshal(m.kv("tenants/"+string(t)).Value, &rec))
	for _, g := range rec.Pools["default"].Gathering {
		most = max(most, g.Need[berth.DimensionCPU])
	}
	return most
}

// turnOf is one that waits for a loan by its record.
type turnOf struct {
	since  int64
	tenant berth.TenantID
	own    bool
}

// turns are all that wait for loans, who has its turn first.
func (m *lenders) turns() (out []turnOf) {
	for t := range m.guaranteed {
		var rec berth.Tenant
		m.ok(json.Unmarshal(m.kv("tenants/"+string(t)).Value, &rec))
		for _, w := range rec.Pools["default"].Waits {
			out = append(out, turnOf{int64(w.Since), t, w.Own})
		}
	}
	slices.SortFunc(out, func(a, b turnOf) int { return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.tenant, b.tenant)) })
	return out
}

// windUp lets all end, and says what is lent then.
func (m *lenders) windUp() string {
	for range 100 {
		for id := range m.needs {
			if m.there("requests/"+id) > m.there("states/"+id) {
				_, err := m.ds[0].Cancel(m.t.Context(), berth.RequestID(id), "")
				m.ok(err)
			}
		}
		m.over(true)
		m.passes(20 * time.Second)
		if len(m.allocations()) == 0 {
			break
		}
	}
	m.passes(time.Minute)
	if dump := m.dump(); strings.Contains(dump, "lent") || strings.Contains(dump, "borrowed") || strings.Contains(dump, "recalled") || strings.Contains(dump, "waits") {
		return "all has ended, and something is lent: " + dump
	}
	return ""
}
