package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/testing/protocmp"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/worker"
)

func TestParseCPU(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "2": 2000, "0.5": 500, "500m": 500, "0.001": 1, "0.1": 100, "10.0": 10_000, "0": 0} {
		if got, err := parseCPU("cpu", text); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1", "-5m", "0.0001", "NaN", "Inf", "1e30", "1e1", "1_0", "010", "00", "+1", "9223372036854775808m", "1.5m"} {
		if got, err := parseCPU("cpu", text); err == nil {
			t.Errorf("%q: taken as %d", text, got)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "1": 1, "1KiB": 1024, "256MiB": 256 << 20, "1GB": 1_000_000_000,
		"4Gi": 4 << 30, "4GiB": 4 << 30, "4gib": 4 << 30, "4G": 4_000_000_000, "4g": 4_000_000_000, "4gb": 4_000_000_000, "1.5Ki": 1536, "2k": 2000, // as bytesForms says
	} {
		if got, err := parseBytes("memory", text, 1<<40); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1", "2TiB", "1XB", "99999999999999999999"} {
		if got, err := parseBytes("memory", text, 1<<40); err == nil {
			t.Errorf("%q: taken as %d", text, got)
		}
	}
}

func TestParseDevices(t *testing.T) {
	got, err := parseDevices([]string{"a100", "h100=2", "t4=1x500", "any=1"})
	want := []*berthv1.DeviceDemand{
		{Types: []string{"a100", "h100"}, Count: 2, Milli: 1000}, {Types: []string{"t4"}, Count: 1, Milli: 500}, {Count: 1, Milli: 1000},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = parseDevices([]string{"h100=4+linked", "a100=2@40GiB+link:rack7"})
	want = []*berthv1.DeviceDemand{
		{Types: []string{"h100"}, Count: 4, Milli: 1000, Linked: true}, {Types: []string{"a100"}, Count: 2, Milli: 1000, MemoryBytes: 40 << 30, Link: "rack7"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("linked: %v\n%s", err, diff)
	}
	for _, text := range []string{"h100", "h100=x", "h100=1xhalf", "h100=2+nvlink", "h100=2+link:"} {
		if got, err := parseDevices([]string{text}); err == nil {
			t.Errorf("%q: taken as %v", text, got)
		}
	}
}

// What a container is told of itself is not what a command that runs in it is to do.
func TestForgetContainer(t *testing.T) {
	s := &shell{t: t}
	t.Setenv(worker.VariableAttempt, "none") // of an operator's own environment: a flag's variable
	s.want(exitUsage, `"none"`, "logs", "r")
	t.Setenv(worker.VariableRequest, "r")
	s.want(exitUsage, "want one ID", "logs")
	if v, is := os.LookupEnv(worker.VariableAttempt); is {
		t.Errorf("%s is %q", worker.VariableAttempt, v)
	}
}

func TestParsePairs(t *testing.T) {
	for _, texts := range [][]string{{"a"}, {"=b"}, {"a=1", "a=2"}} {
		if got, err := parsePairs("label", texts); err == nil {
			t.Errorf("%q: taken as %v", texts, got)
		}
	}
	if got, err := parsePairs("label", []string{"a=", "b=c=d"}); err != nil || got["b"] != "c=d" {
		t.Errorf("%v %v", got, err)
	}
}

// A duration is called one in the help, not a value.
func TestFlags_DurationsAreNamed(t *testing.T) {
	var look func(name string, commands []*cli.Command)
	look = func(name string, commands []*cli.Command) {
		for _, c := range commands {
			for _, f := range c.Flags {
				if d, ok := f.(*cli.DurationFlag); ok && strings.Count(d.Usage, "`") != 2 {
					t.Errorf("%s %s --%s: %q names no value", name, c.Name, d.Name, d.Usage)
				}
			}
			look(name+" "+c.Name, c.Subcommands)
		}
	}
	look("berth", newApp().Commands)
}
