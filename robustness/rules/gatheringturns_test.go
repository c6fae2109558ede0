package rules

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthd/berth"
)

// Several that wait for what never comes together, r06 and r11, do not keep others from it for ever by taking turns among themselves,
// each planned by another daemon: they let others go first for longer each time. And what waits behind one of them is not tried again
// and again, without end, for what that alone may have. The oracle found both.
func TestGathering_SeveralLetOthersGo(t *testing.T) {
	of := func(count, milli int64, types ...string) berth.DeviceDemand {
		return berth.DeviceDemand{Count: count, Milli: milli, Types: types}
	}
	group := func(tenant berth.TenantID, by int, priority int32, cores, size, least int64, wants ...berth.DeviceDemand) typed {
		return typed{kind: "group", tenant: tenant, by: by, priority: priority, cpu: cores, size: size, least: least, wants: wants}
	}
	deeds := []typed{
		group("b", 0, 0, 100, 2, 1, of(1, 500, "a100", "h100"), of(1, 1000)),
		{kind: "worker", has: machineOf{200, []string{"t4", "t4"}}, soon: true},
		group("a", 0, 1, 100, 5, 3, of(1, 500, "t4"), of(1, 1000, "t4", "a100")),
		group("a", 0, 0, 200, 3, 3, of(1, 1000, "t4"), of(1, 500, "t4")),
		group("a", 1, 1, 200, 2, 1, of(1, 500), of(1, 500, "h100", "a100")),
		group("b", 0, 0, 100, 2, 1, of(2, 1000), of(2, 1000)),
		group("b", 0, 1, 200, 2, 2, of(1, 1000), of(1, 1000, "h100", "a100")),
		group("a", 0, 1, 200, 2, 1, of(2, 1000), of(2, 1000, "a100")),
		{kind: "end", pick: 1},
		group("a", 1, 1, 200, 3, 1, of(2, 1000), of(1, 1000, "h100", "t4")),
		{kind: "end", pick: 7, soon: true},
		group("b", 1, 1, 100, 4, 3, of(1, 500, "h100"), of(1, 500)),
		{kind: "worker", has: machineOf{500, []string{"a100", "t4", "a100"}}, soon: true},
		group("b", 1, 0, 100, 4, 1, of(1, 500), of(1, 500)),
	}
	for _, i := range []int{2, 5, 6, 9} {
		deeds[i].soon = true
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &typedModel{modelled: newModelled(ctx, t), wants: map[string]typed{}}
		defer m.expire(cancel)
		m.begins(typedScene{
			daemons: 2,
			machines: []machineOf{
				{300, []string{"h100", "h100", "h100", "h100"}}, {200, []string{"h100", "h100"}}, {200, []string{"h100", "h100", "h100", "h100"}}, {300, []string{"a100", "a100"}},
			},
			quotas: []quotaOf{
				{limits: berth.Amounts{"cpu_milli": 600, "devices.h100": 1500, "devices.t4": 3000}},
				{limits: berth.Amounts{"devices.a100": 0, "devices.h100": 3000, "devices.t4": 1000}},
			},
		})
		for i, d := range deeds {
			m.happens(fmt.Sprintf("r%02d", i), d)
			if !d.soon {
				m.passes(time.Minute)
			}
		}
		for minutes := 0; ; minutes++ {
			if _, placed := m.left("r13"); placed > 0 {
				break
			}
			if m.passes(time.Minute); minutes == 60 {
				t.Errorf("an hour in which nothing ended is over, and what there is room for waits: %s", m.record("b"))
				break
			}
		}
		endAll(append(m.stops, m.kills...))
	})
}
