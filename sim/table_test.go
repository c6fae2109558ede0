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
