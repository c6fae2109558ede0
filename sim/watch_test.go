package sim_test

import (
	"testing"

	"github.com/berthd/berth/sim"
)

// TestTrace_UntilTheLastArrival: what comes last counts for nothing, for the trace is over then, however long it runs;
// where all comes at once the first moment is told of.
func TestTrace_UntilTheLastArrival(t *testing.T) {
	t.Parallel()
	machines := []sim.Machine{{Name: "m", CPUMilli: 8000, MemoryMiB: 1000, GPUs: []string{"x", "x"}}}
	for _, tt := range []struct {
		name, rows string
		looks      int
		gpu, cpu   float64
	}{
		{"two", "0,1000,4000,1,2,1000,,,\n1000,3600000,1000,1,1,1000,,,\n", 500, 100, 50},
		{"an end between", "0,500,4000,1,2,1000,,,\n1000,1000,1000,1,1,1000,,,\n", 500, 50, 25},
		{"at once", "7,1000,4000,1,1,1000,,,\n7,3600000,2000,1,1,500,,,\n", 1, 75, 75},
		{"after a ms", "7,1000,4000,1,1,1000,,,\n8,3600000,2000,1,1,500,,,\n", 1, 50, 50},
	} {
		r := run(t, sim.NewTrace(machines, readJobs(t, tt.rows)), sim.PolicyBerth)
		cpu := 0.0
		for _, l := range r.Series {
			if cpu += l.CPU / float64(len(r.Series)); r.SpanMS > 0 && l.AtMS >= r.Series[0].AtMS+r.SpanMS {
				t.Errorf("%s: a look at %d, after %d ms", tt.name, l.AtMS, r.SpanMS)
				break
			}
		}
		if r.Allocated != tt.gpu || len(r.Series) != tt.looks || cpu < tt.cpu-0.01 || cpu > tt.cpu+0.01 {
			t.Errorf("%s: %v %% of the GPUs allocated, %v %% of the CPU at %d looks; want %v, %v at %d", tt.name, r.Allocated, cpu, len(r.Series), tt.gpu, tt.cpu, tt.looks)
		}
	}
}

// TestTrace_CPUOfWhatRuns: what runs from the beginning is a part of the CPU that there is, not of what it leaves.
func TestTrace_CPUOfWhatRuns(t *testing.T) {
	t.Parallel()
	for cpu, want := range map[int64]float64{8000: 75, 0: 0} {
		trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: cpu, MemoryMiB: 1000, GPUs: []string{"x", "x"}}}, readJobs(t, "0,1000,0,1,1,1000,,,\n100,1000,0,1,0,0,,,\n"))
		if err := trace.StartWith([]sim.Running{{Machine: "m", CPUMilli: cpu / 4 * 3, GPUMilli: []int64{1000}, RunMS: 100}}); err != nil {
			t.Fatal(err)
		}
		for _, l := range run(t, trace, sim.PolicyBerth).Series {
			if l.CPU != want || l.Allocated != 100 {
				t.Errorf("of %d: at %d %v %% of the CPU are allocated, want %v; %v %% of the GPUs, want 100", cpu, l.AtMS, l.CPU, want, l.Allocated)
			}
		}
	}
}
