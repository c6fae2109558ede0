package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestRun: there is a line for each kind, load and seed.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-only", "whole,rack-whole", "-seeds", "1", "-hours", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1+3+2 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
	out.Reset()
	if err := run(t.Context(), []string{"-only", "drawn-2", "-drawn", "3", "-seeds", "2", "-hours", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1+2 {
		t.Errorf("%d lines of one drawn kind:\n%s", lines, out.String())
	}
	if err := run(t.Context(), []string{"-seeds", "0"}, &out); err == nil {
		t.Error("no error without seeds")
	}
}

// TestJobs: a seed has one trace, of about the load that is asked for.
func TestJobs(t *testing.T) {
	for i := range kinds {
		k := &kinds[i]
		one, two, asked := k.jobs(0.5, 10, 3), k.jobs(0.5, 10, 3), 0.0
		if len(one) != len(two) {
			t.Errorf("%s: %d jobs, and then %d", k.name, len(one), len(two))
		}
		for _, j := range one {
			times := int64(1)
			if j.Group != nil {
				times = j.Group.Size
			}
			asked += float64(times*j.GPUs*j.GPUMilli) / 1000 * float64(j.RunMS)
		}
		if load := asked / (racks * perRack * gpusPerMachine * 10 * hour); load < 0.5 || load > 0.8 {
			t.Errorf("%s: a load of %.2f", k.name, load)
		}
	}
}
