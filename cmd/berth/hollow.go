package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
)

// notHollow are the flags that hollow workers do not take, with the columns of a file of them
// that say such a thing. What only concerns real containers (data-dir, shim, no-cgroups) has
// nothing to act on, and is let pass.
var notHollow = []struct{ flag, columns string }{
	{"on-stop", ""},
	{"cpu", "cpu_milli"},
	{"memory", "memory_bytes"},
	{"disk", "disk_bytes"},
	{"labels", "labels"},
	{"taint", "taints"},
	{"device", "gpus, gpu_type"},
	{"devices", "gpus, gpu_type"},
	{"link-by", ""},
	{"custom", ""},
	{"ports", "ports"},
	{"reserve-cpu", "cpu_milli"},
	{"reserve-memory", "memory_bytes"},
	{"listen", ""},
}

// checkHollow refuses what hollow workers do not take: it names what was given of it, and
// by what else it can be said.
func checkHollow(c *cli.Context) error {
	var names, columns []string
	for _, f := range notHollow {
		if !c.IsSet(f.flag) {
			continue
		}
		names = append(names, setBy(c, f.flag))
		if f.columns != "" && !slices.Contains(columns, f.columns) {
			columns = append(columns, f.columns)
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case len(columns) > 0:
		return fmt.Errorf("hollow workers take no %s; --hollow FILE.csv gives them shapes, by columns such as %s", strings.Join(names, ", "), strings.Join(columns, ", "))
	}
	return fmt.Errorf("hollow workers take no %s", strings.Join(names, ", "))
}

// onlyHollow refuses what only hollow workers take.
func onlyHollow(c *cli.Context) error {
	for _, flag := range []string{"hollow-run", "hollow-start-delay", "hollow-fail-starts", "hollow-hang"} {
		if c.IsSet(flag) {
			return fmt.Errorf("%s goes with --hollow: what really runs is not pretended", setBy(c, flag))
		}
	}
	return nil
}

func hollowOptions(c *cli.Context, log *zap.Logger) (worker.HollowOptions, error) {
	if err := checkHollow(c); err != nil {
		return worker.HollowOptions{}, err
	}
	opts := worker.HollowOptions{
		Name: c.String("name"), Pool: berth.PoolID(c.String("pool")), Spot: c.Bool("spot"), TTL: c.Duration("ttl"), WaitForName: c.Bool("wait-for-name"),
		WarmKeys: c.StringSlice("warm-key"), WarmImages: c.StringSlice("warm-image"),
		RunFor: c.Duration("hollow-run"), StartDelay: c.Duration("hollow-start-delay"),
		FailStarts: c.Bool("hollow-fail-starts"), Hang: c.Bool("hollow-hang"), Version: version, Log: log,
	}
	if n, err := strconv.Atoi(c.String("hollow")); err == nil {
		opts.Count = n
		if n < 1 {
			return opts, &berth.FieldError{Field: "hollow", Value: c.String("hollow"), Problem: "is too small", Bound: fmt.Sprintf("1 to %d, or a FILE.csv", worker.MaxHollow)}
		}
		return opts, opts.Check()
	}
	var err error
	if opts.Shapes, err = readShapes(c.String("hollow")); err != nil {
		return opts, err
	}
	return opts, opts.Check()
}

func runHollow(ctx context.Context, opts worker.HollowOptions) error {
	registered := make(chan struct{}, 64) // never waited for while one is read
	opts.OnRegistered = func(berth.WorkerID, berth.Epoch) {
		select {
		case registered <- struct{}{}:
		case <-ctx.Done():
		}
	}
	h, err := worker.NewHollow(opts)
	if err != nil {
		return usage("%w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.Run(ctx) })
	g.Go(func() error {
		for n := 1; ; n++ {
			select {
			case <-registered:
			case <-ctx.Done():
				return nil
			}
			if n == len(h.IDs()) {
				opts.Log.Info("all registered", zap.Int("workers", n))
				notify(opts.Log, systemd.SdNotifyReady)
			}
		}
	})
	return g.Wait()
}

func readShapes(path string) ([]worker.Shape, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hollow: no number, and no file: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	shapes, err := worker.ReadShapes(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return shapes, nil
}
