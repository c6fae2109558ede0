package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth/bench"
)

// smallBench is enough to see that a verb measures.
func smallBench(t *testing.T, verb string, more ...string) []string {
	args := []string{"bench", verb, "--workers", "4", "--requests", "40", "--rounds", "1", "--floor-batch", "8", "--floor-in-flight", "2", "--store-dir", t.TempDir()}
	return append(args, more...)
}

func TestBench(t *testing.T) {
	s := &shell{t: t}
	for _, tt := range []struct {
		verb string
		more []string
		want []string
	}{
		{"place", []string{"--shapes", "3", "--concurrency", "4"}, []string{"ratio to the floor", "submit -> placed", "batches of 8, 2 in flight"}},
		{"life", []string{"--shape", "0.1:64MiB", "--run-for", "2ms"}, []string{"lives/s", "archived", "submit -> archived"}},
		{"seed", []string{"--bursts", "2", "--warmup", "0"}, []string{"socket", "bursts, until all are placed", "bursts, over the socket"}},
		{"floor", []string{"--warmup", "0"}, []string{"share of the bare loop", "keys each"}},
		{"place", []string{"--daemons", "2", "--against", "one-daemon", "--maintain", "defragment", "--concurrency", "1"}, []string{"share of one daemon", "submit -> placed, one daemon", "times, "}},
	} {
		t.Run(tt.verb, func(t *testing.T) {
			args := smallBench(t, tt.verb, tt.more...)
			r := s.want(0, "fsyncs each", args...)
			for _, want := range tt.want {
				if !strings.Contains(r.out, want) {
					t.Errorf("the table lacks %q:\n%s", want, r.out)
				}
			}
			if !strings.Contains(r.err, "round 1 of 1") {
				t.Errorf("no progress: %s", r.err)
			}
			noFilesIn(t, args[len(args)-len(tt.more)-1])
		})
	}
}

// Where the time goes until a process runs.
func TestBench_Run(t *testing.T) {
	s := &shell{t: t}
	dir := t.TempDir()
	args := []string{"bench", "run", "--requests", "3", "--run-for", "100ms", "--no-cgroups", "--store-dir", dir}
	r := s.want(0, "shim: forks, executes", args...)
	for _, want := range []string{"three transactions", "both: the limit", "submit -> RUNNING", "limits: none"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, r.out)
		}
	}
	noFilesIn(t, dir)
	r = s.want(0, "", append(args, "-o", "json", "--agent", "process")...)
	var got bench.RunReport
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Bench != "run" || got.Ratio == nil {
		t.Errorf("%v: %s", err, r.out)
	}
}

// What a group's placement takes; and what others do meanwhile.
func TestBench_Group(t *testing.T) {
	s := &shell{t: t}
	dir := t.TempDir()
	args := []string{"bench", "group", "--groups", "3", "--size", "4", "--pause", "0s", "--store-dir", dir}
	r := s.want(0, "3 groups of 4, one after the other, on 4 workers", args...)
	for _, want := range []string{"from the call until all are placed", "transactions, bare", "its share of the whole"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, r.out)
		}
	}
	noFilesIn(t, dir)
	s.want(0, "of the others, until they are placed", append(args, "--beside", "100")...)
}

func TestBench_JSON(t *testing.T) {
	s := &shell{t: t}
	profile := filepath.Join(t.TempDir(), "cpu")
	r := s.want(0, "", smallBench(t, "place", "-o", "json", "--rate", "1000", "--cpu-profile", profile)...)
	var got bench.Report
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Bench != "place" || got.Ratio == nil || got.FloorPerS == nil {
		t.Errorf("%v: %s", err, r.out)
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("profile: %v", err)
	}
}

// Each point is a line; what is there is not measured again, and what is ended early
// says so.
func TestBench_Curve(t *testing.T) {
	s := &shell{t: t}
	out := filepath.Join(t.TempDir(), "c")
	args := []string{"bench", "curve", "--out", out, "--at", "20", "--requests", "20", "--rounds", "1", "decisions"}
	s.want(0, "point 12 of 12", args...)
	if r := s.want(0, "", args...); strings.Contains(r.err, "point") {
		t.Errorf("measured again: %s", r.err)
	}
	if all, err := bench.ReadCurve(out); err != nil || len(all) != 12 {
		t.Errorf("%d lines, %v", len(all), err)
	}
	s.want(exitFailed, "points that are missing: 12", "bench", "curve", "--within", "1ns", "--at", "20", "decisions")
}

func TestBench_Decide(t *testing.T) {
	s := &shell{t: t}
	s.want(0, "decisions/s", "bench", "decide", "--workers", "4", "--requests", "40", "--rounds", "2", "--shapes", "5", "--fill", "50")
}

// A restart is of an embedded store, whatever the environment says of the fleet's own.
func TestBench_Start(t *testing.T) {
	t.Setenv("BERTH_ETCD_ENDPOINTS", "http://127.0.0.1:1")
	s := &shell{t: t}
	s.want(0, "everything is known", "bench", "start", "--workers", "4", "--allocations", "40", "--rounds", "1", "--store-dir", t.TempDir())
}

func TestBench_Unreachable(t *testing.T) {
	s := &shell{t: t}
	s.want(exitFailed, "etcd at http://127.0.0.1:1 does not answer", "bench", "seed", "--etcd-endpoints", "http://127.0.0.1:1")
}

// Ctrl-C: what there is is printed, and nothing is left.
func TestBench_Interrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	errOut := &cancelling{cancel: cancel, at: "round 1 of"}
	code := run(ctx, []string{
		"berth", "bench", "place", "--workers", "4", "--requests", "40", "--rounds", "50", "--store-dir", dir,
		"--floor-batch", "8", "--floor-in-flight", "2",
	}, strings.NewReader(""), &out, errOut)
	if code != exitFailed || !strings.Contains(out.String(), "placements/s") || !strings.Contains(errOut.String(), "of 50 rounds are complete") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errOut.String())
	}
	noFilesIn(t, dir)
}

// Ctrl-C ends a verb that measures, or shows, as any other that waits.
func TestInterrupted_ExitCode(t *testing.T) {
	for at, args := range map[string][]string{
		"berth: round 1 of 100":            {"bench", "decide", "--workers", "10", "--requests", "2000", "--rounds", "100"},
		"berth: starting a daemon":         {"demo", "--no-cgroups"},
		"berth: submitting 100 containers": {"demo", "--no-cgroups"},
	} {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), asVerb+"=1")
		says, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, line := bufio.NewReader(says), ""
		for err == nil && !strings.HasPrefix(line, at) {
			line, err = lines.ReadString('\n')
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		err = cmd.Wait()
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != exitInterrupted {
			t.Errorf("%v: %v\n%s%s", args, err, line, rest)
		}
	}
}

// cancelling cancels when something is said.
type cancelling struct {
	bytes.Buffer
	cancel func()
	at     string
}

func (c *cancelling) Write(b []byte) (int, error) {
	if strings.Contains(string(b), c.at) {
		c.cancel()
	}
	return c.Buffer.Write(b)
}

func noFilesIn(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v %v", dir, left, err)
	}
}

func TestBench_Usage(t *testing.T) {
	s := &shell{t: t}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"want place, life, seed, floor, decide, start, run, group or curve", []string{}},
		{"want one CURVE", []string{"curve"}},
		{"load, workers, allocations, decisions", []string{"curve", "bow"}},
		{"1 to 10000", []string{"curve", "--at", "0", "workers"}},
		{"is no list of numbers", []string{"curve", "--at", "few", "workers"}},
		{`"fast" is unknown`, []string{"fast"}},
		{"berth bench place --help", []string{"place", "--nope"}},
		{"takes no arguments", []string{"seed", "x"}},
		{`workers "0" is not allowed; allowed: at least 1`, []string{"place", "--workers", "0"}},
		{`workers "10001" is not allowed; allowed: 1 to 10000`, []string{"floor", "--workers", "10001"}},
		{"1 to 1000000", []string{"place", "--requests", "-1"}},
		{"1 to 100", []string{"life", "--rounds", "101"}},
		{"concurrency", []string{"life", "--concurrency", "-1"}},
		{"run-for", []string{"life", "--run-for", "0s"}},
		{"run-for", []string{"life", "--run-for", "2m"}},
		{"run-for", []string{"run", "--run-for", "0s"}},
		{`agent "post" is unknown; allowed: process, socket`, []string{"run", "--agent", "post"}},
		{`requests "0" is not allowed`, []string{"run", "--requests", "0"}},
		{"takes no arguments", []string{"run", "x"}},
		{"takes no arguments", []string{"group", "x"}},
		{`size "0" is not allowed`, []string{"group", "--size", "0"}},
		{`size "1001" is not allowed; allowed: 1 to 1000`, []string{"group", "--size", "1001"}},
		{`groups "10001" is not allowed; allowed: 1 to 10000`, []string{"group", "--groups", "10001"}},
		{`beside "-1" is not allowed; allowed: 0 to 1000000`, []string{"group", "--beside", "-1"}},
		{`pause "2m0s" is not allowed; allowed: 0s to 1m0s`, []string{"group", "--pause", "2m"}},
		{"the supervisor of containers", []string{"run", "--shim", "/no/such"}},
		{"bursts", []string{"seed", "--bursts", "0"}},
		{`bursts "11" is not allowed; allowed: 1 to 10`, []string{"seed", "--requests", "100000", "--bursts", "11"}},
		{"0 to 95", []string{"decide", "--fill", "96"}},
		{"store-dir", []string{"decide", "--store-dir", "/tmp"}},
		{"fill", []string{"place", "--fill", "0"}},
		{"compares a daemon with itself", []string{"place", "--against", "one-daemon"}},
		{"none, compact, defragment", []string{"place", "--maintain", "wash"}},
		{"warmup", []string{"place", "--warmup", "2000000"}},
		{`warmup "-1" is not allowed; allowed: at least 0`, []string{"seed", "--warmup", "-1"}},
		{`seed "-1" is not allowed; allowed: at least 0`, []string{"decide", "--seed", "-1"}},
		{"allowed: with --tenant-quota", []string{"place", "--against", "no-quota"}},
		{"is in no directory", []string{"place", "--cpu-profile", "/no/such/p"}},
		{"floor-batch is no list of numbers", []string{"floor", "--floor-batch", ""}},
		{"rate", []string{"place", "--rate", "-1"}},
		{"fill", []string{"place", "--fill", "96"}},
		{"per-call", []string{"place", "--per-call", "1001"}},
		{"daemons", []string{"place", "--daemons", "65"}},
		{"allocations", []string{"place", "--allocations", "-1"}},
		{`via "post" is unknown; allowed: process, socket`, []string{"place", "--via", "post"}},
		{`strategy "best" is unknown`, []string{"place", "--strategy", "best"}},
		{`shape "x" is no shape`, []string{"place", "--shape", "x"}},
		{`shape "0:0" asks for nothing`, []string{"place", "--shape", "0:0"}},
		{"stands beside shape", []string{"place", "--shape", "1:1GiB", "--shapes", "3"}},
		{"shapes", []string{"place", "--shapes", "1001"}},
		{`floor-batch "8,x" is no list of numbers`, []string{"floor", "--floor-batch", "8,x"}},
		{"1 to 1024", []string{"floor", "--floor-in-flight", "1,5000"}},
		{`store-dir "/no/such" is no directory`, []string{"seed", "--store-dir", "/no/such"}},
		{"is no endpoint", []string{"seed", "--etcd-endpoints", "x"}},
		{`output "xml" is unknown`, []string{"place", "-o", "xml"}},
		{`log-level "loud" is unknown`, []string{"place", "--log-level", "loud"}},
	} {
		s.want(exitUsage, tt.says, append([]string{"bench"}, tt.args...)...)
	}
	s.want(0, "the scheduler", "bench", "--help")
	s.want(0, "--allocations", "bench", "place", "--help")
}

func TestProgressText(t *testing.T) {
	for _, tt := range []struct {
		state bench.State
		want  string
	}{
		{bench.State{}, ""},
		{bench.State{What: "round 1 of 3: floor", Of: 20_000}, "round 1 of 3: floor: 0 of 20,000"},
		{bench.State{What: "x", Done: 9000, Of: 20_000, Since: 3e9}, "x: 9,000 of 20,000, 3,000/s"},
	} {
		if diff := cmp.Diff(tt.want, progressText(tt.state)); diff != "" {
			t.Error(diff)
		}
	}
}

// A report with what is not known prints all the same.
func TestPrintBench_Unknown(t *testing.T) {
	for _, name := range []string{"place", "life", "floor", "seed"} {
		var out bytes.Buffer
		r := &bench.Report{Bench: name, Stages: &bench.Stages{}, Figures: bench.Figures{WorkersUsed: 1}}
		if name == "seed" {
			r.Socket = &bench.Figures{}
		}
		if err := printBenchTable(&out, r); err != nil || !strings.Contains(out.String(), "-") {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}
