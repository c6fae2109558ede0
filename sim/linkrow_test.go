package sim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

const linkedHeader = "arrival_ms,run_ms,patience_ms,cpu_milli,memory_mib,gpus,gpu_milli,group,group_size,group_min_count,group_topology,group_linked\n"

func readLinked(t *testing.T, rows ...string) []sim.Job {
	t.Helper()
	jobs, err := sim.ReadTrace(strings.NewReader(linkedHeader + strings.Join(rows, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func TestReadTrace_Linked(t *testing.T) {
	jobs := readLinked(t, "0,1,,1,1,2,1000,a,2,1,rack,true", "0,1,,1,1,1,500,b,2,,,false", "0,1,,1,1,1,1000,c,2,,,", "0,1,,1,1,0,0,,,,,")
	want := &sim.Group{Name: "a", Size: 2, MinCount: 1, Topology: "rack", Linked: true}
	if diff := cmp.Diff(want, jobs[0].Group); diff != "" || jobs[1].Group.Linked || jobs[2].Group.Linked || jobs[3].Group != nil {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for row, want := range map[string]string{
		"0,1,,1,1,1,1000,,,,,true":    `line 2: group is missing, with group_linked; allowed: an id`,
		"0,1,,1,1,1,1000,g,2,,,yes":   `line 2: group_linked "yes" is not allowed; allowed: true, false`,
		"0,1,,1,1,0,0,g,2,,,true":     `line 2: group_linked "true" is given without gpus; allowed: false, or gpus of 1 or more`,
		"0,1,,1,1,1,500,g,2,,,true":   `line 2: gpu_milli "500" does not go with group_linked; allowed: 1000: whole GPUs`,
		"0,1,,1,1,1,1000,g,1,,,true":  `line 2: group_linked "true" says nothing of one device; allowed: two devices or more in all`,
		"0,1,,1,1,1,1000,g,2,,,false": "",
	} {
		_, err := sim.ReadTrace(strings.NewReader(linkedHeader + row + "\n"))
		if want == "" && err == nil {
			continue
		}
		_, lined := errors.AsType[*sim.LineError](err)
		if _, ok := errors.AsType[*berth.FieldError](err); !lined || !ok || err.Error() != want {
			t.Errorf("%s: %v, want %s", row, err, want)
		}
	}
}

func TestReadNodes_Link(t *testing.T) {
	const header = "name,cpu_milli,memory_mib,gpus,gpu_type,link\n"
	got, err := sim.ReadNodes(strings.NewReader(header + "a,1,1,2,x,Rack1\nb,1,1,0,,\n"))
	want := []sim.Machine{{Name: "a", CPUMilli: 1, MemoryMiB: 1, GPUs: []string{"x", "x"}, Link: "rack1"}, {Name: "b", CPUMilli: 1, MemoryMiB: 1}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for row, want := range map[string]string{
		"a,1,1,0,,l":    `line 2: link "l" is given without gpus; allowed: empty, or gpus of 1 or more`,
		"a,1,1,2,x,a b": `line 2: link "a b" `,
	} {
		if _, err := sim.ReadNodes(strings.NewReader(header + row + "\n")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", row, err, want)
		}
	}
}

// linkedMachines are four, two in each link domain.
func linkedMachines() (out []sim.Machine) {
	for i := range 4 {
		out = append(out, sim.Machine{Name: fmt.Sprint("m", i), CPUMilli: 4000, MemoryMiB: 100, GPUs: []string{"x", "x"}, Link: []string{"x", "y"}[i%2]})
	}
	return out
}

// Of two link domains of two machines each, one has a GPU taken for long: a linked group of two that
// wants all of its machines goes to the other. The next finds one machine, and what follows of it
// goes to that domain only, though the other is free before; of a group that is not linked it follows there.
func TestGroups_Linked(t *testing.T) {
	for _, policy := range sim.Policies {
		for _, tt := range []struct {
			linked string
			jobs   int64
		}{{"true", 1}, {"false", 2}} {
			t.Run(string(policy)+" "+tt.linked, func(t *testing.T) {
				jobs := readLinked(t,
					"0,50000,,1,1,1,1000,,,,,",
					"10,2000,,1,1,2,1000,whole,2,,,true",
					"20,40000,9000,1,1,2,1000,more,2,1,,"+tt.linked,
				)
				trace := sim.NewTrace(linkedMachines(), jobs)
				r := run(t, trace, policy)
				want := map[string][2]int64{"whole": {0, 2}, "more": {0, tt.jobs}}
				if diff := cmp.Diff(want, waitsOf(r)); diff != "" || trace.Unlinked() {
					t.Errorf("(-want +got):\n%s", diff)
				}
				whole, more := &r.GroupRuns[0], &r.GroupRuns[1]
				if !whole.Linked || whole.Link == "" || more.Linked != (tt.linked == "true") || more.Linked != (more.Link != "") || more.Link == whole.Link {
					t.Errorf("%+v, %+v", whole, more)
				}
			})
		}
	}
}

// In a rack, a linked group has one link domain of it; where no machine is in any, it is never placed.
func TestGroups_LinkedInARack(t *testing.T) {
	jobs := readLinked(t, "0,1000,,1,1,2,1000,g,2,,rack,true")
	for _, policy := range sim.Policies {
		of := linkedMachines()
		for i := range of {
			of[i].Labels = map[string]string{"rack": []string{"r1", "r2", "r2", "r2"}[i]}
		}
		r := run(t, sim.NewTrace(of, jobs), policy)
		if g := r.GroupRuns[0]; g.Domain != "r2" || g.Link != "y" || g.Jobs != 2 {
			t.Errorf("%s: %+v", policy, g)
		}
		for i := range of {
			of[i].Link = ""
		}
		trace := sim.NewTrace(of, jobs)
		if r := run(t, trace, policy); r.GroupRuns[0].Placed || !trace.Unlinked() {
			t.Errorf("%s, without links: %+v", policy, r.GroupRuns[0])
		}
	}
}
