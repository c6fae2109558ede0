package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func TestOvercommitted(t *testing.T) {
	gpus := &berthv1.Capacity{CpuMilli: 8000, MemoryBytes: 8 << 30, Devices: []*berthv1.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "h100"}}}
	workers := []*berthv1.Worker{
		{Id: "a", Pool: "lab", State: "ready", Capacity: gpus},
		{Id: "b", Pool: "lab", State: "cordoned", Capacity: gpus},
		{Id: "c", Pool: "lab", State: "lost", Capacity: gpus},
		{Id: "d", Pool: "web", State: "ready", Capacity: gpus},
	}
	quota := func(tenant, pool string, guaranteed map[string]int64) *berthv1.Quota {
		return &berthv1.Quota{Tenant: tenant, Pool: pool, Guaranteed: guaranteed}
	}
	for _, tt := range []struct {
		name   string
		quotas []*berthv1.Quota
		want   []string
	}{
		{"all that there is", []*berthv1.Quota{
			quota("red", "lab", map[string]int64{"devices.h100": 3000, "cpu_milli": 16000}), quota("blue", "lab", map[string]int64{"devices.h100": 1000}),
		}, nil},
		{"more than the workers that are not lost", []*berthv1.Quota{
			quota("red", "lab", map[string]int64{"devices.h100": 3000}), quota("blue", "lab", map[string]int64{"devices.h100": 1500, "cpu_milli": 17000}), quota("guest", "lab", map[string]int64{"devices.h100": 0}),
		}, []string{
			"17 CPU is guaranteed in pool lab, to tenant blue, which is more than the 16 of its 2 workers: not all of it can be had at once",
			"4.5 h100 is guaranteed in pool lab, to tenants blue, red, which is more than the 4 of its 2 workers: not all of it can be had at once",
		}},
		{"each pool by itself", []*berthv1.Quota{
			quota("red", "lab", map[string]int64{"memory_bytes": 8 << 30}), quota("red", "web", map[string]int64{"memory_bytes": 9 << 30}),
		}, []string{"9.0GiB memory is guaranteed in pool web, to tenant red, which is more than the 8.0GiB of its 1 worker: not all of it can be had at once"}},
		{"what no worker has", []*berthv1.Quota{quota("red", "web", map[string]int64{"custom.licence": 1, "devices.t4": 1000})}, []string{
			"1 licence is guaranteed in pool web, to tenant red, which is more than the 0 of its 1 worker: not all of it can be had at once",
			"1 t4 is guaranteed in pool web, to tenant red, which is more than the 0 of its 1 worker: not all of it can be had at once",
		}},
		{"a pool without workers", []*berthv1.Quota{quota("red", "later", map[string]int64{"cpu_milli": 1000})}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := overcommitTexts(overcommitted(tt.quotas, workers)); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// What is guaranteed beyond the pool is set, and told of: when it is set, and wherever it is shown.
func TestTenants_Overcommit(t *testing.T) {
	withLocal(t, func(s *shell) { // 4 cores
		r := s.want(exitGood, "", "tenants", "set", "--cpu", "4", "--guaranteed", "cpu=3", "red")
		if strings.Contains(r.err, "warning") {
			t.Errorf("a warning of what there is: %s", r.err)
		}
		const says = "berth: warning: 5 CPU is guaranteed in pool default, to tenants blue, red, which is more than the 4 of its 1 worker: not all of it can be had at once\n"
		for _, args := range [][]string{{"tenants", "set", "--cpu", "4", "--guaranteed", "cpu=2", "blue"}, {"tenants"}, {"tenants", "--tenant", "red"}} {
			if r := s.want(exitGood, "overcommitted", args...); r.err != says {
				t.Errorf("berth %s says %q, want %q", strings.Join(args, " "), r.err, says)
			}
		}
		type quota struct {
			Tenant   string   `json:"tenant"`
			Warnings []string `json:"warnings"`
		}
		var one quota
		if r := s.do("tenants", "set", "--weight", "2", "--reclaim-after", "1m", "-o", "json", "blue"); json.Unmarshal([]byte(r.out), &one) != nil || len(one.Warnings) != 1 || !strings.Contains(says, one.Warnings[0]) {
			t.Errorf("set as JSON: %+v", r)
		}
		var all []quota
		if r := s.do("tenants", "-o", "json"); json.Unmarshal([]byte(r.out), &all) != nil || len(all) != 2 || len(all[0].Warnings) != 1 || len(all[1].Warnings) != 1 {
			t.Errorf("all as JSON: %+v", r)
		}
		s.want(exitGood, "2 (overcommitted, reclaimed after 60s)", "tenants")
		if r := s.do("tenants", "set", "--guaranteed", "cpu=1", "blue"); r.err != "" || strings.Contains(r.out, "overcommitted") {
			t.Errorf("what there is again: %+v", r)
		}
	})
}
