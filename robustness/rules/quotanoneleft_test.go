package rules

import (
	"testing"
	"testing/synctest"

	"github.com/berthd/berth"
)

// What waits for a worker with the only type of devices that its quota leaves it is not tried again, each second, as if it could have all
// types, because nothing is left of that one, which others are granted. The oracle found it.
func TestQuotaTypes_NoneLeftIsNoOther(t *testing.T) {
	of := func(count, milli int64, types ...string) berth.DeviceDemand {
		return berth.DeviceDemand{Count: count, Milli: milli, Types: types}
	}
	asks := func(kind string, tenant berth.TenantID, by int, cores int64, priority int32, wants berth.DeviceDemand) typed {
		return typed{kind: kind, tenant: tenant, by: by, cpu: cores, priority: priority, wants: []berth.DeviceDemand{wants}}
	}
	group := func(by int, cores int64, priority int32, wants berth.DeviceDemand, size int64) typed {
		d := asks("group", "a", by, cores, priority, wants)
		d.size, d.least = size, 1
		return d
	}
	deeds := []typed{
		group(1, 100, 1, of(2, 500), 5),
		{kind: "worker", has: machineOf{200, []string{"h100", "h100", "h100"}}},
		{kind: "end", pick: 6},
		group(2, 100, 1, of(1, 1000), 4),
		asks("submit", "b", 0, 100, 0, of(1, 500, "a100")),
		{kind: "worker", has: machineOf{100, []string{"t4"}}},
		group(1, 200, 0, of(2, 1000), 2),
		asks("submit", "a", 1, 100, 1, of(2, 1000, "t4")),
		asks("submit", "a", 2, 200, 1, of(1, 500)),
		asks("submit", "a", 0, 100, 1, of(1, 500)),
		asks("submit", "b", 2, 100, 1, of(2, 1000)),
		{kind: "end", pick: 3},
		{kind: "restart", by: 1},
		asks("submit", "a", 1, 100, 0, of(2, 1000, "h100", "t4")),
	}
	for _, i := range []int{1, 3, 6, 7, 8, 10, 11} {
		deeds[i].soon = true
	}
	scene := typedScene{
		daemons:  3,
		machines: []machineOf{{100, nil}, {100, nil}, {300, nil}, {600, []string{"t4"}}},
		quotas: []quotaOf{
			{limits: berth.Amounts{"cpu_milli": 600, "devices.a100": 0, "devices.h100": 500, "devices.t4": 3000}},
			{limits: berth.Amounts{"cpu_milli": 400, "devices.a100": 0, "devices.h100": 3000, "devices.t4": 3000}},
		},
	}
	for range 8 { // it depends on who is asked first
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = oracleModel(t, scene, deeds) })
		if wrong != "" {
			t.Fatal(wrong)
		}
	}
}
