package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
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
	s.want(exitUsage, "say what: --openb-nodes FILE and --openb-pods FILE, --nodes FILE and --trace FILE, or --snapshot FILE", "simulate")
	s.want(exitUsage, "allowed: berth, fgd", "simulate", "--policy", "best")
	s.want(exitUsage, "seeds", "simulate", "--seeds", "9-1")
	s.want(exitUsage, "no such file", "simulate", "--openb-nodes", "missing", "--openb-pods", pods)
	s.want(exitUsage, pods+": line 1: sn is missing as a column", "simulate", "--openb-nodes", pods, "--openb-pods", pods)
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
	s.want(exitGood, "2 jobs: 1 placed, 0 out of patience, 1 never", "simulate", "--nodes", nodes, "--trace", trace, "--gpu-limit", "x=0.5", "--cpu-limit", "x=1")
	s.want(exitUsage, `gpu-limit "x" is no limit; allowed: TENANT=NUMBER, from 0 to 1000000000000`, "simulate", "--nodes", nodes, "--trace", trace, "--gpu-limit", "x")
	s.want(exitUsage, `cpu-limit "=2" is no limit; allowed: TENANT=NUMBER, from 0 to 1000000`, "simulate", "--nodes", nodes, "--trace", trace, "--cpu-limit", "=2")
	s.want(exitUsage, "--trace is missing", "simulate", "--nodes", nodes)
	s.want(exitUsage, "is no snapshot", "simulate", "--snapshot", nodes)
	s.want(exitUsage, "not both", "simulate", "--nodes", nodes, "--snapshot", nodes, "--trace", trace)
	s.want(exitUsage, "is no snapshot", "simulate", "--snapshot", nodes, "--trace", trace)
	s.want(exitUsage, "not both", "simulate", "--nodes", nodes, "--openb-pods", trace)
	s.want(exitUsage, nodes+": line 1: arrival_ms is missing as a column", "simulate", "--nodes", nodes, "--trace", nodes)
	misspelt := filepath.Join(t.TempDir(), "misspelt.csv")
	text := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,group_topolgy\n"
	if err := os.WriteFile(misspelt, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(exitUsage, misspelt+": line 1: column \"group_topolgy\" is unknown; allowed: ", "simulate", "--nodes", nodes, "--trace", misspelt)
}

// A flag that says nothing of what is simulated is refused, and not passed over; a variable, which may be meant for
// others, is.
func TestSimulate_OtherInputsFlags(t *testing.T) {
	dir := t.TempDir()
	nodes, trace, openb, pods := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv"), filepath.Join(dir, "openb.csv"), filepath.Join(dir, "pods.csv")
	for path, text := range map[string]string{
		nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n",
		trace: "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli\n0,1000,1,1,1,1000\n",
		openb: "sn,cpu_milli,memory_mib,gpu,model\na,8000,1000,2,T4\n",
		pods:  "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nx,100,1,1,500\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	for flag, value := range map[string]string{"pool": "default", "run-for": "2h"} {
		s.want(exitUsage, "simulate: --"+flag+" goes with --snapshot, not with --nodes and --trace", "simulate", "--nodes", nodes, "--trace", trace, "--"+flag, value)
	}
	for flag, value := range map[string]string{"weight": "default=2", "cpu-limit": "default=2", "gpu-limit": "default=2"} {
		s.want(exitUsage, "simulate: --"+flag+" goes with --trace or --snapshot, not with --openb-nodes and --openb-pods",
			"simulate", "--openb-nodes", openb, "--openb-pods", pods, "--"+flag, value)
	}
	t.Setenv("BERTH_POOL", "other")
	t.Setenv("BERTH_WEIGHT", "load=3") // of berth pools, once
	s.want(exitGood, "1 machine, 1 GPU; 1 job: 1 placed", "simulate", "--nodes", nodes, "--trace", trace)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if r := s.with(string(text), "simulate", "--nodes", nodes, "--trace", "-"); r.code != exitGood || !strings.Contains(r.out, "1 job: 1 placed") {
		t.Errorf("of standard input: %+v", r)
	}
	s.want(exitUsage, "standard input cannot be both --nodes and --trace", "simulate", "--nodes", "-", "--trace", "-")
}

// A file that cannot be read, or says what it may not, is wrong usage, whatever is wrong with it.
func TestSimulate_BadFiles(t *testing.T) {
	dir := t.TempDir()
	nodes := filepath.Join(dir, "nodes.csv")
	head := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli"
	if err := os.WriteFile(nodes, []byte("name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := shell{t: t}
	for name, tt := range map[string]struct{ text, want string }{
		"fields":   {head + "\n0,1,1,1\n", "fields: line 2: has 4 fields, and the header 6"},
		"repeated": {head + ",run_ms\n", `repeated: line 1: column "run_ms" is repeated`},
		"empty":    {"", "empty: line 1: the file is empty"},
		"quote":    {head + "\n\"0,1\n", `quote: line 2: `},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitUsage, tt.want, "simulate", "--nodes", nodes, "--trace", path)
	}
	s.want(exitUsage, "no such file", "simulate", "--nodes", nodes, "--trace", filepath.Join(dir, "missing"))
	s.want(exitUsage, "no such file", "simulate", "--snapshot", filepath.Join(dir, "missing"))
	s.want(exitUsage, "no such file", "plan", "--snapshot", filepath.Join(dir, "missing"))
}

// Whose limit or weight would change nothing is told so, and not passed over.
func TestSimulate_UnknownTenant(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	rows := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant\n"
	for _, tenant := range strings.Fields("m l k j i h g f e d c b") {
		rows += "0,1000,1,1,1,1000," + tenant + "\n"
	}
	for path, text := range map[string]string{nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n", trace: rows} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitUsage, `simulate: gpu-limit "b=1e3" is no limit; allowed: TENANT=NUMBER, from 0 to `, "simulate", "--nodes", nodes, "--trace", trace, "--gpu-limit", "b=1e3")
	for _, flag := range []string{"weight", "cpu-limit", "gpu-limit"} {
		s.want(exitUsage, `simulate: `+flag+` "nobody=1" names a tenant that the trace has nothing of; allowed: a tenant that has a job: b, c, d, e, f, g, h, i, j, k and 2 more`,
			"simulate", "--nodes", nodes, "--trace", trace, "--"+flag, "b=1", "--"+flag, "nobody=1")
	}
}

// Jobs that ask for GPUs of a type that no machine has are warned of.
func TestSimulate_NoSuchModel(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	rows := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,gpu_types\n"
	for _, spec := range []string{"t4", "t4|h100", "", "a100|h100", "v100"} {
		rows += "0,1000,1,1,1,1000," + spec + "\n"
	}
	for path, text := range map[string]string{nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n", trace: rows + "0,1000,1,1,0,0,\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	r := s.want(exitGood, "no machine has GPUs of type a100 | h100, which jobs ask for: they are never placed", "simulate", "--nodes", nodes, "--trace", trace)
	if n := strings.Count(r.out+r.err, "no machine has GPUs of type"); n != 2 || !strings.Contains(r.out+r.err, "of type v100,") {
		t.Errorf("%d warnings in\n%s", n, r.out+r.err)
	}
}

// Of very many types, and labels, some are named, and how many more there are.
func TestSimulate_ManyMissing(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	rows := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,gpu_types,group,group_size,group_topology\n"
	for i := range 1012 {
		rows += fmt.Sprintf("0,1,1,1,1,1000,m%d|n%d,,,\n", i, i)
	}
	for i := range 11 {
		rows += fmt.Sprintf("0,1,1,1,0,0,,g%d,2,label%d\n", i, i)
	}
	for path, text := range map[string]string{nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n", trace: rows} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	r := s.want(exitGood, "berth: warning: and so of 1,002 more\n", "simulate", "--nodes", nodes, "--trace", trace)
	if n := strings.Count(r.out+r.err, "no machine has GPUs of type"); n != 10 {
		t.Errorf("%d types are named", n)
	}
	if n := strings.Count(r.out+r.err, "no machine has the label"); n != 10 || !strings.Contains(r.out+r.err, "and so of 1 more\n") {
		t.Errorf("%d labels are named", n)
	}
}

func TestSimulate_Groups(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	header := "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,group,group_size,group_min_count,group_topology\n"
	for path, text := range map[string]string{
		nodes: "name,cpu_milli,memory_mib,gpus,gpu_type,labels\na,8000,1000,2,T4,rack=r1\nb,8000,1000,2,T4,rack=r1;zone=z\nc,8000,1000,2,T4,rack=r2\n",
		trace: header + "0,1000,1,1,1,1000,,,,\n0,1000,1,1,2,1000,Train,2,,rack\n500,1000,1,1,2,1000,more,2,1,rak\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	r := s.want(exitGood, "5 jobs: 3 placed, 0 out of patience, 2 never; 4 of them in groups, of which 1 of 2 were placed", "simulate", "--nodes", nodes, "--trace", trace)
	for _, want := range []string{"groups of gpus  2 ", "% for groups, "} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	s.want(exitGood, "no machine has the label rak, of which a group wants one value: it is never placed", "simulate", "--nodes", nodes, "--trace", trace)
	r = s.want(exitGood, "", "simulate", "--nodes", nodes, "--trace", trace, "-o", "json")
	var got []struct {
		Groups     []map[string]any
		Group_runs []map[string]any
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) != 1 || len(got[0].Groups) != 1 || len(got[0].Group_runs) != 2 {
		t.Fatalf("%v: %s", err, r.out)
	}
	if g := got[0].Group_runs[0]; g["name"] != "train" || g["placed"] != true || g["placed_in"] != "r1" || g["jobs_placed"] != 2. {
		t.Errorf("%v", g)
	}
	bad := filepath.Join(dir, "bad.csv")
	if err := os.WriteFile(bad, []byte(header+"0,1,1,1,0,0,g,2,3,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(exitUsage, bad+`: line 2: group_min_count "3" is too large; allowed: 1 to 2`, "simulate", "--nodes", nodes, "--trace", bad)
}

// A snapshot of a live store is what a trace begins with.
func TestSimulate_Snapshot(t *testing.T) {
	dir := t.TempDir()
	live, trace := filepath.Join(dir, "live"), filepath.Join(dir, "trace.csv")
	var lines bytes.Buffer
	w, err := snapshot.NewWriter(&lines, snapshot.Header{Revision: 3, Policy: scheduler.PolicyVersion})
	if err != nil {
		t.Fatal(err)
	}
	share := berth.Share{Quantities: berth.Quantities{CPUMilli: 3000}}
	waits := berth.Request{ID: "waits", Command: []string{"x"}}.Normalize()
	waits.Resources.CPUMilli = 2000
	for i, record := range []any{
		&berth.Worker{Pool: "default", Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000}}},
		&berth.Ledger{Epoch: 1, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000}}, Reserved: share},
		&berth.Submission{Spec: waits},
		&berth.Tenant{Pools: map[berth.PoolID]berth.Quota{"default": {Limits: berth.Amounts{berth.DimensionCPU: 1000}}}},
	} {
		key := berth.Key{Kind: []berth.Kind{berth.KindWorker, berth.KindLedger, berth.KindRequest, berth.KindTenant}[i], ID: []string{"w", "w", "waits", "default"}[i]}
		if err := w.Put(berth.Fact{Key: key, Record: record, Create: berth.Revision(i + 1), Mod: berth.Revision(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		live: lines.String(), trace: "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli\n0,1000,1000,0,0,0\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitGood, "1 machine, 0 GPUs; 1 running already; 2 jobs: 1 placed, 0 out of patience, 1 never", "simulate", "--snapshot", live, "--trace", trace)
	s.want(exitGood, "berth: warning: without a run limit, and so without an end: 1 request of the snapshot, 1 of them waiting; what wants the places of such waits to the end. With --run-for 2h such requests run for two hours\n", "simulate", "--snapshot", live, "--trace", trace)
	if r := s.want(exitGood, "1 never", "simulate", "--snapshot", live, "--trace", trace, "--run-for", "2h", "--cpu-limit", "default=4"); r.err != "" {
		t.Errorf("nothing is without an end, and it says %q", r.err)
	}
	s.want(exitGood, "1 machine, 0 GPUs; 1 running already; 1 job: 0 placed, 0 out of patience, 1 never", "simulate", "--snapshot", live)
	s.want(exitGood, "berth: warning: quotas are not simulated, which these tenants have in pool default: default; --cpu-limit and --gpu-limit bound what a tenant holds\n", "simulate", "--snapshot", live)
	if r := s.want(exitGood, "1 job: 0 placed", "simulate", "--snapshot", live, "--cpu-limit", "default=1"); strings.Contains(r.err, "quotas") {
		t.Errorf("a limit stands in for the quota, and it says %q", r.err)
	}
	s.want(exitUsage, "pool other of the snapshot has no worker", "simulate", "--snapshot", live, "--trace", trace, "--pool", "other")
}

func TestParseSeeds(t *testing.T) {
	for text, want := range map[string][]uint64{"42": {42}, "42-44": {42, 43, 44}, "1, 5,7-8": {1, 5, 7, 8}} {
		got, err := parseSeeds(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range strings.Fields("x 1-x - 1- 3-2 1,,2 0-10000 18446744073709551615 -1 1,1 1-3,2") {
		if got, err := parseSeeds(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestSimulate_Linked(t *testing.T) {
	dir := t.TempDir()
	linked, plain, trace := filepath.Join(dir, "linked.csv"), filepath.Join(dir, "plain.csv"), filepath.Join(dir, "trace.csv")
	for path, text := range map[string]string{
		linked: "name,cpu_milli,memory_mib,gpus,gpu_type,link\na,8000,1000,2,T4,l1\nb,8000,1000,2,T4,l2\nc,8000,1000,2,T4,l2\n",
		plain:  "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,2,T4\nb,8000,1000,2,T4\n",
		trace:  "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,group,group_size,group_linked\n0,1000,1,1,2,1000,train,2,true\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	r := s.want(exitGood, `"link": "l2"`, "simulate", "--nodes", linked, "--trace", trace, "-o", "json")
	if !strings.Contains(r.out, `"linked": true`) || strings.Contains(r.err, "warning") {
		t.Errorf("%s%s", r.out, r.err)
	}
	s.want(exitGood, "no machine has a link, and a group wants GPUs of one link domain: it is never placed", "simulate", "--nodes", plain, "--trace", trace)
}

// Others make room for a group of a trace: how many did is told, and for which group.
func TestSimulate_GroupRoom(t *testing.T) {
	dir := t.TempDir()
	nodes, trace := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv")
	for path, text := range map[string]string{
		nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,2,T4\nb,8000,1000,2,T4\n",
		trace: "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,priority,preemption,grace_ms,group,group_size\n" +
			"0,9000,1,1,2,1000,1,,500,,\n1000,1000,1,1,2,1000,5,lower,,train,2\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitGood, "preemptions: 1 (1 for groups), for which ", "simulate", "--nodes", nodes, "--trace", trace)
	r := s.want(exitGood, `"preemptions_for_groups": 1`, "simulate", "--nodes", nodes, "--trace", trace, "-o", "json")
	if !strings.Contains(r.out, `"made_room": 1`) || !strings.Contains(r.out, `"waited_ms": 500`) {
		t.Error(r.out)
	}
}

// The picture of a run is whole or not there, and what is there stays where it cannot be drawn.
func TestSimulate_Plot(t *testing.T) {
	dir := t.TempDir()
	nodes, trace, plot := filepath.Join(dir, "nodes.csv"), filepath.Join(dir, "trace.csv"), filepath.Join(dir, "run.svg")
	for path, text := range map[string]string{
		nodes: "name,cpu_milli,memory_mib,gpus,gpu_type\na,8000,1000,1,T4\n",
		trace: "arrival_ms,run_ms,cpu_milli,memory_mib,gpus,gpu_milli,tenant\n0,1000,1,1,1,1000,x\n1,1000,1,1,1,1000,y\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := shell{t: t}
	s.want(exitGood, "fairness", "simulate", "--nodes", nodes, "--trace", trace, "--seeds", "1-2", "--plot", plot)
	got, err := os.ReadFile(plot)
	if err != nil || !strings.HasPrefix(string(got), "<svg") || !strings.Contains(string(got), "seed 2: 2 jobs") || !strings.Contains(string(got), ">x<") {
		t.Errorf("%v: %s", err, got)
	}
	s.want(exitUsage, "names a tenant", "simulate", "--nodes", nodes, "--trace", trace, "--weight", "z=1", "--plot", plot)
	s.want(exitUsage, "is no picture; allowed: a file whose name ends in .svg", "simulate", "--nodes", nodes, "--trace", trace, "--plot", trace)
	none, taken := filepath.Join(dir, "none", "run.svg"), filepath.Join(t.TempDir(), "taken.svg")
	s.want(exitUsage, "--plot: draw "+none+": no such file or directory\n", "simulate", "--nodes", nodes, "--trace", trace, "--plot", none)
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	s.want(exitFailed, "draw "+taken+": file exists\n", "simulate", "--nodes", nodes, "--trace", trace, "--plot", taken)
	s.want(exitUsage, "draws at most 16 seeds", "simulate", "--nodes", nodes, "--trace", trace, "--plot", plot, "--seeds", "1-17")
	if again, err := os.ReadFile(plot); err != nil || !bytes.Equal(again, got) {
		t.Errorf("the picture has changed: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
}

// A shell is offered the policies behind their flag.
func TestSimulate_Completion(t *testing.T) {
	s := shell{t: t}
	s.want(exitGood, "berth\nfgd\nbestfit\nspread\nrandom\n", "simulate", "--policy", "--generate-bash-completion")
}
