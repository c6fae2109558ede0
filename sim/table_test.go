package sim_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

// A field may be as long as the file: what is told of it is not.
func TestRead_LongFields(t *testing.T) {
	const nodes, jobs = "name,cpu_milli,memory_mib,gpus,gpu_type,labels", "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,gpu_types,group,group_size,group_topology"
	long := strings.Repeat("x", 1<<20)
	for name, tt := range map[string]struct{ nodes, jobs string }{
		"unknown column":  {nodes: nodes + "," + long},
		"repeated column": {nodes: long + "," + long + "," + nodes},
		"name":            {nodes: nodes + "\n" + long + ",1,1,0,,"},
		"no number":       {nodes: nodes + "\na," + long + ",1,0,,"},
		"model":           {nodes: nodes + "\na,1,1,1," + long + ","},
		"many models":     {nodes: nodes + "\na,1,1,1," + strings.Repeat("x|", 1<<19) + "x,"},
		"no labels":       {nodes: nodes + "\na,1,1,0,," + long},
		"label":           {nodes: nodes + "\na,1,1,0,," + long + "=1"},
		"of a label":      {nodes: nodes + "\na,1,1,0,,a=" + long},
		"types":           {jobs: jobs + "\n0,1,1,1,1,1000," + long + ",,,"},
		"group":           {jobs: jobs + "\n0,1,1,1,0,0,," + long + ",2,"},
		"group_size":      {jobs: jobs + "\n0,1,1,1,0,0,,g," + long + ","},
		"group_topology":  {jobs: jobs + "\n0,1,1,1,0,0,,g,2," + long},
	} {
		_, err := sim.ReadNodes(strings.NewReader(tt.nodes))
		if tt.jobs != "" {
			_, err = sim.ReadTrace(strings.NewReader(tt.jobs))
		}
		if _, ok := errors.AsType[*sim.LineError](err); !ok || len(err.Error()) > 500 {
			t.Errorf("%s: %.600v", name, err)
		}
	}
}

// Of a machine without GPUs, or a job that asks for none, a model counts for nothing; what can be none is refused all the same.
func TestRead_ModelsOfNoGPU(t *testing.T) {
	const nodes, jobs = "name,cpu_milli,memory_mib,gpus,gpu_type\n", "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,gpu_types\n"
	machines, err := sim.ReadNodes(strings.NewReader(nodes + "a,1,1,0,\nb,1,1,0,T4\nc,1,1,0,T4|P100\n"))
	if err != nil || len(machines) != 3 || len(machines[1].GPUs)+len(machines[2].GPUs) > 0 {
		t.Errorf("%+v, %v", machines, err)
	}
	asked, err := sim.ReadTrace(strings.NewReader(jobs + "0,1,1,1,0,0,\n0,1,1,1,0,0,T4|P100\n"))
	if err != nil || len(asked) != 2 || len(asked[1].Models) > 0 {
		t.Errorf("%+v, %v", asked, err)
	}
	_, err = sim.ReadNodes(strings.NewReader(nodes + "a,1,1,0,\nb,1,1,0,Not valid!\n"))
	_, jobErr := sim.ReadTrace(strings.NewReader(jobs + "0,1,1,1,0,0,\n0,1,1,1,0,0,Not valid!\n"))
	_, podErr := sim.ReadOpenbPods(strings.NewReader(podsHeader + "a,1,1,0,0,,\nb,1,1,0,0,Not valid!,\n"))
	for want, err := range map[string]error{"gpu_type": err, "gpu_types": jobErr, "gpu_spec": podErr} {
		field, ok := errors.AsType[*berth.FieldError](err)
		if line, lined := errors.AsType[*sim.LineError](err); !ok || field.Field != want || !lined || line.Line != 3 {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What a column that every file has leaves out is refused, and not taken for the least that is allowed; what is not looked at may be empty, and what is
// optional.
func TestRead_EmptyCells(t *testing.T) {
	const nodes, jobs = "name,cpu_milli,memory_mib,gpus,gpu_type,labels\n", "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,priority,tenant\n"
	const whole = "; allowed: a whole number of "
	for row, want := range map[string]string{
		",1,1,1,1,1000,,":  "line 2: arrival_ms is empty" + whole + "0 to 315360000000",
		"0,,1,1,1,1000,,":  "line 2: run_ms is empty" + whole + "1 to 315360000000",
		"0,1,,1,1,1000,,":  "line 2: cpu_milli is empty" + whole + "0 to 1000000000",
		"0,1,1, ,1,1000,,": "line 2: memory_mib is empty" + whole + "0 to 1073741824",
		"0,1,1,1,,1000,,":  "line 2: gpus is empty" + whole + "0 to 64",
		"0,1,1,1,1,,,":     "line 2: gpu_milli is empty" + whole + "1 to 1000",
		"0,1,1,1,0,,,":     "",
	} {
		if _, err := sim.ReadTrace(strings.NewReader(jobs + row + "\n")); said(err) != want {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
	for row, want := range map[string]string{
		",1,1,0,,":  "line 2: name is empty; allowed: ",
		"a,,1,0,,":  "line 2: cpu_milli is empty" + whole + "0 to 1000000000",
		"a,1,,0,,":  "line 2: memory_mib is empty" + whole + "0 to 1073741824",
		"a,1,1,,,":  "line 2: gpus is empty" + whole + "0 to 256",
		"a,1,1,1,,": "line 2: gpu_type is empty; allowed: ",
		"a,1,1,0,,": "",
	} {
		if _, err := sim.ReadNodes(strings.NewReader(nodes + row + "\n")); !strings.HasPrefix(said(err), want) || (err == nil) != (want == "") {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
	for row, want := range map[string]string{
		"a,,1,0,0,,": "line 2: cpu_milli is empty" + whole + "0 to 1000000000",
		"a,1,1,,0,,": "line 2: num_gpu is empty" + whole + "0 to 64",
		",1,1,0,,,":  "",
	} {
		if _, err := sim.ReadOpenbPods(strings.NewReader(podsHeader + row + "\n")); said(err) != want {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
}

// said is an error's text; of none, nothing.
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What can be no id is quoted as the file has it, though its capital letters are taken for small ones.
func TestRead_QuotesAsItIs(t *testing.T) {
	const nodes = "name,cpu_milli,memory_mib,gpus,gpu_type,link\n"
	const jobs = "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,gpu_types,tenant,group,group_size\n"
	for row, want := range map[string]string{
		"0,1,1,1,0,0,,A!,,":           `line 2: tenant "A!" has`,
		"0,1,1,1,0,0,,,B!,2":          `line 2: group "B!" has`,
		"0,1,1,1,1,1000,A100|T4!,,,":  `line 2: gpu_types "T4!" has`,
		"0,1,1,1,0,0,,Team,Group-A,2": "",
	} {
		if _, err := sim.ReadTrace(strings.NewReader(jobs + row + "\n")); !strings.HasPrefix(said(err), want) || (err == nil) != (want == "") {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
	for row, want := range map[string]string{
		"N!,1,1,0,,":      `line 2: name "N!" has`,
		"n,1,1,1,T4!,":    `line 2: gpu_type "T4!" has`,
		"n,1,1,1,T4,L 1!": `line 2: link "L 1!" has`,
		"N,1,1,1,T4,L":    "",
	} {
		if _, err := sim.ReadNodes(strings.NewReader(nodes + row + "\n")); !strings.HasPrefix(said(err), want) || (err == nil) != (want == "") {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
}
