package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"go.uber.org/zap"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker/shim/shimtest"
)

// asVerb is set for a test binary that is to be berth.
const asVerb = "BERTH_TEST_AS_VERB"

func TestMain(m *testing.M) {
	cli.HelpPrinter = printUsage
	if os.Getenv(asVerb) != "" {
		main()
	}
	os.Exit(shimtest.Main(m.Run))
}

// shell runs verbs as a user would.
type shell struct {
	t     *testing.T
	local *local
}

// result of a verb.
type result struct {
	code     int
	out, err string
}

func (s *shell) do(args ...string) result {
	s.t.Helper()
	return s.with("", args...)
}

func (s *shell) with(stdin string, args ...string) result {
	s.t.Helper()
	var out, errOut bytes.Buffer
	code := run(s.t.Context(), append([]string{"berth"}, args...), strings.NewReader(stdin), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// want checks a verb's exit code, and what it says on either stream.
func (s *shell) want(code int, says string, args ...string) result {
	s.t.Helper()
	r := s.do(args...)
	if r.code != code || !strings.Contains(r.out+r.err, says) {
		s.t.Errorf("berth %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), r.code, code, says, r.out, r.err)
	}
	return r
}

// until asks until the answer holds something.
func (s *shell) until(says string, args ...string) result {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; <-time.After(50 * time.Millisecond) {
		if r := s.do(args...); strings.Contains(r.out+r.err, says) || time.Now().After(end) {
			if !strings.Contains(r.out+r.err, says) {
				s.t.Errorf("berth %s never says %q\n%s%s", strings.Join(args, " "), says, r.out, r.err)
			}
			return r
		}
	}
}

// background runs a verb in a process of its own until the test's end: two in one
// process race for the flags that cli shares.
func (s *shell) background(args ...string) {
	s.t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), asVerb+"=1"), &errOut
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		if err != nil {
			s.t.Errorf("berth %s: %v\n%s", strings.Join(args, " "), err, &errOut)
		}
	})
}

// withLocal runs a whole Berth with one worker around a test.
func withLocal(t *testing.T, test func(s *shell)) {
	t.Helper()
	withCapacity(t, berth.Capacity{Quantities: berth.Quantities{CPUMilli: 4000, MemoryBytes: 4 << 30}}, test)
}

// withCapacity is withLocal, of which the worker has something else.
func withCapacity(t *testing.T, capacity berth.Capacity, test func(s *shell)) {
	t.Helper()
	err := runLocal(t.Context(), localOptions{
		dir: t.TempDir(), listen: "127.0.0.1:0", etcdListen: "127.0.0.1:0", workers: 1, name: "w", noCgroups: true, shim: shimtest.Path(), log: zap.NewNop(),
		capacity: capacity,
	}, func(l *local) error {
		t.Setenv("BERTH_ADDRESS", l.api)
		t.Setenv("BERTH_ETCD_ENDPOINTS", l.store)
		test(&shell{t, l})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestVerbs(t *testing.T) {
	withLocal(t, func(s *shell) {
		if r := s.do("run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"); r.code != 7 || r.out != "out\n" || r.err != "err\n" {
			t.Errorf("run: %+v", r)
		}
		s.want(exitNotRun, `command "no-such-command" not found`, "run", "--attempts", "1", "--", "no-such-command")
		s.want(128+9, "SIGKILL", "run", "--", "sh", "-c", "kill -9 $$")
		s.want(0, "hello", "run", "--env", "X=hello", "--", "sh", "-c", "echo $X")

		s.want(0, "a", "submit", "--id", "a", "--label", "team=x", "--wait", "--", "echo", "one")
		s.want(0, "submitted before", "submit", "--id", "a", "--label", "team=x", "--", "echo", "one")
		s.want(1, "other content", "submit", "--id", "a", "--", "echo", "two")
		s.want(0, "one", "logs", "a")
		s.want(0, "exit code 0", "get", "a")
		s.want(0, "a is SUCCEEDED on w-1", "explain", "a")
		s.want(0, "a   SUCCEEDED  w-1", "list", "--all", "--label", "team=x")

		s.want(0, "PENDING", "submit", "--id", "big", "--cpu", "100", "--", "true")
		s.want(0, "no registered worker could ever take it", "explain", "big")
		s.want(0, "big  BLOCKED", "list")
		s.want(0, "big CANCELLED", "cancel", "--message", "too big", "big")
		s.want(0, "cancelled: too big", "get", "big")

		s.want(0, "w-1     ready", "workers")
		s.want(0, "w-1 is cordoned", "cordon", "w-1")
		s.want(0, "cordoned", "workers", "--wide", "w-1")
		s.want(0, "w-1 is ready", "uncordon", "w-1")
		s.want(0, "batch    binpack", "pools", "batch", "binpack")
		s.want(0, "batch    binpack   -        50%       7 workers     30s     60s", "pools", "--brake-percent", "50", "--brake-workers", "7", "--brake-bound", "60s", "batch")
		s.want(0, "batch    binpack   dislike=1,load=3  50% ", "pools", "--weight", "load=3,dislike=1", "batch")
		s.want(0, "batch    binpack   load=0   50% ", "pools", "--weight", "load=0", "batch")
		s.want(0, "batch    binpack   -        50% ", "pools", "--no-weights", "batch")
		s.want(0, "spread load=3,cold=1  0 of 0  -", "pools", "--shadow-strategy", "spread", "--shadow-weight", "load=3,cold=1", "batch")
		s.want(0, `"shadow":`, "pools", "-o", "json")
		s.want(0, "HOLDS\n", "pools", "--no-shadow", "batch")
		s.want(0, "berth: warning: pool bacth has no workers and is not known; pools: batch, default; what is set is for workers that come\n", "pools", "--shadow-strategy", "binpack", "bacth")
		if r := s.want(0, "default", "pools", "--no-shadow", "bacth"); strings.Contains(r.out+r.err, "bacth") {
			t.Errorf("a pool that nothing is set of is listed:\n%s%s", r.out, r.err)
		}
		s.want(exitUsage, `brake-percent "101" is out of range; allowed: 1 to 100`, "pools", "--brake-percent", "101", "batch")
		s.want(exitUsage, "for \"1000h0m0s\" is not allowed; allowed: 1s to 168h0m0s", "brake", "hold", "--for", "1000h", "batch")
		s.want(0, "no brake", "brake")
		s.want(exitFailed, "no mass loss of this pool is known", "brake", "release", "batch")
		s.want(0, "1 ready", "status")
		s.want(0, "w-1 is draining, empty", "drain", "w-1")
		s.want(0, "w-1 is draining", "drain", "--parallel", "2", "--rate", "6/min", "--deadline", "30m", "--in-pool", "default")
		s.want(1, "no worker with rack=7", "drain", "--with-label", "rack=7")
		s.want(0, "w-1 is removing, empty", "remove", "--no-wait", "w-1")
		s.want(0, "empty; stop its agent", "workers")
		s.want(1, "not found", "remove", "nobody")
		s.want(0, "0 violations in", "fsck")
		s.want(0, "1 worker, 0 requests", "version", "--daemon")
	})
}

func TestVerbs_JSON(t *testing.T) {
	withLocal(t, func(s *shell) {
		manifest := filepath.Join(t.TempDir(), "jobs.yaml")
		if err := os.WriteFile(manifest, []byte(goodManifest), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"submit", "-o", "json", "-f", manifest},
			{"list", "-o", "json", "--all"},
			{"get", "-o", "json", "b"},
			{"explain", "-o", "json", "a"},
			{"workers", "-o", "json"},
			{"version", "-o", "json", "--daemon"},
			{"pools", "-o", "json"},
			{"status", "-o", "json"},
			{"brake", "-o", "json"},
			{"cancel", "-o", "json", "a"},
		} {
			r := s.want(0, "", args...)
			if !json.Valid([]byte(r.out)) {
				t.Errorf("berth %s: no JSON:\n%s", strings.Join(args, " "), r.out)
			}
		}
		if r := s.with(`{"id":"in","command":["true"]}`, "submit", "-f", "-", "--wait"); r.code != 0 {
			t.Errorf("from standard input: %+v", r)
		}
	})
}

// A shell that asks for completion never runs what the user typed.
func TestCompletion_RunsNothing(t *testing.T) {
	withLocal(t, func(s *shell) {
		mark := filepath.Join(t.TempDir(), "ran")
		for _, args := range [][]string{
			{"run", "--", "touch", mark}, {"submit", "--", "touch", mark}, {"cordon", "--", "w-1"}, {"cordon", "w-1"}, {"run", "touch", mark},
		} {
			s.want(0, "", append(args, "--generate-bash-completion")...)
		}
		s.want(0, "w-1     ready", "workers")
		if r := s.do("list", "--all"); strings.Contains(r.out, "touch") || len(strings.Split(strings.TrimSpace(r.out), "\n")) != 1 {
			t.Errorf("requests were submitted:\n%s", r.out)
		}
	})
}

// What cannot be meant so is exit code 2, with a hint; nothing is submitted.
func TestVerbs_Usage(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("BERTH_ADDRESS", "unix:///no/such/socket")
	for _, tt := range []struct {
		says string
		args []string
	}{
		{`unknown verb "frob"`, []string{"frob"}},
		{"berth list --help", []string{"list", "--nope"}},
		{"no command", []string{"run"}},
		{"no command", []string{"submit"}},
		{`cpu "x" is no number of cores`, []string{"run", "--cpu", "x", "--", "true"}},
		{"at most 1000000 cores", []string{"run", "--cpu", "2000000", "--", "true"}},
		{`id "BAD"`, []string{"run", "--id", "BAD", "--", "true"}},
		{"label", []string{"submit", "--label", "novalue", "--", "true"}},
		{"exclude each other", []string{"submit", "-f", "x.yaml", "--", "true"}},
		{"no such file", []string{"submit", "-f", "/no/such.yaml"}},
		{`output "xml" is unknown`, []string{"list", "-o", "xml"}},
		{"want one ID", []string{"get"}},
		{"want one ID", []string{"logs", "a", "b"}},
		{"no ID", []string{"cancel"}},
		{"no WORKER", []string{"cordon"}},
		{"no WORKER", []string{"remove"}},
		{`--on-drain "dance" is unknown`, []string{"run", "--on-drain", "dance", "--", "true"}},
		{"exclude each other", []string{"drain", "--in-pool", "p", "w"}},
		{"N/min or N/s", []string{"drain", "--rate", "5", "w"}},
		{`submit: --priority "abc" is no whole number; berth submit --help`, []string{"submit", "--priority", "abc", "--", "true"}},
		{`submit: --priority "99999999999999999999" is out of range; berth`, []string{"submit", "--priority", "99999999999999999999", "--", "true"}},
		{`listen "0.0.0.0:0" is no address of loopback; allowed: HOST:PORT such as 127.0.0.1:7070; beyond loopback berth daemon listens, with TLS`, []string{"dev", "--listen", "0.0.0.0:0"}},
		{`etcd-listen "foo" is no address of loopback`, []string{"dev", "--etcd-listen", "foo"}},
		{"flag provided but not defined: -address; flags stand behind the verb: berth VERB --FLAG", []string{"--address", "x", "list"}},
		{`cpu "-1" is negative; allowed: 0.5, 2 or 500m`, []string{"run", "--cpu", "-1", "--", "true"}},
		{`cpu "-5m" is negative`, []string{"run", "--cpu", "-5m", "--", "true"}},
		{`cpu "2000000000m" is too large`, []string{"run", "--cpu", "2000000000m", "--", "true"}},
		{`memory "99999TiB" is too large`, []string{"run", "--memory", "99999TiB", "--", "true"}},
		{`device h100=1@x: memory "x" is no amount of bytes`, []string{"run", "--device", "h100=1@x", "--", "true"}},
		{"a duration is 500ms, 30s", []string{"drain", "--deadline", "5", "w"}},
		{`rate "x" is no rate`, []string{"drain", "--rate", "x", "w"}},
		{`parallel "10001" is too large`, []string{"drain", "--parallel", "10001", "w"}},
		{"deadline \"9000h0m0s\" is not allowed; allowed: 0s to 8760h0m0s", []string{"drain", "--deadline", "9000h", "w"}},
		{"want no argument, or POOL with STRATEGY", []string{"pools", "x"}},
		{`weights "speed" is no scorer`, []string{"pools", "--weight", "speed=1", "x"}},
		{`weight "load=1001" is no number in range; allowed: NAME=NUMBER, from 0 to 1000`, []string{"pools", "--weight", "load=1001", "x"}},
		{"NAME=NUMBER", []string{"pools", "--weight", "load=much", "x"}},
		{"--no-shadow excludes", []string{"pools", "--shadow-weight", "load=1", "--no-shadow", "x"}},
		{"shadow.strategy", []string{"pools", "--shadow-strategy", "best", "x"}},
		{`shadow-weight "load=1001" is no number in range; allowed: NAME=NUMBER, from 0 to 1000`, []string{"pools", "--shadow-weight", "load=1001", "x"}},
		{"exclude each other", []string{"pools", "--weight", "load=1", "--no-weights", "x"}},
		{"want release or hold", []string{"brake", "stop"}},
		{"at least 100ms", []string{"status", "--interval", "1ms"}},
		{`shell "tcsh" is unknown`, []string{"completion", "tcsh"}},
		{`log-level "loud" is unknown`, []string{"daemon", "--log-level", "loud"}},
		{"quota", []string{"daemon", "--quota", "much"}},
		{"quota", []string{"daemon", "--quota", "2"}},
		{"is no endpoint", []string{"daemon", "--etcd-endpoints", "10.0.0.1"}},
		{"is no endpoint", []string{"fsck", "--etcd-endpoints", "x"}},
		{"1 to 10000, or a FILE.csv", []string{"worker", "--hollow", "0"}},
		{"1 to 10000 workers", []string{"worker", "--hollow", "10001"}},
		{`warm-image "train:3" is of no use; allowed: with --hollow only`, []string{"worker", "--warm-image", "train:3"}},
		{"warm_images[0] is empty", []string{"worker", "--hollow", "3", "--warm-image", ""}},
		{`name "BAD`, []string{"worker", "--hollow", "3", "--name", "BAD"}},
		{`ttl "1s" is not allowed; allowed: whole seconds, 2s to 10m0s`, []string{"worker", "--hollow", "3", "--ttl", "1s"}},
		{`pool "B"`, []string{"worker", "--data-dir", t.TempDir(), "--pool", "B"}},
		{`on-stop "dance" is unknown`, []string{"worker", "--data-dir", t.TempDir(), "--on-stop", "dance"}},
		{`link-by "pcie" is unknown; allowed: nvlink, numa`, []string{"worker", "--data-dir", t.TempDir(), "--link-by", "pcie"}},
		{"--link-by does not go with a file of devices", []string{"worker", "--data-dir", t.TempDir(), "--link-by", "numa", "--devices", "gpus.yaml"}},
		{"--link-by does not go with --device", []string{"worker", "--data-dir", t.TempDir(), "--link-by", "numa", "--device", "gpu0=t4"}},
		{`name "BAD"`, []string{"worker", "--data-dir", t.TempDir(), "--name", "BAD"}},
		{"TLS", []string{"worker", "--data-dir", t.TempDir(), "--listen", "0.0.0.0:0"}},
		{"supervisor of containers", []string{"worker", "--data-dir", t.TempDir(), "--shim", "/no/such/shim"}},
		{"FIRST-LAST, from 1 to 65535, at most 16384", []string{"worker", "--data-dir", t.TempDir(), "--ports", "x"}},
		{"from 0 to 1000000000000000", []string{"worker", "--data-dir", t.TempDir(), "--custom", "a=-1"}},
		{`weight "load=-1" is no number in range; allowed: NAME=NUMBER, from 0 to 1000` + "\n", []string{"pools", "--weight", "load=-1", "batch"}},
		{`weight "load=1.5" is no number in range; allowed: NAME=NUMBER, from 0 to 1000` + "\n", []string{"pools", "--weight", "load=1.5", "batch"}},
		{`attempts "0" is out of range; allowed: 1 to 100`, []string{"run", "--attempts", "0", "--", "true"}},
		{"stop-timeout \"0s\" is not allowed; allowed: 1ms to 1h0m0s", []string{"run", "--stop-timeout", "0s", "--", "true"}},
		{`--device: count "0" is too small; allowed: 1 to 64`, []string{"run", "--device", "h100=0", "--", "true"}},
		{`--device: milli "0" is too small; allowed: 1 to 1000`, []string{"run", "--device", "h100=1x0", "--", "true"}},
		{`device "h100=1@" is no demand of devices`, []string{"run", "--device", "h100=1@", "--", "true"}},
		{`device "h100=1+" is no demand of devices`, []string{"run", "--device", "h100=1+", "--", "true"}},
		{`device "h100=1" is no demand of devices`, []string{"run", "--device", "any,h100=1", "--", "true"}},
		{`--device: types "h100" stands twice; allowed: each once`, []string{"run", "--device", "h100,h100=1", "--", "true"}},
		{`a letter or digit: h100`, []string{"run", "--device", "H100=1", "--", "true"}},
		{`--retry-on "oom" stands twice; allowed: each once`, []string{"run", "--retry-on", "oom,oom", "--", "true"}},
		{"--retry-on is empty; allowed: failure", []string{"run", "--retry-on", "", "--", "true"}},
		{"tenant is empty; allowed: 1 to 128", []string{"run", "--tenant", "", "--", "true"}},
		{`"101" is too large; allowed: 1 to 100`, []string{"run", "--affinity", "app=x@rack:101", "--", "true"}},
		{"retry-backoff \"0s\" is not allowed; allowed: 1ms to 1m0s", []string{"run", "--retry-backoff", "0s", "--", "true"}},
		{"LABEL version RANGE", []string{"run", "--constraint", "zone in a,b", "--", "true"}},
		{"KEY for every value", []string{"run", "--toleration", ":no_place", "--", "true"}},
		{"LABEL=VALUE[@TOPOLOGY]", []string{"run", "--anti-affinity", "app=web@", "--", "true"}},
		{"CONSTRAINT[ & CONSTRAINT]:WEIGHT", []string{"run", "--affinity-workers", "disk=ssd", "--", "true"}},
		{`weight "101" is too large; allowed: 1 to 100`, []string{"run", "--anti-affinity-workers", "disk in (ssd):101", "--", "true"}},
		{"--affinity-workers 'disk=ssd:30'", []string{"run", "--affinity", "workers:disk=ssd:30", "--", "true"}},
		{"1 to 1000", []string{"tenants", "set", "--weight", "0", "t"}},
		{"from 0 to 1000000000000, or NAME=none", []string{"tenants", "set", "--devices", "h100=x", "t"}},
		{"workers", []string{"dev", "--workers", "0"}},
		{`gpus "h100=2" is no number of devices; allowed: N or NxTYPE, each from 1 on, comma-separated, up to 256 in all: 2xh100; or 0`, []string{"dev", "--gpus", "h100=2"}},
		{`gpus "0xh100" is no number of devices; allowed: N or NxTYPE, each from 1 on`, []string{"dev", "--gpus", "0xh100"}},
		{"tenants set: flag --pool stands before set; flags go behind it", []string{"tenants", "--pool", "gpu", "set", "--cpu", "3", "red"}},
		{"take no --on-stop\n", []string{"worker", "--hollow", "3", "--on-stop", "drain"}},
		{"take no --cpu; --hollow FILE.csv", []string{"worker", "--hollow", "3", "--cpu", "8"}},
		{"take no --labels, --taint; --hollow FILE.csv gives them shapes, by columns such as labels, taints\n", []string{"worker", "--hollow", "3", "--labels", "rack=a", "--taint", "gpu:no_place"}},
		{"take no --disk, --device; --hollow FILE.csv gives them shapes, by columns such as disk_bytes, gpus, gpu_type\n", []string{"worker", "--hollow", "3", "--device", "g=h100", "--disk", "1GB"}},
		{"take no --custom, --ports, --listen; --hollow FILE.csv gives them shapes, by columns such as ports\n", []string{"worker", "--hollow", "3", "--custom", "a=1", "--ports", "1-2", "--listen", "127.0.0.1:0"}},
		{"take no --reserve-cpu; --hollow FILE.csv", []string{"worker", "--hollow", "3", "--reserve-cpu", "1"}},
		{"--hollow-hang goes with --hollow", []string{"worker", "--data-dir", t.TempDir(), "--hollow-hang"}},
		{"--device and --devices exclude each other", []string{"worker", "--data-dir", t.TempDir(), "--device", "g=h100", "--devices", "none"}},
		{`custom "l" is given twice; allowed: each once`, []string{"tenants", "set", "--custom", "l=1", "--custom", "l=none", "t"}},
		{`devices "h100" is given twice`, []string{"tenants", "set", "--devices", "h100=1", "--devices", "h100=2", "t"}},
		{`guaranteed "cpu" is given twice`, []string{"tenants", "set", "--guaranteed", "cpu=1", "--guaranteed", "cpu=2", "t"}},
		{`guaranteed "devices.h100" is given twice`, []string{"tenants", "set", "--guaranteed", "devices.h100=none", "--guaranteed", "devices.h100=2", "t"}},
		{`taint "gpu:no_place" is given twice`, []string{"taint", "w", "gpu=a:no_place", "gpu=b:no_place"}},
		{`taint "gpu:no_place" is given twice`, []string{"worker", "--data-dir", t.TempDir(), "--taint", "gpu=a:no_place", "--taint", "gpu=b:NoSchedule"}},
		{`label "app" is given twice`, []string{"submit", "--label", "app=a", "--label", "app=b", "--", "true"}},
		{`weight "load" is given twice`, []string{"pools", "--weight", "load=1", "--weight", "load=2", "x"}},
		{`add "cpu" is given twice`, []string{"plan", "--add", "cpu=1,cpu=2"}},
		{`add is no shape; allowed: a worker, or cpu=8`, []string{"plan", "--add", ""}},
		{`add "cpu=" says nothing; allowed: a worker, or cpu=8`, []string{"plan", "--add", "cpu="}},
		{`at is no time; allowed: 15:04:05`, []string{"explain", "--at", "", "a"}},
		{`weight "a" is given twice`, []string{"simulate", "--nodes", "n", "--trace", "t", "--weight", "a=1", "--weight", "a=2"}},
		{`cpu-limit "a" is given twice`, []string{"simulate", "--nodes", "n", "--trace", "t", "--cpu-limit", "a=1", "--cpu-limit", "a=2"}},
		{"stands behind an argument", []string{"cordon", "w", "--message", "x"}},
		{"workers: flag --wide stands behind an argument; flags go first", []string{"workers", "w", "--wide"}},
		{"pools: flag --no-shadow stands behind an argument; flags go first", []string{"pools", "lab", "--no-shadow"}},
		{`priority "4294967301" is out of range`, []string{"run", "--priority", "4294967301", "--", "true"}},
		{`priority "-4294967297" is out of range`, []string{"submit", "--priority=-4294967297", "--", "true"}},
		{`tail "4294967301" is out of range`, []string{"logs", "--tail", "4294967301", "r"}},
		{"for", []string{"brake", "hold", "--for", "100us", "default"}},
		{"brake-window", []string{"pools", "--brake-window", "100us", "default"}},
		{"message", []string{"cancel", "--message", strings.Repeat("x", 1025), "r"}},
		{"message", []string{"cordon", "--message", "\xff", "w"}},
		{"message", []string{"brake", "release", "--message", strings.Repeat("x", 1025), "default"}},
		{"stands behind an argument", []string{"get", "a", "-o", "json"}},
		{"flag --cpu stands behind an argument; flags go first", []string{"tenants", "set", "red", "--cpu", "3"}},
	} {
		s.want(exitUsage, tt.says, tt.args...)
	}
	s.want(0, "any of: name, cpu_milli", "worker", "--help")
	s.want(0, "berth "+version, "version")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		s.want(0, "generate-bash-completion", "completion", shell)
	}
}

func TestVerbs_Unreachable(t *testing.T) {
	s := &shell{t: t}
	s.want(exitFailed, "berth dev", "list", "--address", "unix:///no/such/socket")
	s.want(exitFailed, "needs mutual TLS", "list", "--address", "10.1.2.3:7070")
	s.want(exitFailed, "does not answer", "fsck", "--etcd-endpoints", "http://127.0.0.1:1")
	s.want(exitFailed, "needs mutual TLS", "daemon", "--data-dir", t.TempDir(), "--socket", "", "--listen", "0.0.0.0:0")
}

// Of etcd's port it is said that no daemon is there, and which flag names one.
func TestVerbs_NotDaemon(t *testing.T) {
	withLocal(t, func(s *shell) {
		store := strings.TrimPrefix(s.local.store, "http://")
		for _, verb := range []string{"list", "watch"} {
			r := s.want(exitFailed, "what answers at "+store+" is no Berth daemon", verb, "--address", store)
			if !strings.Contains(r.err, "--address or BERTH_ADDRESS names the daemon's") {
				t.Errorf("%s does not say what to do: %s", verb, r.err)
			}
		}
	})
}

// A corrupted store is exit code 3, and names the clause and the key.
func TestFsck_Violation(t *testing.T) {
	withLocal(t, func(s *shell) {
		if _, err := s.local.node.client.Put(t.Context(), "/berth/pools/x", `{"version":1,"txn":"t","strategy":"best"}`); err != nil {
			t.Fatal(err)
		}
		s.want(exitViolations, "0.4: pools/x: ", "fsck")
		s.want(exitViolations, `"clause":"0.4"`, "fsck", "-o", "json")
	})
}

func TestDemo(t *testing.T) {
	s := &shell{t: t}
	r := s.want(0, "100 of 100, on 20 of 20 workers", "demo", "--no-cgroups")
	for _, want := range []string{"succeeded          100\n", "left running       0\n", "0 violations"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the summary lacks %q:\n%s", want, r.out)
		}
	}
}
