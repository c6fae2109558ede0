package snapshot_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/snapshot"
)

// Others make room for what needs a loan, too, and are told of: a daemon borrows first, and looks for room then.
func TestForecast_LoanAndRoom(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	cpu := func(n int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: n} }
	s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: cpu(16000), Guaranteed: cpu(0)}}})
	s.put(berth.KindTenant, "", "red", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: cpu(16000), Guaranteed: cpu(16000)}}})
	s.runs("low", 4000, "w1", 0)
	s.edit("low", func(r *berth.Request) { r.Tenant = "free" }, func(a *berth.Allocation) { a.Tenant = "free" })
	outcomes, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{urgent("a", 2000, 9)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes) != 2 || outcomes[0].Worker != "w1" || !slices.Equal(outcomes[0].Victims, []berth.RequestID{"low"}) || outcomes[1].Request != "low" || outcomes[1].For != "a" || outcomes[1].Worker != "" {
		t.Errorf("%+v, want a on w1 for low, who waits", outcomes)
	}
}

// Who waits for what is guaranteed to it, or for a loan, lends nothing meanwhile. What no loan could help keeps nothing: what is more than its limit with
// what is used, or than is guaranteed to all.
func TestForecast_WhatWaitsAndIsLent(t *testing.T) {
	t.Parallel()
	cpu := func(n int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: n} }
	for _, tt := range []struct {
		name  string
		limit int64 // of c, which is guaranteed 2000, as is d, who uses it all
		lent  int64 // of c's, to e, who uses it
		wants int64 // c
		b     string
	}{
		{"beyond its limit", 6000, 0, 7000, "b new: w1"},
		{"beyond what all are guaranteed", 6000, 0, 5000, "b new: w1"},
		{"for a loan", 6000, 0, 4000, "b new: waits for quota cpu_milli"},
		{"for its own", 6000, 1000, 1500, "b new: waits for quota cpu_milli"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 16000, berth.Intent{})
			quotas := map[berth.TenantID]berth.Quota{"b": {Limits: cpu(2000), Guaranteed: cpu(0)}, "c": {Limits: cpu(tt.limit), Guaranteed: cpu(2000)}, "d": {Limits: cpu(2000), Guaranteed: cpu(2000)}}
			uses := map[berth.TenantID]int64{"d": 2000}
			if tt.lent > 0 {
				quotas["c"] = berth.Quota{Limits: cpu(tt.limit), Guaranteed: cpu(2000), Lent: berth.Loans{"e": cpu(tt.lent)}}
				quotas["e"] = berth.Quota{Limits: cpu(tt.lent), Guaranteed: cpu(0), Borrowed: berth.Loans{"c": cpu(tt.lent)}}
				uses["e"] = tt.lent
			}
			for tenant, q := range quotas {
				s.put(berth.KindTenant, "", string(tenant), &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": q}})
			}
			for tenant, n := range uses {
				id := "of-" + string(tenant)
				s.runs(id, n, "w1", 0)
				s.edit(id, func(r *berth.Request) { r.Tenant = tenant }, func(a *berth.Allocation) { a.Tenant = tenant })
			}
			s.submit("c1", tt.wants, "")
			s.edit("c1", func(r *berth.Request) { r.Tenant = "c" }, nil)
			outcomes, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{of(request("b", 1000), "b")}})
			if err != nil || len(outcomes) != 2 {
				t.Fatal(outcomes, err)
			}
			i := slices.IndexFunc(outcomes, func(o snapshot.Outcome) bool { return o.Request == "b" })
			if got := text(&outcomes[i]); got != tt.b {
				t.Errorf("got %s, want %s", got, tt.b)
			}
		})
	}
}

// What fits nowhere with the types of devices that its quota has is placed with one that a loan gives, before others make room for it; not where
// what is idle is its lender's own, or no worker has such a device.
func TestForecast_TypesThatAreLent(t *testing.T) {
	t.Parallel()
	h100 := func(n int64) berth.Amounts {
		return berth.Amounts{berth.DeviceDimension("h100"): n * berth.WholeDevice}
	}
	alone := request("u", 100)
	alone.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: []string{"h100", "a100"}}}
	hot := alone
	hot.Priority, hot.Preemption = 9, berth.PreemptionLower
	for _, tt := range []struct {
		name string
		idle int64 // of what is guaranteed to c
		has  string
		asks berth.Request
		want []string
	}{
		{"a request", 1, "h100", alone, []string{"u new: w1"}},
		{"a group", 2, "h100", typed("g", 2, 2, "h100", "a100"), []string{"g.0 new: w1", "g.1 new: w1"}},
		{"more than is idle", 1, "h100", typed("g", 2, 2, "h100", "a100"), []string{"g.0 new: waits for group ", "g.1 new: waits for group "}},
		{"no worker has it", 2, "l4", alone, []string{"u new: waits for devices a100"}},
		{"before others make room", 1, "h100", hot, []string{"u new: w1"}},
		{"who do where none is idle", 0, "h100", hot, []string{"u new: w2 after [low]", "low stopped from w2 for u: waits for devices a100"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &store{}
			s.worker("w1", 4000, berth.Intent{})
			s.worker("w2", 4000, berth.Intent{})
			s.has("w1", []berth.Device{{Name: "g0", Type: tt.has}, {Name: "g1", Type: tt.has}})
			s.has("w2", []berth.Device{{Name: "g0", Type: "a100"}})
			s.put(berth.KindTenant, "", "default", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: h100(2), Guaranteed: h100(0)}}})
			s.put(berth.KindTenant, "", "c", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: h100(2), Guaranteed: h100(tt.idle)}}})
			s.runs("low", 100, "w2", 0)
			part := berth.DeviceShare{Name: "g0", Milli: berth.WholeDevice}
			s.edit("low", func(r *berth.Request) {
				r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: berth.WholeDevice, Types: []string{"a100"}}}
			}, func(a *berth.Allocation) { a.Share.Devices = []berth.DeviceShare{part} })
			for _, f := range s.facts {
				if l, ok := f.Record.(*berth.Ledger); ok && f.Key.ID == "w2" {
					l.Reserved.Devices = []berth.DeviceShare{part}
				}
			}
			outcomes, err := s.taken().Forecast(&snapshot.Change{Requests: []berth.Request{tt.asks}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range outcomes {
				got = append(got, text(&outcomes[i]))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is wanted back has come back when what used it ends: what waits for it, and has something kept for it, is not behind who comes later and would be
// placed first.
func TestForecast_WantedBackComesAtOnce(t *testing.T) {
	t.Parallel()
	cpu := func(n int64) berth.Amounts { return berth.Amounts{berth.DimensionCPU: n} }
	s := &store{}
	s.worker("w1", 4000, berth.Intent{})
	s.worker("w2", 1000, berth.Intent{})
	at := time.Unix(1, 0)
	s.put(berth.KindTenant, "", "c", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {
		Limits: cpu(5000), Guaranteed: cpu(5000), Lent: berth.Loans{"e": cpu(4000)}, Recalled: berth.Loans{"e": cpu(4000)}, RecalledSince: map[berth.TenantID]time.Time{"e": at},
	}}})
	s.put(berth.KindTenant, "", "e", &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: cpu(4000), Guaranteed: cpu(0), Borrowed: berth.Loans{"c": cpu(4000)}}}})
	s.runs("own", 1000, "w2", 0)
	s.stops("x", 4000, "w1", "", berth.StopReclaim)
	for id, tenant := range map[string]berth.TenantID{"own": "c", "x": "e"} {
		s.edit(id, func(r *berth.Request) { r.Tenant = tenant }, func(a *berth.Allocation) { a.Tenant = tenant })
	}
	s.put(berth.KindGroup, "", "g", &berth.Group{Size: 2, MinCount: 2, Attempt: 1, State: berth.GroupPending})
	for _, m := range []string{"g.0", "g.1"} {
		s.submit(m, 2000, "")
		s.edit(m, func(r *berth.Request) { r.Tenant, r.Group = "c", &berth.Membership{ID: "g", Size: 2, MinCount: 2} }, nil)
	}
	kept := berth.KeptWorker{Worker: "w1", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 4000}}}
	s.put(berth.KindKeep, "", "default", &berth.Keep{Group: "g", Since: at, Chosen: at, MadeRoom: at, Workers: []berth.KeptWorker{kept}})
	read, err := snapshot.Read(bytes.NewReader(s.written(t)), nil) // a file tells it, too
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := read.Forecast(&snapshot.Change{Requests: []berth.Request{of(request("new", 1000), "none")}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range outcomes {
		got = append(got, text(&outcomes[i]))
	}
	want := []string{"new new: waits for cpu_milli ", "g.0 waiting: w1", "g.1 waiting: w1", "x stopped from w1: waits for quota cpu_milli"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
