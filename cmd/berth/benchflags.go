package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/bench"
)

func placeOptions(c *cli.Context, shared bench.Options) (bench.PlaceOptions, error) {
	o := bench.PlaceOptions{
		Options: shared, Callers: c.Int("concurrency"), PerCall: c.Int("per-call"), Rate: c.Float64("rate"), Daemons: c.Int("daemons"),
		Via: bench.Via(c.String("via")), Allocations: c.Int("allocations"), Fill: c.Int("fill"), Warmup: warmup(c),
		Quota: c.Bool("tenant-quota"), Maintain: bench.Maintain(c.String("maintain")), Against: bench.Against(c.String("against")),
	}
	return o, errors.Join(notZero(c, "fill"), o.Validate())
}

func decideOptions(c *cli.Context, shared bench.Options) (bench.DecideOptions, error) {
	o := bench.DecideOptions{Options: shared, Fill: c.Int("fill")}
	return o, o.Validate()
}

func lifeOptions(c *cli.Context, shared bench.Options) (bench.LifeOptions, error) {
	o := bench.LifeOptions{
		Options: shared, Callers: c.Int("concurrency"), RunFor: c.Duration("run-for"), Daemons: c.Int("daemons"), Via: bench.Via(c.String("via")),
	}
	return o, errors.Join(noInstant(c), o.Validate())
}

// noInstant refuses containers that do not run at all: in Options, zero means the default.
func noInstant(c *cli.Context) error {
	if c.Duration("run-for") == 0 {
		return &berth.FieldError{Field: "run-for", Value: "0s", Problem: "is not allowed", Bound: "1ms to 1m0s"}
	}
	return nil
}

func seedOptions(c *cli.Context, shared bench.Options) (bench.SeedOptions, error) {
	o := bench.SeedOptions{Options: shared, Bursts: c.Int("bursts"), Warmup: warmup(c)}
	return o, o.Validate()
}

func floorOptions(c *cli.Context, shared bench.Options) (bench.FloorOptions, error) {
	place, err := placeOptions(c, shared)
	return bench.FloorOptions{PlaceOptions: place, Lives: c.Bool("lives")}, err
}

// warmup of 0 is none, which Options say otherwise.
func warmup(c *cli.Context) int {
	if n := c.Int("warmup"); n != 0 {
		return n
	}
	return -1
}

// notNegative refuses what Options have no place for.
func notNegative(c *cli.Context, names ...string) error {
	for _, name := range names {
		if n := c.Int(name); hasFlag(c, name) && n < 0 {
			return &berth.FieldError{Field: name, Value: fmt.Sprint(n), Problem: "is not allowed", Bound: "at least 0"}
		}
	}
	return nil
}

// parseShapes reads CPU:MEMORY each, or makes as many as are asked for.
func parseShapes(c *cli.Context) ([]berth.Demand, error) {
	texts, n := c.StringSlice("shape"), c.Int("shapes")
	switch {
	case n != 0 && len(texts) > 0:
		return nil, &berth.FieldError{Field: "shapes", Value: fmt.Sprint(n), Problem: "stands beside shape", Bound: "one of the two"}
	case n < 0 || n > bench.MaxShapes || c.IsSet("shapes") && n == 0:
		return nil, &berth.FieldError{Field: "shapes", Value: fmt.Sprint(n), Problem: "is not allowed", Bound: fmt.Sprintf("1 to %d", bench.MaxShapes)}
	case n > 0:
		return bench.SomeShapes(n), nil
	}
	var out []berth.Demand
	for _, text := range texts {
		cpu, memory, ok := strings.Cut(text, ":")
		if !ok {
			return nil, &berth.FieldError{Field: "shape", Value: text, Problem: "is no shape", Bound: "CPU:MEMORY, as 0.1:256MiB"}
		}
		var d berth.Demand
		var err error
		if d.CPUMilli, err = parseCPU("shape", cpu); err != nil {
			return nil, err
		}
		if d.MemoryBytes, err = parseBytes("shape", memory, berth.MaxMemoryBytes); err != nil {
			return nil, err
		}
		if d.CPUMilli == 0 && d.MemoryBytes == 0 {
			return nil, &berth.FieldError{Field: "shape", Value: text, Problem: "asks for nothing", Bound: "some CPU or memory"}
		}
		out = append(out, d)
	}
	return out, nil
}

// parseNumbers reads a list of them. Their bounds are the measurement's to check.
func parseNumbers(c *cli.Context, name string) ([]int, error) {
	var out []int
	for text := range strings.SplitSeq(c.String(name), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return nil, &berth.FieldError{Field: name, Value: c.String(name), Problem: "is no list of numbers", Bound: "numbers from 1 on, comma-separated"}
		}
		out = append(out, n)
	}
	return out, nil
}
