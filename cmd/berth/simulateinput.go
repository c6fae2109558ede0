package main

import (
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

// simulated is the two flags that say what is simulated.
func simulated(c *cli.Context) ([2]string, error) {
	given := [2]string{"openb-nodes", "openb-pods"}
	packing := c.String(given[0]) != "" || c.String(given[1]) != ""
	switch snapshot, nodes := c.String("snapshot") != "", c.String("nodes") != ""; {
	case snapshot && nodes:
		return given, usage("simulate: --snapshot or --nodes: not both")
	case snapshot:
		given = [2]string{"snapshot", "trace"}
	case nodes || c.String("trace") != "":
		given = [2]string{"nodes", "trace"}
	}
	if given[1] == "trace" && packing {
		return given, usage("simulate: --%s and --trace, or --openb-nodes and --openb-pods: not both", given[0])
	}
	if !packing && given[1] != "trace" {
		return given, usage("simulate: say what: --openb-nodes FILE and --openb-pods FILE, --nodes FILE and --trace FILE, or --snapshot FILE with or without --trace FILE; berth simulate --help tells of each")
	}
	for _, flag := range given {
		if c.String(flag) == "" && (flag != "trace" || given[0] != "snapshot") { // there is what waits in a snapshot
			return given, usage("simulate: say --%s FILE and --%s FILE; --%s is missing", given[0], given[1], flag)
		}
	}
	if c.String(given[0]) == "-" && c.String(given[1]) == "-" {
		return given, usage("simulate: standard input cannot be both --%s and --%s", given[0], given[1])
	}
	if c.Duration("run-for") < 0 {
		return given, usage("%v", &berth.FieldError{Field: "run-for", Value: c.Duration("run-for").String(), Problem: "is out of range", Bound: "0 or more"})
	}
	return given, onlyOf(c, given)
}

// flagsOf are the flags that say something of one input only, and which that is.
var flagsOf = []struct {
	flag   string
	inputs []string // by the first of their flags
	with   string
}{
	{"pool", []string{"snapshot"}, "--snapshot"},
	{"run-for", []string{"snapshot"}, "--snapshot"},
	{"weight", []string{"snapshot", "nodes"}, "--trace or --snapshot"},
	{"cpu-limit", []string{"snapshot", "nodes"}, "--trace or --snapshot"},
	{"gpu-limit", []string{"snapshot", "nodes"}, "--trace or --snapshot"},
	{"plot", []string{"snapshot", "nodes"}, "--trace or --snapshot"},
}

// onlyOf refuses flags that say nothing of what is simulated: they would be passed over. A variable may be meant
// for other verbs.
func onlyOf(c *cli.Context, files [2]string) error {
	for _, f := range flagsOf {
		if given(c, f.flag) && !slices.Contains(f.inputs, files[0]) {
			return usage("simulate: --%s goes with %s, not with --%s and --%s", f.flag, f.with, files[0], files[1])
		}
	}
	return nil
}

func readPacking(c *cli.Context) (*sim.Packing, error) {
	nodes, pods := c.String("openb-nodes"), c.String("openb-pods")
	machines, err := readFile(c, nodes, sim.ReadOpenbNodes)
	if err != nil {
		return nil, err
	}
	requests, err := readFile(c, pods, sim.ReadOpenbPods)
	if err != nil {
		return nil, err
	}
	p, err := sim.NewPacking(machines, requests)
	if err != nil {
		return nil, usage("%s, %s: %w", nodes, pods, err)
	}
	return p, nil
}

// readFile reads a file, - for standard input; its errors name it. A file that cannot be read, or says
// what it may not, is wrong usage, as flags that do.
func readFile[T any](c *cli.Context, path string, read func(io.Reader) (T, error)) (T, error) {
	var zero T
	in := c.App.Reader
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return zero, usage("%w", err)
		}
		defer func() { _ = f.Close() }() // read only
		in = f
	}
	v, err := read(in)
	if err != nil {
		return zero, usage("%s: %w", path, err)
	}
	return v, nil
}
