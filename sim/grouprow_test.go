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

func TestReadTrace_Group(t *testing.T) {
	jobs := readGroups(t, "0,1,5,1,1,0,0,,,,,Train-7,8,6,rack", "0,1,0,1,1,0,0,,,,,,,,", "0,1,,1,1,0,0,,,never,,serve,2,,", "0,1,,1,1,0,0,,5,lower,,one,1,0,")
	var got []sim.Group
	for _, j := range jobs {
		if j.Group != nil {
			got = append(got, *j.Group)
		}
	}
	want := []sim.Group{{Name: "train-7", Size: 8, MinCount: 6, Topology: "rack"}, {Name: "serve", Size: 2, MinCount: 2}, {Name: "one", Size: 1, MinCount: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if last := jobs[3]; !last.Preempts || last.Priority != 5 || jobs[2].Preempts {
		t.Errorf("%+v", last)
	}
	if jobs[0].LimitMS != 5 || jobs[1].LimitMS != 0 {
		t.Errorf("run limits %d and %d", jobs[0].LimitMS, jobs[1].LimitMS)
	}
}

// A row whose group a request could not have is refused, with its line, its column and what
// would be allowed.
func TestReadTrace_GroupRefused(t *testing.T) {
	before := "0,1,,1,1,0,0,,,,,first,2,,\n"
	for row, want := range map[string]string{
		"0,1,,1,1,0,0,,,,,,2,,":                                 `line 3: group is missing, with group_size; allowed: an id`,
		"0,1,,1,1,0,0,,,,,,,2,":                                 `line 3: group is missing, with group_min_count; allowed: an id`,
		"0,1,,1,1,0,0,,,,,,,,rack":                              `line 3: group is missing, with group_topology; allowed: an id`,
		"0,1,,1,1,0,0,,,,,a b,2,,":                              `line 3: group "a b" `,
		"0,1,,1,1,0,0,,,,," + strings.Repeat("g", 125) + ",2,,": `line 3: group "`,
		"0,1,,1,1,0,0,,,,,g,,,":                                 `line 3: group_size is empty or missing, with group; allowed: 1 to 1000`,
		"0,1,,1,1,0,0,,,,,g,0,,":                                `line 3: group_size "0" is too small; allowed: 1 to 1000`,
		"0,1,,1,1,0,0,,,,,g,2,,host":                            `line 3: group_topology "host" is no label`,
		"0,1,,1,1,0,0,,,,,g,1001,,":                             `line 3: group_size "1001" is too large; allowed: 1 to 1000`,
		"0,1,,1,1,0,0,,,,,g,-1,,":                               `line 3: group_size "-1" is negative; allowed: 1 to 1000`,
		"0,1,,1,1,0,0,,,,,g,two,,":                              `line 3: group_size "two" is not allowed; allowed: a whole number of 1 to 1000`,
		"0,1,,1,1,0,0,,,,,g,99999999999999999999,,":             `line 3: group_size "99999999999999999999" is not allowed`,
		"0,1,,1,1,0,0,,,,,g,2,3,":                               `line 3: group_min_count "3" is too large; allowed: 1 to 2`,
		"0,1,,1,1,0,0,,,,,g,2,x,":                               `line 3: group_min_count "x" is not allowed`,
		"0,1,,1,1,0,0,,,,,g,2,," + strings.Repeat("r", 257):     `line 3: group_topology `,
		"0,1,,1,1,0,0,,,,,First,2,,":                            `line 3: group "First" is repeated; allowed: a name of its own: one row is a whole group; line 2 has this one`,
		"0,5,4,1,1,0,0,,,,,,,,":                                 `line 3: run_limit_ms "4" is not allowed; allowed: a whole number of 5 to 31536000000`,
		"0,31536000001,31536000000,1,1,0,0,,,,,,,,":             `line 3: run_limit_ms "31536000000" is not allowed with a longer run_ms; allowed: 0, or a run_ms of at most 31536000000`,
	} {
		_, err := sim.ReadTrace(strings.NewReader(groupsHeader + before + row + "\n"))
		_, lined := errors.AsType[*sim.LineError](err)
		field, ok := errors.AsType[*berth.FieldError](err)
		if !lined || !ok || field.Bound == "" || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", row, err, want)
		}
	}
	rows := before
	for i := range 1000 {
		rows += fmt.Sprintf("0,1,,1,1,0,0,,,,,g%d,1000,,\n", i)
	}
	want := `line 1002: group_size "1000" makes too many jobs; allowed: 1000000 in all, members of groups counted`
	if _, err := sim.ReadTrace(strings.NewReader(groupsHeader + rows)); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestReadNodes_Labels(t *testing.T) {
	const header = "name,cpu_milli,memory_mib,gpus,gpu_type,labels\n"
	got, err := sim.ReadNodes(strings.NewReader(header + "a,1,1,0,,rack=r1; zone=a=b\nb,1,1,0,,\n"))
	want := []sim.Machine{{Name: "a", CPUMilli: 1, MemoryMiB: 1, Labels: map[string]string{"rack": "r1", "zone": "a=b"}}, {Name: "b", CPUMilli: 1, MemoryMiB: 1}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for cell, want := range map[string]string{
		"rack":                             `line 2: labels "rack" is no list of labels; allowed: NAME=VALUE;NAME=VALUE, each name once`,
		"=r1":                              `line 2: labels "=r1" is no list of labels`,
		"rack=r1;rack=r2":                  `line 2: labels "rack=r1;rack=r2" is no list of labels`,
		"berth.spot=true":                  `line 2: labels.berth.spot "true" is reserved`,
		"rack=" + strings.Repeat("r", 300): `line 2: labels.rack `,
	} {
		if _, err := sim.ReadNodes(strings.NewReader(header + "a,1,1,0,," + cell + "\n")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", cell, err, want)
		}
	}
}
