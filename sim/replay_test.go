package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

const jobsHeader = "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,patience_ms\n"

func readJobs(t *testing.T, rows string) []sim.Job {
	t.Helper()
	jobs, err := sim.ReadTrace(strings.NewReader(jobsHeader + rows))
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// TestTrace_Queue: one GPU; the second waits for the first, the third goes before it by
// its priority, the fourth leaves, the fifth fits nowhere ever.
func TestTrace_Queue(t *testing.T) {
	jobs := readJobs(t, "0,1000,1000,1,1,1000,a,,\n10,1000,1000,1,1,1000,a,,\n20,1000,1000,1,1,1000,b,5,\n30,1000,1000,1,1,1000,b,,500\n40,1000,1000,1,2,1000,c,,\n")
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 4000, MemoryMiB: 10, GPUs: []string{"x"}}}, jobs)
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			r, err := trace.Run(t.Context(), policy, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Placed != 3 || r.Left != 1 || r.Never != 1 {
				t.Errorf("placed %d, left %d, never %d", r.Placed, r.Left, r.Never)
			}
			want := []sim.Waits{
				{Name: "0", Jobs: 4, Placed: 2, MeanMS: (0 + 1990 + 500 + 2960) / 4., P50MS: 1990, P95MS: 2960, MaxMS: 2960},
				{Name: "5", Jobs: 1, Placed: 1, MeanMS: 980, P50MS: 980, P95MS: 980, MaxMS: 980},
			}
			if diff := cmp.Diff(want, r.Priorities); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if r.Allocated != 100 || r.Fairness >= 1 || r.Fairness < 0.3 {
				t.Errorf("allocated %v, fairness %v", r.Allocated, r.Fairness)
			}
		})
	}
}

// TestTrace_Preempts: one GPU; what runs there makes room for the first that may have it
// stopped and is more important, and is run anew, whole, behind it; not for the one that is
// as important as itself, nor for the one that only waits. Nobody makes room under other policies.
func TestTrace_Preempts(t *testing.T) {
	jobs, err := sim.ReadTrace(strings.NewReader("arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,preemption\n" +
		"0,3600000,1000,1,1,1000,low,1,never\n10,1000,1000,1,1,1000,equal,1,lower\n20,1000,1000,1,1,1000,meek,3,\n1800000,1000,1000,1,1,1000,high,2,lower\n"))
	if err != nil {
		t.Fatal(err)
	}
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 4000, MemoryMiB: 10, GPUs: []string{"x"}}}, jobs)
	for _, policy := range sim.Policies {
		r, err := trace.Run(t.Context(), policy, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		waited := map[string]int64{}
		for _, one := range r.Tenants {
			waited[one.Name] = one.MaxMS
		}
		want, stops, lost := map[string]int64{"low": 0, "equal": 3_600_000 - 10, "meek": 3_600_000 + 1000 - 20, "high": 3_600_000 + 2000 - 1_800_000}, 0, 0.0
		if policy == sim.PolicyBerth {
			want = map[string]int64{"high": 0, "equal": 1_800_000 + 1000 - 10, "meek": 1_800_000 + 2000 - 20, "low": 1_800_000 + 3000}
			stops, lost = 1, 0.5
		}
		if diff := cmp.Diff(want, waited); diff != "" {
			t.Errorf("%s: waited (-want +got):\n%s", policy, diff)
		}
		if r.Placed != 4 || r.Preempted != stops || r.GPULost != lost || r.CoreLost != lost {
			t.Errorf("%s: %d placed, %d stopped, %v and %v hours lost", policy, r.Placed, r.Preempted, r.GPULost, r.CoreLost)
		}
	}
}

// TestTrace_NoCascade: what had to make room has nobody else do so, though somebody matters less.
func TestTrace_NoCascade(t *testing.T) {
	jobs, err := sim.ReadTrace(strings.NewReader("arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant,priority,preemption\n" +
		"0,9000,1000,1,1,1000,low,0,\n0,9000,1000,1,1,1000,middle,1,lower\n1000,5000,1000,1,1,1000,high,2,lower\n"))
	if err != nil {
		t.Fatal(err)
	}
	jobs[1].Models, jobs[2].Models = []string{"x", "y"}, []string{"x"}
	trace := sim.NewTrace([]sim.Machine{{Name: "a", CPUMilli: 9000, MemoryMiB: 10, GPUs: []string{"y"}}, {Name: "b", CPUMilli: 9000, MemoryMiB: 10, GPUs: []string{"x"}}}, jobs)
	r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Preempted != 1 || r.Tenants[1].Stops != 0 || r.Tenants[2].MaxMS != 6000 {
		t.Errorf("%d were stopped: %+v", r.Preempted, r.Tenants)
	}
}

// TestTrace_Causes: a machine without CPU is starved, one with a part of a GPU left is
// fragmented, for what waits.
func TestTrace_Causes(t *testing.T) {
	machines := []sim.Machine{{Name: "a", CPUMilli: 1000, MemoryMiB: 10, GPUs: []string{"x", "x"}}}
	starved := sim.NewTrace(machines, readJobs(t, "0,9000,1000,1,1,1000,,,\n0,9000,1000,1,1,1000,,,\n1000,9000,0,0,0,0,,,\n"))
	r, err := starved.Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Allocated != 50 || r.Starved < 40 || r.Fragmented != 0 {
		t.Errorf("%+v", r)
	}
	split := sim.NewTrace(machines[:1], readJobs(t, "0,9000,100,1,1,600,,,\n0,9000,100,1,1,600,,,\n0,9000,100,1,1,600,,,\n1000,9000,0,0,0,0,,,\n"))
	if r, err = split.Run(t.Context(), sim.PolicyBerth, 1, nil); err != nil {
		t.Fatal(err)
	}
	if r.Allocated != 60 || r.Starved != 0 || r.Fragmented < 20 {
		t.Errorf("%+v", r)
	}
}

// TestTrace_Properties: whatever the trace, every job is accounted for, the same seed
// gives the same run, and nothing waits for ever that an empty cluster would take.
func TestTrace_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var machines []sim.Machine
		for i := range rapid.IntRange(1, 4).Draw(t, "machines") {
			machines = append(machines, sim.Machine{Name: fmt.Sprint("m", i), CPUMilli: 4000, MemoryMiB: 100, GPUs: slices.Repeat([]string{"x"}, i)})
		}
		at, possible := int64(0), 0
		var jobs []sim.Job
		for range rapid.IntRange(1, 30).Draw(t, "jobs") {
			at += rapid.Int64Range(0, 500).Draw(t, "after")
			j := sim.Job{ArrivalMS: at, RunMS: rapid.Int64Range(1, 2000).Draw(t, "run"), Priority: rapid.Int64Range(0, 2).Draw(t, "priority"), Tenant: "t"}
			j.Preempts = rapid.Bool().Draw(t, "preempts")
			j.CPUMilli, j.GPUs = rapid.Int64Range(0, 5000).Draw(t, "cpu"), rapid.Int64Range(0, 4).Draw(t, "gpus")
			if j.GPUs > 0 {
				j.GPUMilli = 1000
			}
			if j.GPUs == 1 {
				j.GPUMilli = rapid.Int64Range(1, 1000).Draw(t, "milli")
			}
			if j.CPUMilli <= 4000 && j.GPUs < int64(len(machines)) {
				possible++
			}
			jobs = append(jobs, j)
		}
		trace := sim.NewTrace(machines, jobs)
		policy := rapid.SampledFrom(sim.Policies).Draw(t, "policy")
		r, err := trace.Run(t.Context(), policy, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Placed != possible || r.Placed+r.Left+r.Never != len(jobs) {
			t.Fatalf("placed %d of %d that an empty cluster takes; left %d, never %d, jobs %d", r.Placed, possible, r.Left, r.Never, len(jobs))
		}
		if r.Allocated < 0 || r.Allocated > 100+1e-9 || r.Fairness < 0 || r.Fairness > 1+1e-9 {
			t.Fatalf("%+v", r)
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

func TestReadTrace_PreemptionRefused(t *testing.T) {
	_, err := sim.ReadTrace(strings.NewReader("arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,preemption\n0,1,1,1,0,0,lower\n0,1,1,1,0,0,higher\n"))
	want := `line 3: preemption "higher" is unknown`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestReadTrace_Refused(t *testing.T) {
	for name, rows := range map[string]string{
		"run_ms": "0,0,1,1,0,0,,,\n", "arrival_ms": "-1,1,1,1,0,0,,,\n", "tenant": "0,1,1,1,0,0,A B,,\n", "priority": "0,1,1,1,0,0,,1001,\n",
		"patience_ms": "0,1,1,1,0,0,,,x\n", "gpu_milli": "0,1,1,1,1,0,,,\n",
	} {
		_, err := sim.ReadTrace(strings.NewReader(jobsHeader + rows))
		field, ok := errors.AsType[*berth.FieldError](err)
		line, lined := errors.AsType[*sim.LineError](err)
		if !ok || field.Field != name || !lined || line.Line != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadTrace: whatever a file holds, it is read within the bounds, or refused.
func FuzzReadTrace(f *testing.F) {
	f.Add(jobsHeader+"0,1000,1000,1,1,1000,a,3,500\n", "name,cpu_milli,memory_mib,gpus,gpu_type\nm,1,1,1,x\n")
	f.Add(groupsHeader+"0,1000,2000,1000,1,1,1000,a,3,never,500,g,8,6,rack\n", "name,cpu_milli,memory_mib,gpus,gpu_type,labels\nm,1,1,1,x,rack=r1;zone=a\n")
	f.Fuzz(func(t *testing.T, trace, nodes string) {
		jobs, err := sim.ReadTrace(strings.NewReader(trace))
		checkRead(t, jobs, err)
		for i, j := range jobs {
			if j.RunMS < 1 || j.ArrivalMS < 0 || i > 0 && j.ArrivalMS < jobs[i-1].ArrivalMS || j.Tenant == "" {
				t.Errorf("read %+v", j)
			}
			if g := j.Group; g != nil && (g.Name == "" || g.MinCount < 1 || g.MinCount > g.Size || g.Size > berth.MaxGroupSize) {
				t.Errorf("read the group %+v of %+v", *g, j)
			}
		}
		machines, err := sim.ReadNodes(strings.NewReader(nodes))
		checkRead(t, machines, err)
	})
}

// Two tenants want all of a cluster; one came first, with more. By their weights they
// come to hold their parts, and neither waits for all that the other asks.
func TestTrace_Shares(t *testing.T) {
	var rows strings.Builder
	for i := range 200 {
		fmt.Fprintf(&rows, "0,%d,1000,0,0,0,greedy,1000,\n", 900+i%7*100)
	}
	for i := range 60 {
		fmt.Fprintf(&rows, "5000,%d,1000,0,0,0,modest,,\n", 900+i%7*100)
	}
	machines := []sim.Machine{{Name: "a", CPUMilli: 8000}, {Name: "b", CPUMilli: 4000}}
	for weight, want := range map[int64][2]float64{1: {0.5, 0.5}, 3: {0.25, 0.75}} {
		trace := sim.NewTrace(machines, readJobs(t, rows.String()+"40000,1,0,0,0,0,idle,,\n"))
		trace.Weigh("modest", weight)
		r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tenant := range r.Tenants {
			switch tenant.Name {
			case "greedy":
				if tenant.Share < want[0]-0.1 || tenant.Share > want[0]+0.1 {
					t.Errorf("weight %d: the first held %.2f while both waited", weight, tenant.Share)
				}
			case "modest":
				if tenant.Share < want[1]-0.1 || tenant.Share > want[1]+0.1 || tenant.Weight != weight {
					t.Errorf("weight %d: the second held %.2f by a weight of %d", weight, tenant.Share, tenant.Weight)
				}
				if tenant.MaxMS > 13_000 {
					t.Errorf("weight %d: one of the second waited for %d ms", weight, tenant.MaxMS)
				}
			}
		}
		if r.Shared < 0.9 || r.Shared > 1 {
			t.Errorf("weight %d: its shares are even to %.3f", weight, r.Shared)
		}
	}
}

// However much others ask for, and however they are weighted, a tenant with one job at a
// time waits for no more than one job of each of the others, one after the other.
func TestTrace_BoundedWaiting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const longest = 1000
		machines := []sim.Machine{{Name: "m", CPUMilli: 1000 * rapid.Int64Range(1, 4).Draw(t, "slots")}}
		others := rapid.IntRange(1, 4).Draw(t, "others")
		var jobs []sim.Job
		for range rapid.IntRange(10, 60).Draw(t, "jobs") {
			j := sim.Job{RunMS: rapid.Int64Range(1, longest).Draw(t, "run"), Tenant: fmt.Sprint("other", rapid.IntRange(1, others).Draw(t, "tenant")), Priority: 1000}
			j.CPUMilli = 1000
			jobs = append(jobs, j)
		}
		for i := range rapid.Int64Range(1, 5).Draw(t, "modest") {
			j := sim.Job{ArrivalMS: 1 + i*longest*int64(others+2), RunMS: longest / 2, Tenant: "modest"}
			j.CPUMilli = 1000
			jobs = append(jobs, j)
		}
		trace := sim.NewTrace(machines, jobs)
		for i := range others {
			trace.Weigh(fmt.Sprint("other", i+1), rapid.Int64Range(1, 1000).Draw(t, "weight"))
		}
		r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range r.Tenants {
			if one.Name == "modest" && one.MaxMS > int64(others+1)*longest {
				t.Fatalf("one waited for %d ms beside %d others", one.MaxMS, others)
			}
		}
	})
}
