package rules

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// inScene runs something on the store of a scene.
func inScene(t *testing.T, scene typedScene, do func(m *typedModel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &typedModel{modelled: newModelled(ctx, t), wants: map[string]typed{}}
		defer m.expire(cancel)
		m.begins(scene)
		do(m)
		endAll(append(m.stops, m.kills...))
	})
}

// A group that its quota lets have too few devices of the types that there are is kept nothing, and is told why.
func TestQuotaTypes_NothingKeptBeyondIt(t *testing.T) {
	scene := typedScene{
		daemons:  1,
		machines: []machineOf{{800, []string{"h100", "h100", "h100", "h100"}}, {800, []string{"h100", "h100", "h100", "h100"}}},
		quotas:   []quotaOf{{limits: berth.Amounts{"devices.h100": 1000}}, {}},
	}
	one := func(types ...string) []berth.DeviceDemand {
		return []berth.DeviceDemand{{Count: 1, Milli: 1000, Types: types}}
	}
	inScene(t, scene, func(m *typedModel) {
		m.happens("never", typed{kind: "group", tenant: "a", cpu: 100, size: 8, least: 2, wants: one("t4", "h100")})
		m.passes(time.Minute)
		for i := range 8 {
			m.happens(fmt.Sprint("other", i), typed{kind: "submit", tenant: "b", cpu: 100, wants: one("h100")})
		}
		m.passes(time.Minute)
		for i := range 8 {
			if _, placed := m.left(fmt.Sprint("other", i)); placed == 0 {
				t.Errorf("request %d waits beside an idle device: %s", i, m.why(fmt.Sprint("other", i)))
			}
		}
		s, err := m.ds[0].Group(m.t.Context(), "never")
		m.ok(err)
		last := s.Verdict.Reasons[len(s.Verdict.Reasons)-1]
		if !s.Verdict.NeverFits || last.Code != berth.ReasonQuota || last.Detail != "devices.h100" {
			t.Errorf("the group is told %+v", s.Verdict)
		}
	})
}

// What its quota keeps from the only workers that would take it is told so, and not that it could be placed, nor that no worker has the
// type that it may have.
func TestQuotaTypes_KeptFromWorkersIsTold(t *testing.T) {
	scene := typedScene{
		daemons:  1,
		machines: []machineOf{{800, []string{"h100", "h100", "h100", "h100"}}},
		quotas:   []quotaOf{{limits: berth.Amounts{"devices.h100": 1000}}, {}},
	}
	inScene(t, scene, func(m *typedModel) {
		m.happens("r", typed{kind: "submit", tenant: "a", cpu: 100, wants: []berth.DeviceDemand{{Count: 2, Milli: 1000, Types: []string{"t4", "h100"}}}})
		m.passes(time.Minute)
		e, err := m.ds[0].Explain(m.t.Context(), "r")
		m.ok(err)
		past, err := m.ds[0].ExplainAt(m.t.Context(), "r", daemon.Moment{Revision: berth.Revision(m.revision())})
		m.ok(err)
		for _, v := range []*berth.Verdict{e.Verdict, m.state(m.ds[0], "r").Verdict, past.Verdict} {
			if v == nil || len(v.Reasons) == 0 || v.Reasons[0].Code != berth.ReasonQuota || v.Reasons[0].Detail != "devices.h100" || v.Reasons[0].Want != 2000 || v.Reasons[0].Best != 1000 {
				t.Errorf("it is told %+v", v)
			}
		}
	})
}

// What no worker could ever take with the types that its quota has left it, and one could with another, waits for its quota: also where nobody
// would take it now with any. It could never be placed where its whole quota has too little of the other.
func TestQuotaTypes_NeverWithWhatIsLeftIsTold(t *testing.T) {
	for limit, never := range map[int64]bool{2000: false, 1000: true} {
		scene := typedScene{
			daemons:  1,
			machines: []machineOf{{400, []string{"h100", "h100", "h100"}}, {200, []string{"a100", "a100"}}},
			quotas:   []quotaOf{{limits: berth.Amounts{"devices.h100": limit}}, {}},
		}
		inScene(t, scene, func(m *typedModel) {
			m.happens("first", typed{kind: "submit", tenant: "a", cpu: 350, wants: []berth.DeviceDemand{{Count: 1, Milli: 1000, Types: []string{"h100"}}}})
			m.passes(time.Second)
			m.happens("r", typed{kind: "submit", tenant: "a", cpu: 400, wants: []berth.DeviceDemand{{Count: 2, Milli: 1000}}})
			m.passes(time.Minute)
			e, err := m.ds[0].Explain(m.t.Context(), "r")
			m.ok(err)
			past, err := m.ds[0].ExplainAt(m.t.Context(), "r", daemon.Moment{Revision: berth.Revision(m.revision())})
			m.ok(err)
			for of, v := range map[string]*berth.Verdict{"explain": e.Verdict, "the status": m.state(m.ds[0], "r").Verdict, "the past": past.Verdict} {
				if v == nil || len(v.Reasons) == 0 || v.NeverFits != never || v.Reasons[0].Code != berth.ReasonQuota || v.Reasons[0].Want != 2000 || v.Reasons[0].Best != limit-1000 || v.Reasons[0].Total != limit {
					t.Errorf("limit %d: %s tells %+v", limit, of, v)
				}
			}
			m.oneEnds(0)
			m.passes(time.Second)
			if _, placed := m.left("r"); (placed == 0) != never {
				t.Errorf("limit %d: placed %d", limit, placed)
			}
		})
	}
}

// No quota is gathered for what its demands leave no worker for, with the types that the quota has for all of them together.
func TestQuotaTypes_NothingGatheredForDemandsApart(t *testing.T) {
	scene := typedScene{
		daemons:  1,
		machines: []machineOf{{800, []string{"h100", "h100"}}, {800, []string{"a100", "a100", "a100", "a100"}}},
		quotas:   []quotaOf{{limits: berth.Amounts{"devices.h100": 2000, "devices.a100": 2000}}, {}},
	}
	one := func(kind string) typed {
		return typed{kind: "submit", tenant: "a", cpu: 100, wants: []berth.DeviceDemand{{Count: 1, Milli: 1000, Types: []string{kind}}}}
	}
	inScene(t, scene, func(m *typedModel) {
		for i := range 2 {
			m.happens(fmt.Sprint("a", i), one("a100"))
			m.happens(fmt.Sprint("h", i), one("h100"))
		}
		m.passes(time.Second)
		m.happens("never", typed{kind: "submit", tenant: "a", cpu: 100, priority: 5, wants: []berth.DeviceDemand{
			{Count: 1, Milli: 1000, Types: []string{"h100", "a100"}}, {Count: 2, Milli: 1000, Types: []string{"a100"}},
		}})
		for i := 2; i < 6; i++ {
			m.happens(fmt.Sprint("a", i), one("a100"))
			m.passes(20 * time.Second)
			if m.gathered() {
				t.Errorf("quota is gathered: %s", m.record("a"))
				return
			}
			m.oneEnds(0)
		}
	})
}

// Of what is lent nobody can have more than is guaranteed to all: what needs that, of several types, wants nothing back. It was lent and wanted back each
// second, for ever. TestQuotaTypes_LoansOracle found it.
func TestQuotaTypes_NoLoanToAndFro(t *testing.T) {
	amounts := func(cpu, a100, h100, t4 int64) berth.Amounts {
		return berth.Amounts{"cpu_milli": cpu, "devices.a100": a100, "devices.h100": h100, "devices.t4": t4}
	}
	lender := amounts(0, 2000, 0, 1500)
	delete(lender, "cpu_milli")
	borrower := amounts(0, 0, 0, 0)
	delete(borrower, "cpu_milli")
	scene := typedScene{
		daemons:  3,
		machines: []machineOf{{600, []string{"t4", "t4", "t4"}}, {300, []string{"t4", "t4", "t4"}}},
		quotas: []quotaOf{
			{limits: amounts(200, 500, 1500, 2000), guaranteed: borrower},
			{limits: lender, guaranteed: berth.Amounts{"devices.a100": 0, "devices.t4": 1000}},
		},
	}
	of := func(count, milli int64, types ...string) berth.DeviceDemand {
		return berth.DeviceDemand{Count: count, Milli: milli, Types: types}
	}
	inScene(t, scene, func(m *typedModel) {
		m.happens("r0", typed{kind: "submit", tenant: "a", by: 1, cpu: 100, priority: 1, wants: []berth.DeviceDemand{of(2, 1000)}})
		m.passes(time.Minute)
		m.happens("r2", typed{kind: "submit", tenant: "b", cpu: 200, wants: []berth.DeviceDemand{of(2, 500, "h100", "t4"), of(1, 500)}})
		m.passes(time.Minute)
		m.happens("r4", typed{kind: "group", tenant: "a", by: 2, cpu: 100, priority: 1, size: 4, least: 1, wants: []berth.DeviceDemand{of(1, 500), of(1, 500, "h100", "t4")}})
		m.passes(time.Minute)
		m.happens("r9", typed{kind: "submit", tenant: "a", by: 2, cpu: 100, priority: 1, wants: []berth.DeviceDemand{of(2, 1000), of(1, 500)}})
		m.passes(time.Minute)
		if wrong := m.restless(); wrong != "" {
			t.Error(wrong)
		}
	})
}
