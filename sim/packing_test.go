package sim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berthd/berth/sim"
)

// openb is the folder of the openb trace, which is no part of the repository.
func openb() string {
	if dir := os.Getenv("OPENB"); dir != "" {
		return dir
	}
	return "../../shared/data/openb"
}

func smallPacking(t *testing.T) *sim.Packing {
	t.Helper()
	var machines []sim.Machine
	for i := range 20 {
		m := sim.Machine{Name: fmt.Sprintf("m%02d", i), CPUMilli: 64_000, MemoryMiB: 64 << 10}
		models := [][]string{{"a"}, {"b"}, {"a", "b"}}[i%3]
		for g := range i % 5 {
			m.GPUs = append(m.GPUs, models[g%len(models)])
		}
		machines = append(machines, m)
	}
	pods := []sim.Pod{
		{CPUMilli: 4000, MemoryMiB: 1 << 10},
		{CPUMilli: 4000, MemoryMiB: 1 << 10, GPUs: 1, GPUMilli: 300},
		{CPUMilli: 4000, MemoryMiB: 1 << 10, GPUs: 1, GPUMilli: 700, Models: []string{"a"}},
		{CPUMilli: 8000, MemoryMiB: 1 << 10, GPUs: 1, GPUMilli: 1000},
		{CPUMilli: 8000, MemoryMiB: 1 << 10, GPUs: 2, GPUMilli: 1000},
	}
	p, err := sim.NewPacking(machines, pods)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPacking_Policies: each policy places, never where there is no room, and the same
// with the same seed.
func TestPacking_Policies(t *testing.T) {
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			p := smallPacking(t)
			first, err := p.Run(t.Context(), policy, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if first.Allocated130 < 60 || first.Allocated130 > 100 || first.Allocated100 > first.Allocated130 || first.Allocated100 == 0 || first.Lost == 0 {
				t.Errorf("%+v", first)
			}
			again, err := p.Run(t.Context(), policy, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, again, cmpopts.IgnoreFields(sim.PackingResult{}, "PerS")); diff != "" {
				t.Errorf("the same seed again (-first +again):\n%s", diff)
			}
		})
	}
}

func TestPacking_NoEnd(t *testing.T) {
	machine := []sim.Machine{{Name: "a", GPUs: slices.Repeat([]string{"a"}, 256)}}
	tests := []struct {
		name     string
		machines []sim.Machine
		pods     []sim.Pod
	}{
		{"no gpu", []sim.Machine{{Name: "a"}}, []sim.Pod{{GPUs: 1, GPUMilli: 1}}},
		{"none asked for", machine, []sim.Pod{{CPUMilli: 1}}},
		{"too many to come", machine, append(make([]sim.Pod, 1000), sim.Pod{GPUs: 1, GPUMilli: 1})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sim.NewPacking(tt.machines, tt.pods); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestPacking_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := smallPacking(t).Run(ctx, sim.PolicyBerth, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func readOpenb(t testing.TB, trace string) *sim.Packing {
	t.Helper()
	if _, err := os.Stat(openb()); err != nil {
		t.Skipf("skipped: the openb trace is absent (%v); docs/runbook.md says where to get it", err)
	}
	open := func(name string) *os.File {
		f, err := os.Open(filepath.Join(openb(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	machines, err := sim.ReadOpenbNodes(open("openb_node_list_gpu_node.csv"))
	if err != nil {
		t.Fatal(err)
	}
	pods, err := sim.ReadOpenbPods(open("openb_pod_list_" + trace + ".csv"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := sim.NewPacking(machines, pods)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPacking_Published: the policies that Berth is compared with are those that were
// published: their figures come out, as near as one seed can be.
func TestPacking_Published(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes seconds")
	}
	p := readOpenb(t, "default")
	for policy, want := range map[sim.PolicyName]float64{sim.PolicyFGD: 95.39, sim.PolicyBestFit: 93.08, sim.PolicyRandom: 87.47} {
		t.Run(string(policy), func(t *testing.T) {
			r, err := p.Run(t.Context(), policy, 42, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := r.Allocated130 - want; diff < -1 || diff > 1 {
				t.Errorf("%.2f %% allocated, published: %.2f", r.Allocated130, want)
			}
		})
	}
}

// BenchmarkPacking decides on a whole run of openb's default trace, its ends without a
// place included.
func BenchmarkPacking(b *testing.B) {
	p := readOpenb(b, "default")
	n := 0
	for b.Loop() {
		r, err := p.Run(b.Context(), sim.PolicyBerth, 42, nil)
		if err != nil {
			b.Fatal(err)
		}
		n += r.Decisions
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
}
