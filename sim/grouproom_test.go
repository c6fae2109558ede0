package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

const roomHeader = "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,preemption,grace_ms,patience_ms,group,group_size,group_min_count\n"

func readRoom(t *testing.T, rows ...string) []sim.Job {
	t.Helper()
	jobs, err := sim.ReadTrace(strings.NewReader(roomHeader + strings.Join(rows, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// TestGroupRoom: three machines of two GPUs. Who makes room, when the group is placed, and what
// becomes of the others.
func TestGroupRoom(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rows  []string
		waits map[string][2]int64 // of groups: for how long, and how many jobs were placed
		stops int                 // jobs, for groups all of them
		left  map[string]int64    // of tenants: the longest wait
	}{
		{
			"on as many machines as it needs, after their grace",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,,,", "0,9000,1,1,2,1000,b,0,,700,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,"},
			map[string][2]int64{"large": {700, 3}},
			2,
			map[string]int64{"a": 3700, "b": 3700, "g": 700},
		},
		{
			"the least important, and no more than that",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,,,", "0,9000,1,1,2,1000,b,0,,700,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,2,"},
			map[string][2]int64{"large": {700, 2}},
			1,
			map[string]int64{"a": 0, "b": 3700, "g": 700},
		},
		{
			"nobody who matters as much",
			[]string{"0,9000,1,1,2,1000,a,5,,,,,,", "0,9000,1,1,2,1000,b,0,,,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,"},
			map[string][2]int64{"large": {8000, 3}},
			0,
			map[string]int64{"a": 0, "b": 0, "g": 8000},
		},
		{
			"nobody who did not ask for it",
			[]string{"0,9000,1,1,2,1000,a,1,,,,,,", "0,9000,1,1,2,1000,b,0,,,,,,", "1000,2000,1,1,2,1000,g,5,never,,,large,3,"},
			map[string][2]int64{"large": {8000, 3}},
			0,
			map[string]int64{"a": 0, "b": 0, "g": 8000},
		},
		{
			"without a grace at once",
			[]string{"0,9000,1,1,2,1000,a,1,,,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,"},
			map[string][2]int64{"large": {0, 3}},
			1,
			map[string]int64{"a": 3000, "g": 0},
		},
		{
			"a group goes whole, and waits whole again with who was to follow it",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,low,4,2", "1000,2000,1,1,2,1000,g,5,lower,,,large,1,"},
			map[string][2]int64{"large": {500, 1}, "low": {1500, 4}},
			3,
			map[string]int64{"a": 10_500, "g": 500},
		},
		{
			"who follows makes nobody stop",
			[]string{"0,9000,1,1,2,1000,a,1,,,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,2"},
			map[string][2]int64{"large": {0, 3}},
			0,
			map[string]int64{"a": 0, "g": 2000},
		},
		{
			"what has run to its end within its grace was not stopped",
			[]string{"0,9000,1,1,2,1000,a,1,,,,,,", "0,1200,1,1,2,1000,b,1,,500,,,,", "0,9000,1,1,2,1000,c,9,,,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,2,"},
			map[string][2]int64{"large": {200, 2}},
			1,
			map[string]int64{"a": 3200, "b": 0, "c": 0, "g": 200},
		},
		{
			"nobody who may end only when the group has left",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,,,", "1000,2000,1,1,2,1000,g,5,lower,,100,large,3,"},
			map[string][2]int64{"large": {100, 0}},
			0,
			map[string]int64{"a": 0, "g": 100},
		},
		{
			"who has ended before it leaves",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,,,", "1000,2000,1,1,2,1000,g,5,lower,,600,large,3,"},
			map[string][2]int64{"large": {500, 3}},
			1,
			map[string]int64{"a": 3500, "g": 500},
		},
		{
			"who had to make room has nobody else do so; and it is asked once a second",
			[]string{"0,9000,1,1,2,1000,a,1,,,,,,", "10,5000,1,1,2,1000,b,3,lower,,,middle,3,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,"},
			map[string][2]int64{"large": {10, 3}, "middle": {12_000, 3}}, // behind a, whose turn is before
			4,
			map[string]int64{"a": 3010, "b": 12_000, "g": 10},
		},
		{
			"one group after the other, by priority",
			[]string{"0,9000,1,1,2,1000,a,1,,500,,,,", "0,9000,1,1,2,1000,a,1,,500,,,,", "0,9000,1,1,2,1000,a,1,,500,,,,", "1000,2000,1,1,2,1000,g,4,lower,,,second,1,", "1000,2000,1,1,2,1000,g,5,lower,,,first,2,"},
			map[string][2]int64{"first": {500, 2}, "second": {1500, 1}},
			3,
			map[string]int64{"a": 4500, "g": 1500},
		},
		{
			"a group that had to make room has nobody else do so",
			[]string{"0,90000,1,1,2,1000,a,0,,,,,,", "10,90000,1,1,2,1000,b,3,lower,,,middle,2,1", "1000,2000,1,1,2,1000,g,5,lower,,,large,2,"},
			map[string][2]int64{"large": {0, 2}, "middle": {2990, 2}},
			2,
			map[string]int64{"a": 0, "b": 2990, "g": 0},
		},
		{
			"not beside what is kept for a group that matters as much",
			[]string{"0,90000,1,1,2,1000,a,1,,5000,,,,", "0,90000,1,1,2,1000,a,1,,5000,,,,", "0,90000,1,1,2,1000,a,1,,5000,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,first,2,", "2500,2000,1,1,2,1000,g,5,lower,,,second,3,"},
			map[string][2]int64{"first": {5000, 2}, "second": {10_500, 3}},
			3,
			map[string]int64{"a": 15_000, "g": 10_500},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, sim.NewTrace(machines(3), readRoom(t, tt.rows...)), sim.PolicyBerth)
			if diff := cmp.Diff(tt.waits, waitsOf(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			left := map[string]int64{}
			for _, one := range r.Tenants {
				left[one.Name] = one.MaxMS
			}
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Errorf("longest waits (-want +got):\n%s", diff)
			}
			if r.Preempted != tt.stops || r.ForGroup != tt.stops {
				t.Errorf("%d were stopped, %d for groups, want %d", r.Preempted, r.ForGroup, tt.stops)
			}
			if r.Placed+r.Left != r.Jobs {
				t.Errorf("%d jobs, %d placed, %d left", r.Jobs, r.Placed, r.Left)
			}
		})
	}
}

// A group of higher priority takes over what is kept, and waits for those who were told already. What would end before
// keeps off, too: nothing comes back to where room is made.
func TestGroupRoom_TakenOver(t *testing.T) {
	jobs := readRoom(t,
		"0,90000,1,1,2,1000,a,0,,40000,,,,", "0,90000,1,1,2,1000,b,1,,5000,,,,", "1000,2000,1,1,2,1000,g,4,lower,,,first,2,",
		"2500,2000,1,1,2,1000,h,5,lower,,,higher,3,", "3000,1000,1,1,2,1000,small,0,,,,,,")
	jobs[4].LimitMS = jobs[4].RunMS
	r := run(t, sim.NewTrace(machines(3), jobs), sim.PolicyBerth)
	last := r.GroupRuns[0].WaitedMS
	if higher := r.GroupRuns[1]; higher.WaitedMS != 38_500 || higher.Room != 1 || r.GroupRuns[0].Room != 1 || last != 42_000 {
		t.Errorf("%+v", r.GroupRuns)
	}
	for _, one := range r.Tenants {
		if one.Name == "small" && one.MaxMS != 40_000 {
			t.Errorf("what would end before they have waited %d ms", one.MaxMS)
		}
	}
}

// Nobody makes room under the policies that Berth is compared with.
func TestGroupRoom_OtherPolicies(t *testing.T) {
	jobs := readRoom(t, "0,9000,1,1,2,1000,a,1,,500,,,,", "1000,2000,1,1,2,1000,g,5,lower,,,large,3,")
	for _, policy := range sim.Policies[1:] {
		if r := run(t, sim.NewTrace(machines(3), jobs), policy); r.Preempted != 0 || waitsOf(r)["large"] != [2]int64{8000, 3} {
			t.Errorf("%s: %d stopped, %v", policy, r.Preempted, waitsOf(r))
		}
	}
}

// roomTrace is jobs of whole GPUs, alone and in groups, some of which may have others make room.
func roomTrace(t *rapid.T) *sim.Trace {
	cluster := machines(rapid.IntRange(1, 4).Draw(t, "machines"), "a", "b", "a", "b")
	at, jobs := int64(0), []sim.Job(nil)
	for i := range rapid.IntRange(2, 20).Draw(t, "jobs") {
		at += rapid.Int64Range(0, 3000).Draw(t, "after")
		j := sim.Job{ArrivalMS: at, RunMS: rapid.Int64Range(1, 60_000).Draw(t, "run"), Priority: rapid.Int64Range(0, 3).Draw(t, "priority")}
		j.Tenant = rapid.SampledFrom([]string{"s", "t"}).Draw(t, "tenant")
		j.Pod = sim.Pod{CPUMilli: 1, GPUs: rapid.Int64Range(1, 2).Draw(t, "gpus"), GPUMilli: berth.WholeDevice}
		j.GraceMS, j.Preempts = rapid.SampledFrom([]int64{0, 10, 5000}).Draw(t, "grace"), rapid.Bool().Draw(t, "preempts")
		if rapid.Bool().Draw(t, "limited") {
			j.LimitMS = j.RunMS
		}
		if rapid.Bool().Draw(t, "group") {
			g := &sim.Group{Name: fmt.Sprint("g", i), Size: rapid.Int64Range(1, 5).Draw(t, "size"), Topology: rapid.SampledFrom([]string{"", "rack"}).Draw(t, "topology")}
			g.MinCount = rapid.Int64Range(1, g.Size).Draw(t, "min_count")
			j.Group = g
		} else {
			j.Preempts = false // who makes room for one alone does so at once
		}
		jobs = append(jobs, j)
	}
	return sim.NewTrace(cluster, jobs)
}

// TestProperty_GroupRoom: who makes room for a group matters less than it, a group makes it whole,
// once they have ended the group fits, and without the end of any of them it would not.
func TestProperty_GroupRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		err := roomTrace(t).Rooms(func(m *sim.Room) {
			told := m.Told()
			for _, j := range told {
				if j.Priority >= m.Priority() {
					t.Fatalf("one of priority %d makes room for a group of %d", j.Priority, m.Priority())
				}
			}
			if left := m.Left(); len(left) > 0 {
				t.Fatalf("%d jobs of a group run on that makes room", len(left))
			}
			if fit := m.Fit(func(*sim.Job) bool { return false }); fit < m.Needs() {
				t.Fatalf("when all have ended, %d jobs fit, not %d", fit, m.Needs())
			}
			for _, one := range told {
				stays := func(j *sim.Job) bool { return j == one || one.Group != nil && j.Group == one.Group }
				if fit := m.Fit(stays); fit >= m.Needs() {
					t.Fatalf("%d jobs would fit, of which %d must, while one goes on that was told to stop: %+v", fit, m.Needs(), *one)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// However many make room for others, each job is accounted for, and all end at last that an
// empty cluster takes.
func TestProperty_GroupRoomEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := roomTrace(t)
		r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Placed+r.Never != r.Jobs || r.ForGroup > r.Preempted {
			t.Fatalf("%d jobs, %d placed, %d never; %d stopped, %d for groups", r.Jobs, r.Placed, r.Never, r.Preempted, r.ForGroup)
		}
		stopped := slices.ContainsFunc(r.GroupRuns, func(g sim.GroupRun) bool { return g.Room > 0 && !g.Placed })
		if stopped {
			t.Fatalf("others made room for a group that was never placed: %+v", r.GroupRuns)
		}
		again, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("again (-first +second):\n%s", diff)
		}
	})
}

func TestReadTrace_Grace(t *testing.T) {
	jobs := readRoom(t, "0,1,1,1,0,0,,,,,,,,", "0,1,1,1,0,0,,,,3600000,,,,")
	if jobs[0].GraceMS != 0 || jobs[1].GraceMS != 3_600_000 {
		t.Errorf("%+v", jobs)
	}
	_, err := sim.ReadTrace(strings.NewReader(roomHeader + "0,1,1,1,0,0,,,,3600001,,,,\n"))
	if want := `line 2: grace_ms "3600001" is not allowed; allowed: a whole number of 0 to 3600000`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
