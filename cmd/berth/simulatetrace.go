package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

// simulateTrace runs the jobs of a trace once for each seed: the seed is of what a
// policy draws, not of the trace.
func simulateTrace(c *cli.Context, policy sim.PolicyName, seeds []uint64, asJSON bool) error {
	weights, err := readWeights(c)
	if err != nil {
		return usage("simulate: %w", err)
	}
	limits, err := readTenantLimits(c)
	if err != nil {
		return usage("simulate: %w", err)
	}
	t, err := readTrace(c)
	if err != nil {
		return err
	}
	if err := checkTenants(c, t); err != nil {
		return usage("simulate: %w", err)
	}
	warnOfEach(c.App.ErrWriter, "no machine has the label %s, of which a group wants one value: it is never placed", t.Unlabelled())
	warnOfEach(c.App.ErrWriter, "no machine has GPUs of type %s, which jobs ask for: they are never placed", t.WithoutModel())
	if t.Unlinked() {
		fmt.Fprintln(c.App.ErrWriter, "berth: warning: no machine has a link, and a group wants GPUs of one link domain: it is never placed")
	}
	for tenant, l := range limits {
		t.Limit(tenant, l)
	}
	for tenant, weight := range weights {
		t.Weigh(tenant, weight)
	}
	ctx, _, stop := untilSignal(c.Context) // not before: what reads a file, or waits for standard input, just ends
	defer stop()
	picture, err := beginPicture(c, len(seeds))
	if err != nil {
		return err
	}
	defer picture.abandon()
	var results []*sim.TraceResult
	for _, seed := range seeds {
		r, err := followed(c.App.ErrWriter, seed, func(done func(int, int)) (*sim.TraceResult, error) { return t.Run(ctx, policy, seed, done) })
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		results = append(results, r)
	}
	if err := picture.draw(results); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if asJSON {
		return printPlain(c.App.Writer, results)
	}
	for _, r := range results {
		if err := printTrace(c.App.Writer, r); err != nil {
			return err
		}
	}
	return nil
}

// toldNames bounds those that are told of, or that an error names, each with a name out of a file.
const toldNames = 10

// warnOfEach tells the same of some names, and of how many more it would have to be told.
func warnOfEach(w io.Writer, text string, names []string) {
	for _, name := range names[:min(len(names), toldNames)] {
		fmt.Fprintf(w, "berth: warning: "+text+"\n", name)
	}
	if more := len(names) - toldNames; more > 0 {
		fmt.Fprintf(w, "berth: warning: and so of %s more\n", comma(more))
	}
}

func readWeights(c *cli.Context) (map[string]int64, error) {
	out := make(map[string]int64)
	for _, text := range c.StringSlice("weight") {
		tenant, number, _ := strings.Cut(text, "=")
		weight, err := strconv.ParseInt(number, 10, 64)
		if err != nil || tenant == "" || berth.CheckTenantWeight(weight) != nil {
			return nil, &berth.FieldError{Field: "weight", Value: text, Problem: "is no weight", Bound: fmt.Sprintf("TENANT=NUMBER, from 1 to %d", berth.MaxTenantWeight)}
		}
		if _, twice := out[tenant]; twice {
			return nil, givenTwice("weight", tenant)
		}
		out[tenant] = weight
	}
	return out, nil
}

// readTenantLimits are what tenants of a trace may hold.
func readTenantLimits(c *cli.Context) (map[string]sim.Limit, error) {
	out := make(map[string]sim.Limit)
	for _, f := range []struct {
		flag  string
		parse func(string) (int64, error)
		most  string
		of    func(*sim.Limit) **int64
	}{
		{"cpu-limit", func(text string) (int64, error) { return parseCPU("cpu-limit", text) }, fmt.Sprint(berth.MaxCPUMilli / 1000), func(l *sim.Limit) **int64 { return &l.CPUMilli }},
		{"gpu-limit", thousandths, fmt.Sprint(berth.MaxCustom / berth.WholeDevice), func(l *sim.Limit) **int64 { return &l.GPUMilli }},
	} {
		for _, text := range c.StringSlice(f.flag) {
			tenant, number, _ := strings.Cut(text, "=")
			n, err := f.parse(number)
			if err != nil || tenant == "" || number == "" {
				return nil, &berth.FieldError{Field: f.flag, Value: text, Problem: "is no limit", Bound: "TENANT=NUMBER, from 0 to " + f.most}
			}
			l := out[tenant]
			if *f.of(&l) != nil {
				return nil, givenTwice(f.flag, tenant)
			}
			*f.of(&l) = &n
			out[tenant] = l
		}
	}
	return out, nil
}

// checkTenants refuses a flag about a tenant that has nothing in the trace: it would change nothing.
func checkTenants(c *cli.Context, t *sim.Trace) error {
	known := t.Tenants()
	for _, flag := range []string{"weight", "cpu-limit", "gpu-limit"} {
		for _, text := range c.StringSlice(flag) {
			tenant, _, _ := strings.Cut(text, "=")
			if slices.Contains(known, tenant) {
				continue
			}
			bound := "a tenant that has a job: " + strings.Join(known[:min(len(known), toldNames)], ", ")
			if len(known) > toldNames {
				bound += fmt.Sprintf(" and %d more", len(known)-toldNames)
			}
			return &berth.FieldError{Field: flag, Value: text, Problem: "names a tenant that the trace has nothing of", Bound: bound}
		}
	}
	return nil
}

func readTrace(c *cli.Context) (*sim.Trace, error) {
	var jobs []sim.Job
	if path := c.String("trace"); path != "" { // else of a snapshot, and what waits there is all
		all, err := readFile(c, path, sim.ReadTrace)
		if err != nil {
			return nil, err
		}
		jobs = all
	}
	if c.String("snapshot") == "" {
		machines, err := readFile(c, c.String("nodes"), sim.ReadNodes)
		if err != nil {
			return nil, err
		}
		return sim.NewTrace(machines, jobs), nil
	}
	s, err := snapshotFrom(c, c.String("snapshot"), nil)
	if err != nil {
		return nil, err
	}
	live, err := sim.NewLive(s, berth.PoolID(c.String("pool")), c.Duration("run-for").Milliseconds())
	if err != nil {
		return nil, usage("simulate: %s: %w", c.String("snapshot"), err)
	}
	tellLeftOut(c.App.ErrWriter, live)
	tellEndless(c, live)
	tellQuotas(c, live)
	t, err := live.Trace(jobs)
	if errors.Is(err, sim.ErrNoJobs) {
		err = fmt.Errorf("%w: say --trace FILE", err)
	}
	if err != nil {
		return nil, usage("simulate: pool %s of the snapshot: %w", c.String("pool"), err)
	}
	return t, nil
}

// tellLeftOut says what of a pool is not simulated.
func tellLeftOut(w io.Writer, live *sim.Live) {
	switch n := live.Closed; {
	case n == 1:
		fmt.Fprintln(w, "berth: 1 worker that takes nothing now is left out, with what it runs")
	case n > 1:
		fmt.Fprintf(w, "berth: %d workers that take nothing now are left out, with what they run\n", n)
	}
	switch n := live.LeftOut; {
	case n == 1:
		fmt.Fprintln(w, "berth: 1 request that waits is left out, for it asks for more than a trace can say (docs/scheduling.md)")
	case n > 1:
		fmt.Fprintf(w, "berth: %d requests that wait are left out, for they ask for more than a trace can say (docs/scheduling.md)\n", n)
	}
}

// tellQuotas says whose quotas are not simulated, where no limit stands in for them.
func tellQuotas(c *cli.Context, live *sim.Live) {
	limits := slices.Concat(c.StringSlice("cpu-limit"), c.StringSlice("gpu-limit"))
	without := slices.DeleteFunc(slices.Clone(live.Limited), func(tenant string) bool {
		return slices.ContainsFunc(limits, func(text string) bool { return strings.HasPrefix(text, tenant+"=") })
	})
	if len(without) == 0 {
		return
	}
	told := strings.Join(without[:min(len(without), toldNames)], ", ")
	if more := len(without) - toldNames; more > 0 {
		told += fmt.Sprintf(" and %d more", more)
	}
	fmt.Fprintf(c.App.ErrWriter, "berth: warning: quotas are not simulated, which these tenants have in pool %s: %s; --cpu-limit and --gpu-limit bound what a tenant holds\n", c.String("pool"), told)
}

// tellEndless says that some of a snapshot never ends: what waits behind it would seem to wait for
// a lack of machines, and little to be got of what was asked for.
func tellEndless(c *cli.Context, live *sim.Live) {
	placed, waiting := live.Endless()
	if placed+waiting == 0 {
		return
	}
	fmt.Fprintf(c.App.ErrWriter, "berth: warning: without a run limit, and so without an end: %s of the snapshot, %d of them waiting; what wants the places of such waits to the end. "+
		"With --run-for 2h such requests run for two hours\n", plural(placed+waiting, "request"), waiting)
}

func printTrace(w io.Writer, r *sim.TraceResult) error {
	printTraceHead(w, r)
	t := &table{}
	t.add("WAITED", "JOBS", "PLACED", "PREEMPTED", "MEAN", "P50", "P95", "MAX", "GOT OF WHAT IT ASKED FOR", "WEIGHT", "SHARE")
	add := func(kind string, x *sim.Waits, more ...string) {
		t.add(append([]string{kind + " " + x.Name, comma(x.Jobs), comma(x.Placed), comma(x.Stops), waited(int64(x.MeanMS)), waited(x.P50MS), waited(x.P95MS), waited(x.MaxMS)}, more...)...)
	}
	for i := range r.Classes {
		add("class", &r.Classes[i], "", "", "")
	}
	for i := range r.Groups {
		add("groups of", &r.Groups[i], "", "", "")
	}
	for i := range r.Priorities {
		add("priority", &r.Priorities[i], "", "", "")
	}
	for i := range r.Tenants {
		x, share := &r.Tenants[i], "-" // it never waited beside others: nothing had to be shared
		if x.Looks > 0 {
			share = fmt.Sprintf("%.1f %%", 100*x.Share)
		}
		add("tenant", &x.Waits, fmt.Sprintf("%.1f of %.1f %s hours", x.GotHours, x.AskedHours, x.Unit),
			strconv.FormatInt(x.Weight, 10), share)
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nfairness between tenants (Jain's index, 1 is even): %.3f of what they asked for, %.3f of their shares by weight, while several waited\n", r.Fairness, r.Shared)
	return nil
}

// printTraceHead prints what is told of a whole run.
func printTraceHead(w io.Writer, r *sim.TraceResult) {
	runs, groups := "", ""
	if r.Running > 0 {
		runs = fmt.Sprintf("; %s running already", comma(r.Running))
	}
	if n := len(r.GroupRuns); n > 0 {
		placed, members := 0, 0
		for _, g := range r.GroupRuns {
			if members += int(g.Size); g.Placed {
				placed++
			}
		}
		groups = fmt.Sprintf("; %s of them in groups, of which %s of %s were placed", comma(members), comma(placed), comma(n))
	}
	fmt.Fprintf(w, "policy %s, seed %d: %s, %s%s; %s: %s placed, %s out of patience, %s never%s\n",
		r.Policy, r.Seed, counted(r.Machines, "machine"), counted(int(r.GPUs), "GPU"), runs, counted(r.Jobs, "job"), comma(r.Placed), comma(r.Left), comma(r.Never), groups)
	if r.Preempted > 0 {
		forGroups := ""
		if r.ForGroup > 0 {
			forGroups = fmt.Sprintf(" (%s for groups)", comma(r.ForGroup))
		}
		fmt.Fprintf(w, "preemptions: %s%s, for which %.1f GPU hours and %.1f core hours had run for nothing\n", comma(r.Preempted), forGroups, r.GPULost, r.CoreLost)
	}
	if r.GPUs == 0 {
		fmt.Fprintf(w, "CPU, at looks until the last arrival: %.1f %% allocated\n\n", meanCPU(r.Series))
		return
	}
	if groups != "" {
		groups = fmt.Sprintf(" %.1f %% for groups,", r.ForGroups)
	}
	fmt.Fprintf(w, "GPU time, until the last arrival: %.1f %% allocated; idle: %.1f %% fragmented, %.1f %% starved of CPU or memory,%s %.1f %% without demand\n\n",
		r.Allocated, r.Fragmented, r.Starved, groups, r.NoDemand)
}

func meanCPU(looks []sim.Look) (mean float64) {
	for i := range looks {
		mean += looks[i].CPU / float64(len(looks))
	}
	return mean
}

// waited is a time; beyond a minute its milliseconds say nothing.
func waited(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d >= time.Minute {
		d = d.Round(time.Second)
	}
	return d.String()
}
