package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
)

// requestFlags describe one request.
func requestFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("id", "", "`ID` of the request; the same id and content again is the same request (default: made up)"),
		stringFlag("cpu", "0.1", "`CORES`: 0.5, 2 or 500m"),
		stringFlag("memory", "64MiB", bytesUsage),
		stringFlag("disk", "", bytesUsage),
		listFlag("custom", "`NAME=NUMBER` of a resource that the operator named"),
		listFlag("port", "`NAME` or NAME=NUMBER of a host port; in the variable BERTH_PORT_NAME"),
		listFlag("device", "`TYPE[,TYPE]=COUNT[xMILLI][@BYTES][+linked]`: h100=2, a100,h100=1, t4=1x500, any=1@40GiB of memory each, h100=4+linked of one link domain, h100=4+link:NAME of that one"),
		stringFlag("pool", "", "`POOL` of the worker"),
		stringFlag("tenant", "", "`TENANT` it is counted against"),
		intFlag("priority", 0, "`N`, 0 to 1000: higher is placed first"),
		stringFlag("preemption", "", "`HOW`, where it fits nowhere: never, it waits, or lower: requests of lower priority are stopped for it (default: never)"),
		listFlag("constraint", "of the worker: `LABEL=VALUE`, LABEL!=VALUE, LABEL, !LABEL, LABEL>=NUMBER (also <, <=, >), 'LABEL in (A,B)', 'LABEL not in (A,B)' or 'LABEL version RANGE'"),
		listFlag("toleration", "of workers' taints: `KEY=VALUE`, KEY for every value, * for all; with :EFFECT, of that effect only"),
		listFlag("affinity", "where requests with a label are: `LABEL=VALUE[@TOPOLOGY][:WEIGHT]`; the topology is host or a label of workers; without a weight it is required"),
		listFlag("anti-affinity", "where they are not: `LABEL=VALUE[@TOPOLOGY][:WEIGHT]`"),
		listFlag("affinity-workers", "workers that it would rather have: `CONSTRAINT[ & CONSTRAINT]:WEIGHT`, each as with --constraint: 'disk=ssd:30'"),
		listFlag("anti-affinity-workers", "workers that it would rather not have: `CONSTRAINT[ & CONSTRAINT]:WEIGHT`"),
		listFlag("spread", "evenly over a topology: `LABEL=VALUE@TOPOLOGY[/SKEW][:WEIGHT]`"),
		stringFlag("affinity-key", "", "equal `KEYS` meet the same workers"),
		listFlag("env", "`KEY=VALUE`"),
		listFlag("label", "`KEY=VALUE`, to find it again"),
		stringFlag("image", "", "`IMAGE` that it runs in, on a worker that takes images"),
		stringFlag("dir", "", "`DIR` that it runs in"),
		stringFlag("user", "", "`USER` it runs as: name or uid[:gid]"),
		intFlag("attempts", 0, "it may run `N` times at most (default: 3)"),
		boolFlag("retry-on-failure", "run it again after an exit other than 0, a signal, or too much memory, too"),
		listFlag("retry-on", "run it again after these `ENDS` only: failure, lost, start_failed, oom (default: lost, start_failed)"),
		durationFlag("retry-backoff", 0, "`DURATION` before the second attempt; doubles with each, up to a minute (default: 100ms)"),
		durationFlag("stop-timeout", 0, "`DURATION` between SIGTERM and SIGKILL (default: 10s)"),
		durationFlag("start-timeout", 0, "`DURATION` for the worker to start it (default: 10s)"),
		durationFlag("run-limit", 0, "stopped after `DURATION`"),
		durationFlag("pending-limit", 0, "expired when not placed for `DURATION`"),
		stringFlag("on-drain", "", "`HOW`, when its worker is drained: stop, or replace: another runs elsewhere first, as ID.r2 (default: stop)"),
		durationFlag("on-disconnect-keep", 0, "its place is kept for `DURATION` longer when its worker is cut off"),
	}
}

// requestOf is the request of the flags and the command behind them.
func requestOf(c *cli.Context) (*berthv1.Request, error) {
	if c.NArg() == 0 {
		return nil, usage("%s: no command; berth %s [FLAGS] -- COMMAND [ARGUMENTS]", c.Command.Name, c.Command.Name)
	}
	priority, err := int32Flag(c, "priority", 0, berth.MaxPriority)
	if err != nil {
		return nil, err
	}
	attempts, err := countFlag(c, "attempts", 1, berth.MaxAttempts)
	if err != nil {
		return nil, err
	}
	r := &berthv1.Request{
		Id: c.String("id"), Command: c.Args().Slice(), Pool: c.String("pool"), Tenant: c.String("tenant"), Priority: priority,
		AffinityKey: c.String("affinity-key"), Image: c.String("image"), Dir: c.String("dir"), User: c.String("user"), OnDrain: c.String("on-drain"), Preemption: c.String("preemption"), Resources: &berthv1.Demand{},
		Retry: &berthv1.RetryPolicy{MaxAttempts: attempts, OnFailure: c.Bool("retry-on-failure"), On: splitCommas(c.StringSlice("retry-on"))},
	}
	if r.Id == "" {
		r.Id = c.Command.Name + "-" + strings.ToLower(rand.Text()[:10])
	}
	if err := checkGivenFlags(c); err != nil {
		return nil, usage("%w", flagError(err))
	}
	for _, read := range []func(*cli.Context, *berthv1.Request) error{readAmounts, readNamed, readTimes} {
		if err := read(c, r); err != nil {
			return nil, usage("%w", err)
		}
	}
	asked := wire.ToRequest(r)
	if err := cmp.Or(asked.CheckRepeats(), asked.Normalize().Validate()); err != nil {
		return nil, usage("%w", flagError(err))
	}
	return r, nil
}

// checkGivenFlags refuses an empty text where it would be taken for the default, as in a file. A variable that is
// empty says nothing.
func checkGivenFlags(c *cli.Context) error {
	for _, field := range []string{"tenant", "pool", "preemption", "on_drain", "dir", "user", "image", "affinity_key"} {
		if name := strings.ReplaceAll(field, "_", "-"); given(c, name) {
			if err := berth.CheckGivenText(field, c.String(name)); err != nil {
				return err
			}
		}
	}
	if given(c, "retry-on") {
		return berth.CheckGivenList("retry.on", len(strings.Join(c.StringSlice("retry-on"), "")))
	}
	return nil
}

func readAmounts(c *cli.Context, r *berthv1.Request) (err error) {
	d := r.Resources
	for _, name := range []string{"cpu", "memory", "disk"} { // a variable that is not set asks for nothing, which nobody means
		if c.IsSet(name) && c.String(name) == "" {
			return &berth.FieldError{Field: name, Problem: "is empty", Bound: "an amount, 0 among them, or no such flag"}
		}
	}
	if d.CpuMilli, err = parseCPU("cpu", c.String("cpu")); err != nil {
		return err
	}
	if d.MemoryBytes, err = parseBytes("memory", c.String("memory"), berth.MaxMemoryBytes); err != nil {
		return err
	}
	if d.DiskBytes, err = parseBytes("disk", c.String("disk"), berth.MaxDiskBytes); err != nil {
		return err
	}
	d.Custom, err = parseCounts("custom", c.StringSlice("custom"), berth.MaxCustom)
	return err
}

func readNamed(c *cli.Context, r *berthv1.Request) (err error) {
	if r.Env, err = parsePairs("env", c.StringSlice("env")); err != nil {
		return err
	}
	if r.Labels, err = parsePairs("label", c.StringSlice("label")); err != nil {
		return err
	}
	for _, text := range c.StringSlice("port") {
		name, number, given := strings.Cut(text, "=")
		p := &berthv1.PortDemand{Name: name}
		if given {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil || n < 0 || n > 65535 {
				return &berth.FieldError{Field: "port", Value: text, Problem: "is no port", Bound: "NAME, or NAME=NUMBER from 1 to 65535"}
			}
			p.Number = int32(n)
		}
		r.Resources.Ports = append(r.Resources.Ports, p)
	}
	for _, text := range c.StringSlice("constraint") {
		con, err := readConstraint(text)
		if err != nil {
			return err
		}
		r.Constraints = append(r.Constraints, con)
	}
	if err := readRelations(c, r); err != nil {
		return err
	}
	for _, text := range c.StringSlice("toleration") {
		t, err := tolerationOf(text)
		if err != nil {
			return err
		}
		r.Tolerations = append(r.Tolerations, t)
	}
	r.Resources.Devices, err = parseDevices(splitCommas(c.StringSlice("device")))
	return err
}

var deviceBound = fmt.Sprintf("TYPE=COUNT from 1 to %d, TYPE=COUNTxMILLI from 1 to %d, and @BYTES, +linked or +link:NAME behind either", berth.MaxDevicesPerRequest, berth.WholeDevice)

// parseDevices reads TYPES=COUNT[xMILLI][@BYTES][+linked] each, split at commas: a part
// without "=" is a type that belongs to the next.
func parseDevices(texts []string) ([]*berthv1.DeviceDemand, error) {
	var out []*berthv1.DeviceDemand
	var types []string
	for _, text := range texts {
		name, count, ok := strings.Cut(text, "=")
		types = append(types, name)
		if !ok {
			continue
		}
		count, link, hasLink := strings.Cut(count, "+")
		count, memory, sized := strings.Cut(count, "@")
		number, milli, shared := strings.Cut(count, "x")
		d := &berthv1.DeviceDemand{Types: slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == "any" }), Milli: berth.WholeDevice}
		var err error
		if d.Count, err = strconv.ParseInt(number, 10, 64); err == nil && shared {
			d.Milli, err = strconv.ParseInt(milli, 10, 64)
		}
		of, named := strings.CutPrefix(link, "link:")
		if d.Linked = link == "linked"; named {
			d.Link = of
		}
		anyType := len(types) > 1 && len(d.Types) < len(types) // any of them, and not any
		if err != nil || anyType || sized && memory == "" || hasLink && !d.Linked && d.Link == "" {
			return nil, &berth.FieldError{Field: "device", Value: text, Problem: "is no demand of devices", Bound: deviceBound}
		}
		for _, given := range []struct {
			field string
			v     int64
		}{{"resources.devices.count", d.Count}, {"resources.devices.milli", d.Milli}} {
			if err := berth.CheckGiven(given.field, given.v); err != nil {
				return nil, flagError(err)
			}
		}
		if sized {
			if d.MemoryBytes, err = parseBytes("device "+text+": memory", memory, berth.MaxMemoryBytes); err != nil {
				return nil, err
			}
		}
		out, types = append(out, d), nil
	}
	if len(types) > 0 {
		return nil, &berth.FieldError{Field: "device", Value: types[0], Problem: "has no count", Bound: deviceBound}
	}
	return out, nil
}

func readTimes(c *cli.Context, r *berthv1.Request) error {
	for _, f := range []struct {
		name      string
		to        *int64
		low, high int64
	}{
		{"retry-backoff", &r.Retry.BackoffMs, 1, berth.MaxBackoffMS},
		{"stop-timeout", &r.StopTimeoutMs, 1, berth.MaxStopMS},
		{"start-timeout", &r.StartTimeoutMs, 100, berth.MaxDurationMS},
		{"run-limit", &r.RunLimitMs, 0, berth.MaxDurationMS},
		{"pending-limit", &r.PendingLimitMs, 0, berth.MaxDurationMS},
		{"on-disconnect-keep", &r.OnDisconnectKeepMs, 0, berth.MaxDurationMS},
	} {
		var err error
		if *f.to, err = millisFlag(c, f.name, f.low, f.high); err != nil {
			return err
		}
	}
	return nil
}
