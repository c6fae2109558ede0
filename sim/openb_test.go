package sim_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

const (
	nodesHeader = "sn,cpu_milli,memory_mib,gpu,model\n"
	podsHeader  = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n"
)

func TestReadOpenb(t *testing.T) {
	machines, err := sim.ReadOpenbNodes(strings.NewReader(nodesHeader + "a,64000,262144,2,P100\nb,8000,1,0,\nc,1,1,3,P100|T4|P100\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sim.Machine{{Name: "a", CPUMilli: 64000, MemoryMiB: 262144, GPUs: []string{"p100", "p100"}}, {Name: "b", CPUMilli: 8000, MemoryMiB: 1}, {Name: "c", CPUMilli: 1, MemoryMiB: 1, GPUs: []string{"p100", "t4", "p100"}}}, machines); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	pods, err := sim.ReadOpenbPods(strings.NewReader(podsHeader + "x,1,2,1,460,T4|P100|T4,LS\ny,1,2,0,0,,BE\nz,1,2,8,1000,,BE\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []sim.Pod{
		{Name: "x", CPUMilli: 1, MemoryMiB: 2, GPUs: 1, GPUMilli: 460, Models: []string{"t4", "p100"}},
		{Name: "y", CPUMilli: 1, MemoryMiB: 2},
		{Name: "z", CPUMilli: 1, MemoryMiB: 2, GPUs: 8, GPUMilli: 1000},
	}
	if diff := cmp.Diff(want, pods); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

func TestReadOpenb_Refused(t *testing.T) {
	tests := []struct {
		name, nodes, pods string
		line              int
		field             string // empty: it is not about one
	}{
		{name: "empty", line: 1},
		{name: "no machine", nodes: nodesHeader, line: 2},
		{name: "a column too few", nodes: "sn,cpu_milli,memory_mib,gpu\n", line: 1, field: "model"},
		{name: "a column twice", nodes: "sn,sn,cpu_milli,memory_mib,gpu,model\n", line: 1},
		{name: "no number", nodes: nodesHeader + "a,1,1,1,t4\nb,x,1,1,t4\n", line: 3, field: "cpu_milli"},
		{name: "negative", nodes: nodesHeader + "a,1,-1,1,t4\n", line: 2, field: "memory_mib"},
		{name: "too many gpus", nodes: nodesHeader + "a,1,1,257,t4\n", line: 2, field: "gpu"},
		{name: "gpus of no model", nodes: nodesHeader + "a,1,1,1,\n", line: 2, field: "model"},
		{name: "a model too few", nodes: nodesHeader + "a,1,1,3,t4|p100\n", line: 2, field: "model"},
		{name: "a model too many", nodes: nodesHeader + "a,1,1,1,t4|p100\n", line: 2, field: "model"},
		{name: "a model without a name", nodes: nodesHeader + "a,1,1,2,t4|\n", line: 2, field: "model"},
		{name: "no name", nodes: nodesHeader + ",1,1,1,t4\n", line: 2, field: "sn"},
		{name: "a name twice", nodes: nodesHeader + "a,1,1,1,t4\na,1,1,1,t4\n", line: 3, field: "sn"},
		{name: "a cell too few", nodes: nodesHeader + "a,1,1,1\n", line: 2},
		{name: "no request", pods: podsHeader, line: 2},
		{name: "more than a gpu of one", pods: podsHeader + "a,1,1,1,1001,,\n", line: 2, field: "gpu_milli"},
		{name: "nothing of a gpu", pods: podsHeader + "a,1,1,1,0,,\n", line: 2, field: "gpu_milli"},
		{name: "parts of several", pods: podsHeader + "a,1,1,2,500,,\n", line: 2, field: "gpu_milli"},
		{name: "a model without a name", pods: podsHeader + "a,1,1,1,500,t4||p100,\n", line: 2, field: "gpu_spec"},
		{name: "a quote", pods: podsHeader + "\"a,1\n", line: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			if tt.pods != "" {
				_, err = sim.ReadOpenbPods(strings.NewReader(tt.pods))
			} else {
				_, err = sim.ReadOpenbNodes(strings.NewReader(tt.nodes))
			}
			line, ok := errors.AsType[*sim.LineError](err)
			if !ok || line.Line != tt.line {
				t.Fatalf("got %v, want an error of line %d", err, tt.line)
			}
			field, ok := errors.AsType[*berth.FieldError](err)
			if got := ok; got != (tt.field != "") || ok && (field.Field != tt.field || field.Bound == "") {
				t.Errorf("got %v, want field %q and its bound", err, tt.field)
			}
		})
	}
}

// FuzzReadOpenb: whatever a file holds, it is read within the bounds, or refused.
func FuzzReadOpenb(f *testing.F) {
	f.Add(nodesHeader+"a,64000,262144,2,P100\n", podsHeader+"x,1,2,1,460,T4|P100,LS\n")
	f.Add("gpu,model,sn,memory_mib,cpu_milli\n\"1\",t4,x,0,0\n", "name,cpu_milli,memory_mib,num_gpu,gpu_milli\r\n,1,2,64,1000\r\n")
	f.Fuzz(func(t *testing.T, nodes, pods string) {
		machines, err := sim.ReadOpenbNodes(strings.NewReader(nodes))
		checkRead(t, machines, err)
		for _, m := range machines {
			if m.CPUMilli < 0 || m.MemoryMiB < 0 || len(m.GPUs) > berth.MaxDevicesPerWorker || slices.Contains(m.GPUs, "") {
				t.Errorf("read %+v", m)
			}
		}
		requests, err := sim.ReadOpenbPods(strings.NewReader(pods))
		checkRead(t, requests, err)
		for _, p := range requests {
			if p.GPUs < 0 || p.GPUs > berth.MaxDevicesPerRequest || p.GPUs > 0 && (p.GPUMilli < 1 || p.GPUMilli > berth.WholeDevice) {
				t.Errorf("read %+v", p)
			}
		}
	})
}

func checkRead[T any](t *testing.T, got []T, err error) {
	t.Helper()
	if (err == nil) == (len(got) == 0) {
		t.Errorf("%d %s and error %v", len(got), reflect.TypeFor[T](), err)
	}
}
