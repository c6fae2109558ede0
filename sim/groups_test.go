package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth/sim"
)

const groupsHeader = "arrival_ms,run_ms,run_limit_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,preemption,patience_ms,group,group_size,group_min_count,group_topology\n"

func readGroups(t *testing.T, rows ...string) []sim.Job {
	t.Helper()
	jobs, err := sim.ReadTrace(strings.NewReader(groupsHeader + strings.Join(rows, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func run(t *testing.T, trace *sim.Trace, policy sim.PolicyName) *sim.TraceResult {
	t.Helper()
	r, err := trace.Run(t.Context(), policy, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// waitsOf are how long the groups of a run waited, and how many jobs of each were placed.
func waitsOf(r *sim.TraceResult) map[string][2]int64 {
	out := make(map[string][2]int64)
	for _, g := range r.GroupRuns {
		out[g.Name] = [2]int64{g.WaitedMS, int64(g.Jobs)}
	}
	return out
}

func machines(n int, labels ...string) (out []sim.Machine) {
	for i := range n {
		m := sim.Machine{Name: fmt.Sprint("m", i), CPUMilli: 4000, MemoryMiB: 100, GPUs: []string{"x", "x"}}
		if len(labels) > 0 {
			m.Labels = map[string]string{"rack": labels[i]}
		}
		out = append(out, m)
	}
	return out
}

// Of two machines with two GPUs one is half taken: a group of two that wants both of each waits
// for it to end, and holds nothing meanwhile; one of which one is enough goes at once, and its
// other job follows; a third is larger than the cluster.
func TestGroups_Whole(t *testing.T) {
	jobs := readGroups(t,
		"0,5000,,1000,1,1,1000,a,,,,,,,",
		"10,1000,,1000,1,2,1000,a,,,,whole,2,,",
		"10,1000,,1000,1,2,1000,b,,,,some,2,1,",
		"20,1000,,1000,1,2,1000,c,,,,never,3,,",
	)
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			r := run(t, sim.NewTrace(machines(2), jobs), policy)
			want := map[string][2]int64{"whole": {4990, 2}, "some": {0, 2}, "never": {5980, 0}}
			if diff := cmp.Diff(want, waitsOf(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Jobs != 8 || r.Placed != 5 || r.Never != 3 || len(r.Classes) != 1 || r.Classes[0].Jobs != 1 {
				t.Errorf("%d jobs, %d placed, %d never; alone: %+v", r.Jobs, r.Placed, r.Never, r.Classes)
			}
			if g := r.Groups; len(g) != 1 || g[0].Name != "gpus" || g[0].Jobs != 3 || g[0].Placed != 2 || g[0].MaxMS != 5980 {
				t.Errorf("groups: %+v", g)
			}
		})
	}
}

// All jobs of a group are on machines of one rack: of those with room for all the smaller one, so
// the next one finds the larger one whole. No machine says in which zone it is.
func TestGroups_Topology(t *testing.T) {
	jobs := readGroups(t,
		"0,5000,,1000,1,2,1000,a,,,,fills,2,,rack",
		"10,1000,,1000,1,2,1000,a,,,,three,3,,rack",
		"10,9000,,1000,1,2,1000,a,,,,two,3,2,rack",
		"20,1000,,1000,1,2,1000,a,,,,nowhere,2,,zone",
	)
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			trace := sim.NewTrace(machines(5, "a", "a", "b", "b", "b"), jobs)
			r := run(t, trace, policy)
			want := map[string][2]int64{"fills": {0, 2}, "three": {0, 3}, "two": {1000, 3}, "nowhere": {1000 + 9000 - 10, 0}}
			if diff := cmp.Diff(want, waitsOf(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			in := map[string]string{}
			for _, g := range r.GroupRuns {
				in[g.Name] = g.Domain
			}
			if diff := cmp.Diff(map[string]string{"fills": "a", "three": "b", "two": "b", "nowhere": ""}, in); diff != "" {
				t.Errorf("placed in (-want +got):\n%s", diff)
			}
		})
	}
}

// Two tenants' small jobs hold as much as each other, and at each moment one has less. What is kept for a group of one of them comes together all the same.
func TestGroups_KeptBesideEqualTenant(t *testing.T) {
	var rows []string
	for i := range 3600 {
		rows = append(rows, fmt.Sprintf("%d,%d,,800,1,0,0,%s,,,,,,,", i*370, []int{8000, 1000, 25_000}[i%3], []string{"a", "b"}[i%2]))
	}
	rows = append(rows, "60100,1000,,4000,1,0,0,b,,,,large,2,,")
	r := run(t, sim.NewTrace(machines(6), readGroups(t, rows...)), sim.PolicyBerth)
	if got := waitsOf(r)["large"]; got[0] > 120_000 {
		t.Errorf("%v", got)
	}
}

// What comes free small jobs take at once, so the group waits for ever where nothing is kept for
// it. Berth keeps it two of the three machines; the third goes on.
func TestGroups_Kept(t *testing.T) {
	var rows []string
	for i := range 600 { // one GPU each, always as many as there are, and more
		rows = append(rows, fmt.Sprintf("%d,%d,,100,1,1,1000,small,,,,,,,", i*200, 1000+i%7*100))
	}
	rows = append(rows, "30100,1000,,100,1,2,1000,small,,,,large,2,,")
	jobs := readGroups(t, rows...)
	waits := make(map[sim.PolicyName]int64)
	for _, policy := range []sim.PolicyName{sim.PolicyBerth, sim.PolicyBestFit} {
		r := run(t, sim.NewTrace(machines(3), jobs), policy)
		waits[policy] = waitsOf(r)["large"][0]
		if r.Placed != 602 {
			t.Errorf("%s: %d placed", policy, r.Placed)
		}
		idle := false
		for _, l := range r.Series {
			idle = idle || l.ForGroups > 0
		}
		if kept := policy == sim.PolicyBerth; idle != kept {
			t.Errorf("%s: something was idle for the group: %t", policy, idle)
		}
	}
	if waits[sim.PolicyBerth] > 10_000 {
		t.Errorf("with what is kept for it, the group waited %d ms", waits[sim.PolicyBerth])
	}
	if waits[sim.PolicyBestFit] < 60_000 {
		t.Errorf("with nothing kept, it waited %d ms: the trace shows nothing", waits[sim.PolicyBestFit])
	}
}

// Half of the machine is kept for a group that waits for the other half, whose end is known.
// What ends before may have it meanwhile, and what says nothing of itself waits.
func TestGroups_Backfill(t *testing.T) {
	for _, tt := range []struct {
		name, limit string // of the job in the other half
		small       string // its run limit
		want        int64  // that the small one waits
	}{
		{"it ends before", "100000", "1000", 0},
		{"it may end too late", "100000", "90000", 108_000 - 20},
		{"it does not say when it ends", "100000", "", 108_000 - 20},
		{"when the group begins is not known", "", "1000", 10_000 + 10 - 20}, // nothing is kept after a round
	} {
		t.Run(tt.name, func(t *testing.T) {
			jobs := readGroups(t,
				fmt.Sprintf("0,98000,%s,1000,1,1,1000,a,,,,,,,", tt.limit),
				"10,10000,,1000,1,2,1000,a,,,,large,1,,",
				fmt.Sprintf("20,1000,%s,1000,1,1,1000,a,,,,,,,", tt.small),
			)
			r := run(t, sim.NewTrace(machines(1), jobs), sim.PolicyBerth)
			if got := r.Classes[0].MaxMS; got != tt.want || waitsOf(r)["large"] != [2]int64{97_990, 1} {
				t.Errorf("the small one waited %d ms, want %d; %v", got, tt.want, waitsOf(r))
			}
		})
	}
}

// What is kept for a group is given up where it keeps off who goes first: of its own tenant, one
// of higher priority.
func TestGroups_WhoGoesFirst(t *testing.T) {
	for priority, want := range map[int]int64{0: 8000 + 1000 - 2000, 5: 0} {
		jobs := readGroups(t,
			"0,8000,,1000,1,1,1000,a,,,,,,,",
			"10,1000,,1000,1,2,1000,a,1,,,large,1,,",
			fmt.Sprintf("2000,1000,,1000,1,1,1000,a,%d,,,,,,", priority),
		)
		r := run(t, sim.NewTrace(machines(1), jobs), sim.PolicyBerth)
		for _, w := range r.Classes {
			if w.MaxMS != want {
				t.Errorf("priority %d: it waited %d ms, want %d", priority, w.MaxMS, want)
			}
		}
	}
}

// So it is where others would make room there for who goes first: of two jobs on the machine that is kept, both have its priority
// or less.
func TestGroups_WhoGoesFirstHasRoomMade(t *testing.T) {
	for priority, want := range map[int][2]int64{1: {8000 + 1000 - 2000, 0}, 5: {0, 2}} { // how long it waits, and how many stop
		jobs := readGroups(t,
			"0,8000,,1000,1,1,1000,b,1,,,,,,",
			"0,8000,,1000,1,1,1000,b,1,,,,,,",
			"10,1000,,1000,1,2,1000,a,1,,,large,1,,",
			fmt.Sprintf("2000,1000,,1000,1,2,1000,a,%d,lower,,,,,", priority),
		)
		r := run(t, sim.NewTrace(machines(1), jobs), sim.PolicyBerth)
		if got := [2]int64{r.Classes[1].MaxMS, int64(r.Preempted)}; got != want {
			t.Errorf("priority %d: %v, want %v", priority, got, want)
		}
	}
}

// Two of three machines are kept for a group until their jobs end. When the first round is over, others make room on the third for a
// group that matters as much and may have them do so; for one that matters less never.
func TestGroups_RoomBesideWhatIsKept(t *testing.T) {
	for _, tt := range []struct {
		priority int64
		first    string // "lower": others may make room for the first, too, and cannot: what runs there matters as much
		never    bool
	}{{5, "", false}, {5, "lower", false}, {4, "", true}, {4, "lower", true}} {
		jobs := readGroups(t,
			"0,900000,900000,1000,1,2,1000,b,5,,,,,,", "1,900000,900000,1000,1,2,1000,b,5,,,,,,", "2,900000,900000,1000,1,2,1000,b,0,,,,,,",
			fmt.Sprintf("10,1000,,1000,1,2,1000,a,5,%s,,first,2,,", tt.first),
			fmt.Sprintf("2000,1000,,1000,1,2,1000,a,%d,lower,,second,1,,", tt.priority),
		)
		waits := waitsOf(run(t, sim.NewTrace(machines(3), jobs), sim.PolicyBerth))
		if first, second := waits["first"][0], waits["second"][0]; first < 890_000 || second < 8000 || (second > 20_000) != tt.never {
			t.Errorf("priority %d, first %q: they waited %v", tt.priority, tt.first, waits)
		}
	}
}

// Nobody can make room for twelve groups: others do for one behind them, when it is asked for that in its turn.
func TestGroups_RoomBehindManyInVain(t *testing.T) {
	lines := []string{"0,950000,950000,1000,1,2,1000,b,0,,,,,,", "1,900000,900000,1000,1,2,1000,b,9,,,,,,", "1,900000,900000,1000,1,2,1000,b,9,,,,,,"}
	for i := range 12 {
		lines = append(lines, fmt.Sprintf("10,1000,,1000,1,2,1000,a,5,lower,,g%02d,2,,", i))
	}
	lines = append(lines, "10,1000,,1000,1,2,1000,a,5,lower,,last,1,,")
	r := run(t, sim.NewTrace(machines(3), readGroups(t, lines...)), sim.PolicyBerth)
	if got := waitsOf(r)["last"]; got[0] > 60_000 || got[1] != 1 {
		t.Errorf("it waited %v", got)
	}
}

// A service stands in a group's way for longer than anything was kept: nothing is, any more,
// and the other half of the machine is for small jobs again; also where it never ends.
func TestGroups_NotKeptForEver(t *testing.T) {
	for runs, want := range map[int64][2]int64{3_600_000: {3_500_000, 1}, 0: {10_000 + 1000, 0}} {
		jobs := readGroups(t,
			"0,3600000,,1000,1,1,1000,a,,,,,,,",
			"100000,1000,,1000,1,2,1000,a,,,,large,1,,",
			"101000,1000,,1000,1,1,1000,a,,,,,,,",
		)
		jobs[0].RunMS = runs
		r := run(t, sim.NewTrace(machines(1), jobs), sim.PolicyBerth)
		if got := r.Classes[0].MaxMS; got != 9000 { // a round is over ten seconds after the group came
			t.Errorf("%d ms: the small one waited %d ms", runs, got)
		}
		if got := waitsOf(r)["large"]; got != want {
			t.Errorf("%d ms: the group %v, want %v", runs, got, want)
		}
	}
}

// Who makes room makes it with the whole group, wherever it is, which then waits whole again, the
// one that has followed and the one that was to with it. A group makes nobody stop.
func TestGroups_MakeRoom(t *testing.T) {
	jobs := readGroups(t,
		"0,10000,,1000,1,2,1000,low,1,,,stopped,4,2,",
		"1000,5000,,1000,1,2,1000,high,2,lower,,,,,",
	)
	r := run(t, sim.NewTrace(machines(3), jobs), sim.PolicyBerth)
	if diff := cmp.Diff(map[string][2]int64{"stopped": {1000, 4}}, waitsOf(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Preempted != 3 || r.GroupRuns[0].Stops != 1 || r.Classes[0].MaxMS != 0 || r.Placed != 5 {
		t.Errorf("%d jobs were stopped, the group %d times; who made it waited %d ms; %d placed", r.Preempted, r.GroupRuns[0].Stops, r.Classes[0].MaxMS, r.Placed)
	}
	if want := 3 * 2 * 1000. / 3_600_000; r.GPULost < want-1e-9 || r.GPULost > want+1e-9 {
		t.Errorf("%v GPU hours lost, want %v", r.GPULost, want)
	}
	if low := r.Tenants[1]; low.Name != "low" || low.Jobs != 4 || low.MaxMS != 11_000 { // two follow, and one of them only when the first two have ended
		t.Errorf("%+v", low)
	}
}

// As many of a group go as their tenant's limit has room for; where that is too few, none, and
// nothing is kept for them.
func TestGroups_Limit(t *testing.T) {
	for limit, want := range map[int64][2]int64{3000: {0, 3}, 1000: {2_000_000 - 10, 0}} {
		jobs := readGroups(t,
			"10,1000000,,1000,1,1,1000,a,,,,large,3,2,",
			"1000000,1000000,,1000,1,1,1000,b,,,,,,,",
		)
		trace := sim.NewTrace(machines(2), jobs)
		trace.Limit("a", sim.Limit{GPUMilli: &limit})
		r := run(t, trace, sim.PolicyBerth)
		if got := waitsOf(r)["large"]; got != want || r.Classes[0].MaxMS != 0 {
			t.Errorf("limit %d: %v, want %v; the other waited %d ms", limit, got, want, r.Classes[0].MaxMS)
		}
	}
}

// A group whose patience is over leaves whole; one that is placed keeps its places, and who did
// not follow in time leaves.
func TestGroups_Patience(t *testing.T) {
	jobs := readGroups(t,
		"0,10000,,1000,1,2,1000,a,,,2000,some,2,1,",
		"10,1000,,1000,1,2,1000,a,,,500,gone,1,,",
	)
	r := run(t, sim.NewTrace(machines(1), jobs), sim.PolicyBerth)
	if diff := cmp.Diff(map[string][2]int64{"some": {0, 1}, "gone": {500, 0}}, waitsOf(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Placed != 1 || r.Left != 2 || r.Never != 0 {
		t.Errorf("%d placed, %d left, %d never", r.Placed, r.Left, r.Never)
	}
}

// TestGroups_Properties: whatever the trace, every job is accounted for, the same seed gives
// the same run, a group has min_count places or none, and nothing waits for ever that an empty
// cluster would take: neither a group behind small jobs, nor these behind what is kept for it.
func TestGroups_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := machines(rapid.IntRange(1, 4).Draw(t, "machines"), "a", "b", "a", "b")
		room := map[string]int64{}
		for _, m := range cluster {
			room[""] += int64(len(m.GPUs))
			room["rack"+m.Labels["rack"]] += int64(len(m.GPUs))
		}
		room["rack"] = max(room["racka"], room["rackb"])
		at, possible, jobs := int64(0), 0, []sim.Job(nil)
		for i := range rapid.IntRange(1, 25).Draw(t, "jobs") {
			at += rapid.Int64Range(0, 3000).Draw(t, "after")
			j := sim.Job{ArrivalMS: at, RunMS: rapid.Int64Range(1, 60_000).Draw(t, "run"), Priority: rapid.Int64Range(0, 2).Draw(t, "priority")}
			j.Tenant = rapid.SampledFrom([]string{"s", "t"}).Draw(t, "tenant")
			j.Pod = sim.Pod{CPUMilli: 1, GPUs: 1, GPUMilli: 1000}
			if rapid.Bool().Draw(t, "limited") {
				j.LimitMS = j.RunMS + rapid.Int64Range(0, 10_000).Draw(t, "limit")
			}
			n := 1
			if rapid.Bool().Draw(t, "group") {
				g := &sim.Group{Name: fmt.Sprint("g", i), Size: rapid.Int64Range(1, 9).Draw(t, "size"), Topology: rapid.SampledFrom([]string{"", "rack"}).Draw(t, "topology")}
				g.MinCount = rapid.Int64Range(1, g.Size).Draw(t, "min_count")
				if j.Group = g; g.MinCount > room[g.Topology] {
					n = 0
				} else {
					n = int(g.Size)
				}
			} else {
				j.Preempts = rapid.Bool().Draw(t, "preempts")
			}
			possible += n
			jobs = append(jobs, j)
		}
		trace := sim.NewTrace(cluster, jobs)
		policy := rapid.SampledFrom(sim.Policies).Draw(t, "policy")
		r, err := trace.Run(t.Context(), policy, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Placed != possible || r.Placed+r.Left+r.Never != r.Jobs || r.Jobs != trace.Jobs() {
			t.Fatalf("placed %d of %d that an empty cluster takes; left %d, never %d, jobs %d", r.Placed, possible, r.Left, r.Never, r.Jobs)
		}
		for _, g := range r.GroupRuns {
			if g.Placed != (g.Jobs > 0) || g.Placed && int64(g.Jobs) < g.MinCount || g.WaitedMS < 0 {
				t.Fatalf("%+v", g)
			}
		}
		for _, l := range r.Series {
			if sum := l.Allocated + l.Fragmented + l.Starved + l.ForGroups + l.NoDemand; sum < 100-1e-6 || sum > 100+1e-6 || l.NoDemand < -1e-9 {
				t.Fatalf("%+v", l)
			}
		}
		again, err := trace.Run(t.Context(), policy, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("again (-first +second):\n%s", diff)
		}
	})
}
