package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSimulate(t *testing.T) {
	dir := t.TempDir()
	nodes, pods := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "pods.csv")
	for path, text := range map[string]string{
		nodes: "sn,cpu_milli,memory_mib,gpu,model\na,8000,1000,2,T4\nb,8000,1000,2,P100\n",
		pods:  "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\nx,100,1,1,500,\ny,100,1,1,1000,T4|P100\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitGood, "DECISIONS/S", "simulate", "--openb-nodes", nodes, "--openb-pods", pods)
	r := s.want(exitGood, "", "simulate", "--openb-nodes", nodes, "--openb-pods", pods, "--policy", "fgd", "--seeds", "42-43", "-o", "json")
	var got struct {
		Policy string
		Seeds  []struct {
			Seed                  uint64
			Allocated_percent_100 float64
			Allocated_percent_130 float64
			Decisions_per_s       float64
		}
		Mean map[string]float64
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	if got.Policy != "fgd" || len(got.Seeds) != 2 || got.Seeds[0].Seed != 42 || got.Mean["allocated_percent_130"] != 100 || got.Mean["decisions_per_s"] <= 0 {
		t.Errorf("%+v", got)
	}
	s.want(exitUsage, "openb-pods is missing", "simulate", "--openb-nodes", nodes)
	s.want(exitUsage, "allowed: berth, fgd", "simulate", "--policy", "best")
	s.want(exitUsage, "seeds", "simulate", "--seeds", "9-1")
	s.want(exitFailed, "no such file", "simulate", "--openb-nodes", "missing", "--openb-pods", pods)
	s.want(exitUsage, pods+": line 1: sn is no column", "simulate", "--openb-nodes", pods, "--openb-pods", pods)
}

func TestSimulate_Trace(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	for path, text := range map[string]string{
		nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n",
		trace: "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant\n0,1000,1,1,1,1000,x\n1,1000,1,1,1,1000,y\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitGood, "fairness", "simulate", "--nodes", nodes, "--trace", trace)
	r := s.want(exitGood, "", "simulate", "--nodes", nodes, "--trace", trace, "--policy", "spread", "-o", "json")
	var got []map[string]any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) != 1 || got[0]["placed"] != 2. {
		t.Errorf("%v: %s", err, r.out)
	}
	s.want(exitUsage, "--trace is missing", "simulate", "--nodes", nodes)
	s.want(exitUsage, "not both", "simulate", "--nodes", nodes, "--openb-pods", trace)
	s.want(exitUsage, nodes+": line 1: arrival_ms", "simulate", "--nodes", nodes, "--trace", nodes)
}

func TestParseSeeds(t *testing.T) {
	for text, want := range map[string][]uint64{"42": {42}, "42-44": {42, 43, 44}, "1, 5,7-8": {1, 5, 7, 8}} {
		got, err := parseSeeds(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range strings.Fields("x 1-x - 1- 3-2 1,,2 0-10000 18446744073709551615 -1") {
		if got, err := parseSeeds(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}
