package sim_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth/sim"
)

// plain are machines of four cores and no GPUs.
func plain(n int) (out []sim.Machine) {
	for i := range n {
		out = append(out, sim.Machine{Name: fmt.Sprint("m", i), CPUMilli: 4000, MemoryMiB: 100})
	}
	return out
}

// waitsByPriority are the longest waits of some priorities.
func waitsByPriority(r *sim.TraceResult, of ...string) map[string]int64 {
	out := make(map[string]int64)
	for _, one := range r.Priorities {
		for _, name := range of {
			if one.Name == name {
				out[name] = one.MaxMS
			}
		}
	}
	return out
}

// Of two full machines half of one comes free, and a group would have that by what is kept for it. Whose turn is before has it, and what comes free
// next.
func TestKeep_LeftToWhoGoesFirst(t *testing.T) {
	for _, tt := range []struct {
		name, tenant string
		priority     int
		want         map[string]int64 // for how long the two wait that come after the group, at most, and it
	}{
		{"of its tenant, with a higher priority", "b", 9, map[string]int64{"9": 5480, "3": 7990}},
		{"of its tenant, with a lower one", "b", 1, map[string]int64{"1": 7980, "3": 4990}},
		{"of a tenant with less", "c", 4, map[string]int64{"4": 5480, "3": 7990}},
	} {
		for _, preempts := range []string{"never", "lower"} {
			t.Run(tt.name+", "+preempts, func(t *testing.T) {
				jobs := readGroups(t,
					"0,400000,500000,2000,1,0,0,b,10,,,,,,", "0,400000,500000,2000,1,0,0,b,10,,,,,,",
					"0,5000,6000,2000,1,0,0,b,8,,,,,,", "0,5500,6000,2000,1,0,0,b,7,,,,,,",
					fmt.Sprintf("10,3000,4000,1000,1,0,0,b,3,%s,,g,2,,", preempts),
					fmt.Sprintf("20,3000,,2000,1,0,0,%s,%d,,,,,,", tt.tenant, tt.priority), fmt.Sprintf("20,3000,,2000,1,0,0,%s,%d,,,,,,", tt.tenant, tt.priority),
				)
				r := run(t, sim.NewTrace(plain(2), jobs), sim.PolicyBerth)
				if diff := cmp.Diff(tt.want, waitsByPriority(r, "3", fmt.Sprint(tt.priority))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// What is as important as groups and older has what comes free every other time.
func TestKeep_LeftToOlder(t *testing.T) {
	r := run(t, sim.NewTrace(plain(1), readGroups(t,
		"0,3000,4000,4000,1,0,0,b,,,,,,,", "10,1000,,4000,1,0,0,b,,,,,,,",
		"20,1000,,4000,1,0,0,b,,,,first,1,,", "30,1000,,4000,1,0,0,b,,,,second,1,,",
	)), sim.PolicyBerth)
	if diff := cmp.Diff(map[string][2]int64{"first": {2980, 1}, "second": {4970, 1}}, waitsOf(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := r.Classes[0].MaxMS; got != 3990 {
		t.Errorf("the older one waited %d ms, want 3990", got)
	}
}

// Half of a machine is free and kept for a group that waits for the other half. Who goes first has it, and nobody makes room for that; who does not has
// others make it.
func TestKeep_LeftToWhoWouldHaveRoomMade(t *testing.T) {
	for priority, stops := range map[int]int{9: 0, 3: 1} {
		r := run(t, sim.NewTrace(plain(2), readGroups(t,
			"0,400000,500000,4000,1,0,0,b,1,,,,,,", "1,5000,6000,2000,1,0,0,b,10,,,,,,", "1,50000,60000,2000,1,0,0,b,10,,,,,,",
			"10,1000,,1000,1,0,0,b,3,,,g,4,,",
			fmt.Sprintf("12000,1000,,2000,1,0,0,b,%d,lower,,,,,", priority),
		)), sim.PolicyBerth)
		if r.Preempted != stops || r.Classes[0].Jobs != 4 {
			t.Errorf("priority %d: %d were stopped, want %d", priority, r.Preempted, stops)
		}
	}
}

// No group has a place that one of its tenant's with a higher priority would have, which waits.
func TestProperty_NoGroupOvertakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, jobs := int64(0), []sim.Job(nil)
		for i := range rapid.IntRange(3, 25).Draw(t, "jobs") {
			at += rapid.SampledFrom([]int64{0, 10, 700, 3000}).Draw(t, "after")
			j := sim.Job{ArrivalMS: at, RunMS: rapid.Int64Range(1, 12).Draw(t, "run") * 900, Priority: rapid.Int64Range(0, 5).Draw(t, "priority")}
			j.Tenant = rapid.SampledFrom([]string{"s", "s", "t"}).Draw(t, "tenant")
			j.Pod = sim.Pod{CPUMilli: rapid.Int64Range(1, 4).Draw(t, "cores") * 1000}
			if rapid.Bool().Draw(t, "limited") {
				j.LimitMS = j.RunMS
			}
			if i == 0 || rapid.IntRange(0, 2).Draw(t, "group") == 0 {
				size := rapid.Int64Range(1, 4).Draw(t, "size")
				j.Group = &sim.Group{Name: fmt.Sprint("g", i), Size: size, MinCount: rapid.Int64Range(1, size).Draw(t, "min_count")}
			}
			jobs = append(jobs, j)
		}
		err := sim.NewTrace(plain(rapid.IntRange(1, 3).Draw(t, "machines")), jobs).Overtaken(func(job, by *sim.Job) {
			t.Fatalf("%+v waits, and the group %+v is placed", job, by)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
