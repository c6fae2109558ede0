package picture_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/sim/picture"
)

func drawn(t *testing.T, runs ...*sim.TraceResult) string {
	t.Helper()
	var out bytes.Buffer
	if err := picture.Draw(&out, runs); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v\n%s", err, &out)
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Errorf("numbers that are none:\n%s", &out)
	}
	return out.String()
}

// What a run has nothing of has no panel and no name in the picture.
func TestDraw(t *testing.T) {
	t.Parallel()
	looks := []sim.Look{
		{AtMS: 0, Allocated: 10, NoDemand: 90, Shares: map[string]float64{"a": 0.1, "b<": 0.9}},
		{AtMS: 3_600_000, Allocated: 90, Waiting: 4, Preempted: 2, OverLimit: 1, WaitedMost: 9_000_000, WaitedMean: 60_000},
	}
	always := []string{"policy p, seed 3: 2 jobs on 1 machine", ">allocated<", ">jobs that wait<", "have waited (hours)", "fairness: dominant shares", ">minutes<", "evenness (Jain)"}
	for _, tt := range []struct {
		name      string
		run       sim.TraceResult
		has, lack []string
	}{
		{"GPUs", sim.TraceResult{GPUs: 4}, []string{">GPUs<", "idle, by cause", "no demand", "for their limit", ">a<", ">b&lt;<"}, []string{"in groups", "for groups", "made room"}},
		{"groups", sim.TraceResult{GPUs: 4, GroupRuns: []sim.GroupRun{{Name: "g"}}, Preempted: 2}, []string{"in groups", ">for groups<", "made room for others", "of these, for groups"}, nil},
		{"no GPUs", sim.TraceResult{}, nil, []string{">GPUs<", "idle, by cause"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			run := tt.run
			run.Policy, run.Seed, run.Series, run.Jobs, run.Machines = "p", 3, looks, 2, 1
			got := drawn(t, &run, &run)
			for _, want := range append(always, tt.has...) {
				if strings.Count(got, want) < 2 {
					t.Errorf("not twice: %q in\n%s", want, got)
				}
			}
			for _, not := range tt.lack {
				if strings.Contains(got, not) {
					t.Errorf("%q in\n%s", not, got)
				}
			}
		})
	}
}

// Runs of no length, and of no looks, are drawn, too; too many are refused.
func TestDraw_Short(t *testing.T) {
	t.Parallel()
	drawn(t, &sim.TraceResult{GPUs: 1, Series: []sim.Look{{AtMS: 5, Allocated: 50, NoDemand: 50}}})
	drawn(t, &sim.TraceResult{GPUs: 1})
	for _, n := range []int{0, picture.MaxRuns + 1} {
		if err := picture.Draw(io.Discard, make([]*sim.TraceResult, n)); err == nil {
			t.Errorf("%d runs are drawn", n)
		}
	}
}
