package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

// What is told to help is computed from what is used and allowed, not from the limit alone.
func TestQuotaHelp(t *testing.T) {
	lent := &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Lent: 8000, Borrowers: []string{"red"}}
	for name, tt := range map[string]struct {
		reason *berthv1.Reason
		never  bool
		waits  string
		help   string
	}{
		"all that is guaranteed is lent": {
			&berthv1.Reason{Want: 2000, Total: 16000, Stands: lent, Tenants: []string{"red"}}, false,
			"waits for the quota of tenant blue in pool q: it wants 2 cores, and 0 is left of the 0 that it is allowed now, with 0 used (8 guaranteed, 8 lent to red, 0 borrowed; the limit is 16); tenant red has borrowed some of it, and gives it back as what uses it ends",
			"the end of what uses 2 cores of tenant red in pool q, or as much to borrow: others not using 2 of what is guaranteed to them, or what it has lent reclaimed, by stopping what uses that: berth tenants set --pool q --reclaim-after 0s blue, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=10 blue",
		},
		"what is lent is reclaimed": {
			&berthv1.Reason{Want: 2000, Total: 16000, Tenants: []string{"red"}, Stands: &berthv1.QuotaStand{
				Limit: 16000, Guarantees: true, Guaranteed: 8000, Lent: 8000, Borrowers: []string{"red"}, Reclaims: []*berthv1.Reclaim{{From: "red", Amount: 2000, Stopping: 1}},
			}}, false,
			"2 of it is lent to tenant red, and is being reclaimed",
			"the end of what uses 2 cores of tenant red in pool q, or as much to borrow: others not using 2 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=10 blue",
		},
		"more than is guaranteed, of which some is lent": {
			&berthv1.Reason{Want: 9000, Total: 16000, Tenants: []string{"red"}, Stands: lent}, false,
			"tenant red has borrowed some of it",
			"as much to borrow: others not using 9 of what is guaranteed to them, or a larger quota: berth tenants set --pool q --cpu 17 --guaranteed cpu=17 blue, or once what uses 8 cores of tenant red in pool q has ended, as much to borrow: others not using 1 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=9 blue",
		},
		"more than is guaranteed to all, of which some is lent": {
			&berthv1.Reason{Want: 6000, Best: 2000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 8000, Guarantees: true, Guaranteed: 4000, Lent: 2000, Borrowers: []string{"red"}, Allowed: 2000, Ever: 4000, Have: 8000}}, false,
			"; no loan makes up for it, for 4 CPU is guaranteed to all tenants of the pool together",
			"more of it guaranteed: berth tenants set --pool q --guaranteed cpu=8 blue, or once what uses 2 cores of tenant red in pool q has ended, more of it guaranteed: berth tenants set --pool q --guaranteed cpu=6 blue",
		},
		"more than it uses, all of which is borrowed": {
			&berthv1.Reason{Want: 3000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 8000, Guarantees: true, Borrowed: 500, Lenders: []string{"red"}, Allowed: 500, Used: 500, Ever: 4000, Have: 8000}}, false,
			"0 is left of the 0.5 that it is allowed now",
			"as much to borrow: others not using 3 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=3 blue, or once what uses 0.5 cores of tenant blue in pool q has ended, as much to borrow: others not using 2.5 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=2.5 blue",
		},
		"what it uses and has lent are either enough": {
			&berthv1.Reason{Want: 3000, Best: 1000, Total: 16000, Stands: &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Lent: 4000, Borrowers: []string{"grey", "red"}, Allowed: 4000, Used: 3000, Ever: 8000, Have: 16000}}, false,
			"1 is left of the 4 that it is allowed now",
			"the end of what uses 2 cores of tenant blue or tenants grey and red in pool q, or as much to borrow: others not using 2 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=10 blue",
		},
		"and only both": {
			&berthv1.Reason{Want: 6000, Best: 1000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 8000, Guarantees: true, Guaranteed: 8000, Lent: 4000, Borrowers: []string{"red"}, Allowed: 4000, Used: 3000, Ever: 8000, Have: 16000}}, false,
			"1 is left of the 4 that it is allowed now",
			"the end of what uses 3 cores of tenant blue and 2 cores of tenant red in pool q, or a larger quota: berth tenants set --pool q --cpu 13 --guaranteed cpu=13 blue",
		},
		"others use what could be borrowed": {
			&berthv1.Reason{Want: 2000, Total: 16000, Stands: &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Allowed: 8000, Used: 8000}}, false,
			"0 is left of the 8 that it is allowed now, with 8 used (8 guaranteed, 0 lent, 0 borrowed; the limit is 16)",
			"the end of what uses 2 cores of tenant blue in pool q, or as much to borrow: others not using 2 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=10 blue",
		},
		"others wait as well": {
			&berthv1.Reason{Want: 9000, Best: 7000, Total: 16000, Stands: &berthv1.QuotaStand{
				Limit: 16000, Guarantees: true, Guaranteed: 8000, Borrowed: 1000, Lenders: []string{"red"}, Allowed: 9000, Used: 2000, Idle: 1000, Ever: 24000, Ahead: []string{"green"}, Keeping: []string{"red", "grey"},
			}}, false,
			"0 lent, 1 borrowed from red; the limit is 16); tenant red and grey waits for what is guaranteed to it, and lends nothing meanwhile; tenant green waits for a loan, too, and has its turn before",
			"the end of what uses 2 cores of tenant blue in pool q, or as much to borrow: others lend 1 now, and would have to use, or wait for, 1 less of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=10 blue",
		},
		"others wait for all that could be borrowed": {
			&berthv1.Reason{Want: 2000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 8000, Guarantees: true, Ever: 4000, Keeping: []string{"red"}}}, false,
			"; tenant red waits for what is guaranteed to it, and lends nothing meanwhile",
			"as much to borrow: others neither using nor waiting for 2 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=2 blue",
		},
		"all that there is is guaranteed": {
			&berthv1.Reason{Want: 1000, Total: 4000, Stands: &berthv1.QuotaStand{Limit: 4000, Guarantees: true, Guaranteed: 2000, Allowed: 2000, Used: 2000, Ever: 4000, Have: 4000}}, false,
			"0 is left of the 2 that it is allowed now",
			"the end of what uses 1 core of tenant blue in pool q, or as much to borrow: others not using 1 of what is guaranteed to them, or more of it guaranteed, and for that more workers in pool q, or less guaranteed to others: of its 4 CPU, 4 is guaranteed already (berth tenants --pool q)",
		},
		"all but what it lacks is guaranteed": {
			&berthv1.Reason{Want: 1000, Total: 4000, Stands: &berthv1.QuotaStand{Limit: 4000, Guarantees: true, Guaranteed: 2000, Allowed: 2000, Used: 2000, Ever: 4000, Have: 5000}}, false,
			"0 is left of the 2 that it is allowed now",
			"the end of what uses 1 core of tenant blue in pool q, or as much to borrow: others not using 1 of what is guaranteed to them, or more of it guaranteed: berth tenants set --pool q --guaranteed cpu=3 blue",
		},
		"more than the limit, of what is guaranteed": {
			&berthv1.Reason{Want: 5000, Total: 4000, Stands: &berthv1.QuotaStand{Limit: 4000, Guarantees: true, Guaranteed: 2000, Allowed: 2000, Ever: 4000, Have: 6000}}, true,
			"waits, and could never be placed",
			"a larger quota, and for that more workers in pool q, or less guaranteed to others: of its 6 CPU, 4 is guaranteed already (berth tenants --pool q)",
		},
		"more than is guaranteed to all": {
			&berthv1.Reason{Want: 13000, Best: 8000, Total: 16000, Stands: &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Allowed: 8000, Ever: 12000, Idle: 4000}}, false,
			"; no loan makes up for it, for 12 CPU is guaranteed to all tenants of the pool together",
			"more of it guaranteed: berth tenants set --pool q --guaranteed cpu=13 blue",
		},
		"the limit binds what is borrowed": {
			&berthv1.Reason{Want: 4000, Total: 16000, Best: 2000, Stands: &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Borrowed: 8000, Allowed: 16000, Used: 14000}}, false,
			"2 is left of the 16 that it is allowed now, with 14 used (8 guaranteed, 0 lent, 8 borrowed; the limit is 16)",
			"the end of what uses 2 cores of tenant blue in pool q, or a larger quota: berth tenants set --pool q --cpu 18 --guaranteed cpu=10 blue",
		},
		"more than the limit, though it is not all taken": {
			&berthv1.Reason{Want: 17000, Total: 16000, Stands: &berthv1.QuotaStand{Limit: 16000, Allowed: 16000, Used: 14000}}, true,
			"waits, and could never be placed, for it asks for more than the quota of tenant blue in pool q: it wants 17 cores",
			"a larger quota: berth tenants set --pool q --cpu 31 blue",
		},
		"more than the limit, under a loan": {
			&berthv1.Reason{Want: 17000, Total: 16000, Stands: &berthv1.QuotaStand{Limit: 16000, Guarantees: true, Guaranteed: 8000, Borrowed: 6000, Allowed: 14000, Used: 14000}}, true,
			"waits, and could never be placed",
			"a larger quota: berth tenants set --pool q --cpu 31 --guaranteed cpu=25 blue",
		},
		"not guaranteed any more": {
			&berthv1.Reason{Want: 2000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 8000, Lent: 8000, Borrowers: []string{"red"}}}, false,
			"(nothing is guaranteed, 8 lent to red, 0 borrowed; the limit is 8)",
			"the end of what uses 2 cores of tenant red in pool q, or a larger quota: berth tenants set --pool q --cpu 10 blue",
		},
		"other daemons have taken it": {
			&berthv1.Reason{Want: 2000, Total: 8000, Best: 1000, Stands: &berthv1.QuotaStand{Limit: 8000, Allowed: 8000}}, false,
			"it wants 2 cores, and 1 is left of 8",
			"a moment of patience: other daemons have taken what is left of it, and give it up",
		},
		"a daemon that does not tell": {
			&berthv1.Reason{Want: 2000, Total: 8000, Best: 1000}, false,
			"it wants 2 cores, and 1 is left of 8",
			"the end of what uses 1 core of tenant blue in pool q, or a larger quota: berth tenants set --pool q --cpu 9 blue",
		},
	} {
		tt.reason.Code, tt.reason.Detail = "quota", "cpu_milli"
		e := &berthv1.ExplainResponse{
			Status:  &berthv1.Status{Spec: &berthv1.Request{Tenant: "blue", Pool: "q"}},
			Verdict: &berthv1.Verdict{NeverFits: tt.never, Reasons: []*berthv1.Reason{tt.reason}},
		}
		if got := quotaWaits(e, time.Time{}); !strings.Contains(got, tt.waits) {
			t.Errorf("%s: waits: %s", name, got)
		}
		if got := quotaHelp(e); got != tt.help {
			t.Errorf("%s: help: %s", name, got)
		}
	}
}

// Of several dimensions all are to be had; of two types of devices either, where it would take both.
func TestQuotaHelp_Several(t *testing.T) {
	of := func(d string, want, used int64) *berthv1.Reason {
		return &berthv1.Reason{Code: "quota", Detail: d, Want: want, Best: 1000, Total: 8000, Stands: &berthv1.QuotaStand{Limit: 4000, Allowed: 4000, Used: used}}
	}
	for _, tt := range []struct {
		name    string
		types   []string
		reasons []*berthv1.Reason
		want    string
	}{
		{
			"two dimensions", nil,
			[]*berthv1.Reason{of("cpu_milli", 2000, 3000), of("devices.h100", 2000, 3000)},
			"the end of what uses 1 core of tenant blue in pool q, or a larger quota: berth tenants set --pool q --cpu 5 blue; and also the end of what uses 1 h100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices h100=5 blue",
		},
		{
			"either type",
			[]string{"h100", "a100"},
			[]*berthv1.Reason{of("devices.a100", 2000, 3000), of("devices.h100", 2000, 3000)},
			"the end of what uses 1 a100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices a100=5 blue; or the end of what uses 1 h100 of tenant blue in pool q, or a larger quota: berth tenants set --pool q --devices h100=5 blue",
		},
	} {
		spec := &berthv1.Request{Tenant: "blue", Pool: "q"}
		if tt.types != nil {
			spec.Resources = &berthv1.Demand{Devices: []*berthv1.DeviceDemand{{Types: tt.types, Count: 2, Milli: 1000}}}
		}
		got := quotaHelp(&berthv1.ExplainResponse{Status: &berthv1.Status{Spec: spec}, Verdict: &berthv1.Verdict{Reasons: tt.reasons}})
		if got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

// Flags take bytes, and devices by their type.
func TestLargerQuota(t *testing.T) {
	spec := &berthv1.Request{Tenant: "blue", Pool: "q"}
	for d, want := range map[string]string{
		"memory_bytes":   "--memory 5000 --guaranteed memory=4000 blue",
		"disk_bytes":     "--disk 5000 --guaranteed disk=4000 blue",
		"devices.h100":   "--devices h100=5 --guaranteed devices.h100=4 blue",
		"custom.license": "--custom license=5000 --guaranteed custom.license=4000 blue",
	} {
		got := largerQuota(spec, berth.Dimension(d), &berthv1.QuotaStand{Limit: 4000, Guarantees: true, Guaranteed: 3000, Allowed: 4000, Used: 4000}, 1000)
		if want = "a larger quota: berth tenants set --pool q " + want; got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

// What is reclaimed is told with what stops for it, and until when.
func TestReclaimText(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	in := func(s int) *timestamppb.Timestamp {
		return timestamppb.New(now.Add(time.Duration(s) * time.Second))
	}
	for want, r := range map[string]*berthv1.Reclaim{
		"8 of it is lent to tenant red, and what uses that is stopped from 12:00:20 (in 20s) on":                             {From: "red", Amount: 8000, At: in(20)},
		"8 of it is lent to tenant red, and is reclaimed as soon as a worker has room for what waits, or would have by that": {From: "red", Amount: 8000, At: in(-1)},
		"8 of it is lent to tenant red, and is being reclaimed: 1 container stops, and is killed at 12:00:10 (in 10s)":       {From: "red", Amount: 8000, At: in(-1), Stopping: 1, Until: in(10)},
		"8 of it is lent to tenant red, and is being reclaimed: 3 containers stop, the last is killed at 12:00:10 (in 10s)":  {From: "red", Amount: 8000, At: in(-1), Stopping: 3, Until: in(10)},
	} {
		if got := reclaimText(berth.DimensionCPU, r, now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	r := &berthv1.Reason{Detail: string(berth.DimensionCPU), Tenants: []string{"green", "red"}, Stands: &berthv1.QuotaStand{Reclaims: []*berthv1.Reclaim{{From: "red", Amount: 1000, At: in(-1)}}}}
	if got, want := lentTo(r, now), "; 1 of it is lent to tenant red, and is reclaimed as soon as a worker has room for what waits, or would have by that; tenant green has borrowed some of it, and gives it back as what uses it ends"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// It is told for what quota is gathered that a request waits for, and since when.
func TestGatheredText(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	g := &berthv1.Gathered{
		Group: "train", Since: timestamppb.New(now.Add(-time.Minute)),
		Need: map[string]int64{"cpu_milli": 8000}, Has: map[string]int64{"cpu_milli": 3000},
	}
	r := &berthv1.Reason{Detail: string(berth.DimensionCPU), Stands: &berthv1.QuotaStand{Gathers: g}}
	for want, spec := range map[string]*berthv1.Request{
		"; what comes free is gathered for group train since 11:59:00 (60s): 3 of 8 so far": {Id: "small"},
		"; what comes free is gathered for it since 11:59:00 (60s): 3 of 8 so far":          {Id: "train.0", Group: &berthv1.Membership{Id: "train"}},
	} {
		if got := gatheredText(spec, r, now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got, want := gatheredCell(g, berth.DimensionCPU), "3 of 8 for group train"; got != want {
		t.Errorf("the cell is %q, want %q", got, want)
	}
	if got := gatheredCell(nil, berth.DimensionMemory); got != "-" {
		t.Errorf("of what is not gathered it is %q", got)
	}
}
