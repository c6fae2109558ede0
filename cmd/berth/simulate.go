package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
)

func simulateCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "simulate",
		Usage: "run a placement policy on a trace, without a daemon or a store",
		Description: "With --openb-nodes and --openb-pods: the packing experiment on a list of machines and one of requests, as openb has them: for each seed the requests arrive\n" +
			"in random order, then more of them drawn at random, until 130 % of the GPUs are asked for; none leaves, and one that does not\n" +
			"fit is lost. Told is how much of the GPU capacity is allocated when 100 % and when 130 % has been asked for. Policies: berth is the\n" +
			"scheduler of this program, which learns the usual requests as they come; fgd (which knows them beforehand), bestfit, spread\n" +
			"and random are what it is compared with.\n\n" +
			"With --nodes and --trace: jobs that arrive, wait, run and end, as their files say. Told is what was allocated, what was idle and why,\n" +
			"how long jobs waited, and how evenly tenants were served. A row with a group's name and size stands for so many jobs that are placed\n" +
			"together or not at all; machines are kept for the first group that waits, as a daemon keeps them. With preemption lower, jobs of lower\n" +
			"priority make room for it: for a group, by the end of their grace_ms. docs/scheduling.md has the columns of all files.\n\n" +
			"With --snapshot, and --trace if more is to come: the same, on the workers of a pool as berth snapshot found them, with what runs\n" +
			"there and may have to make room; what waits there comes first.\n\n" +
			"Of the FILEs one may be -, standard input.",
		Flags: []cli.Flag{
			stringFlag("openb-nodes", "", "`FILE` of machines: CSV with sn, cpu_milli, memory_mib, gpu, model"),
			stringFlag("openb-pods", "", "`FILE` of requests: CSV with name, cpu_milli, memory_mib, num_gpu, gpu_milli, and gpu_spec (A|B) if any"),
			stringFlag("nodes", "", "`FILE` of machines for --trace: CSV with name, cpu_milli, memory_mib, gpus, gpu_type, and labels (rack=r1;zone=a) and link if any"),
			stringFlag("trace", "", "`FILE` of jobs: CSV with arrival_ms, run_ms, cpu_milli, memory_mib, gpus, gpu_milli; of groups with group, group_size, group_min_count, group_topology, group_linked; and more"),
			stringFlag("snapshot", "", "`FILE` that berth snapshot wrote, instead of --nodes"),
			stringFlag("pool", string(berth.DefaultPool), "`POOL` of the snapshot"),
			durationFlag("run-for", 0, "for `DURATION` yet runs what the snapshot has, where it has no run limit (default: to the end)"),
			ownListFlag("weight", "`TENANT=NUMBER` of a tenant of the trace, 1 to 1000 (default: 1)"),
			ownListFlag("cpu-limit", "`TENANT=CORES` that a tenant of the trace may hold at once (default: any amount)"),
			ownListFlag("gpu-limit", "`TENANT=NUMBER` of GPUs, also parts of them: vision=2.5 (default: any amount)"),
			stringFlag("policy", string(sim.PolicyBerth), "`NAME`: berth, fgd, bestfit, spread, random"),
			ownStringFlag("plot", "", "a picture of each seed into `FILE.svg`: what was allocated, idle and why, waiting, preempted, and the shares of tenants, over time"),
			stringFlag("seeds", "42", "`NUMBERS`, one run each: 42-51, or 1,5,7-9"),
			outputFlag(),
		},
		Action: simulate,
	})
}

func simulate(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	var policy sim.PolicyName
	if err := policy.UnmarshalText([]byte(c.String("policy"))); err != nil {
		return usage("simulate: %w", err)
	}
	seeds, err := parseSeeds(c.String("seeds"))
	if err != nil {
		return usage("simulate: %w", err)
	}
	files, err := simulated(c)
	if err != nil {
		return err
	}
	if files[1] == "trace" {
		return simulateTrace(c, policy, seeds, asJSON)
	}
	p, err := readPacking(c)
	if err != nil {
		return err
	}
	ctx, _, stop := untilSignal(c.Context) // not before: what reads a file, or waits for standard input, just ends
	defer stop()
	r := &packingReport{Policy: policy, Machines: p.Machines(), GPUs: p.GPUs(), Pods: p.Pods(), Shapes: p.Shapes()}
	if err := r.run(ctx, p, seeds, c.App.ErrWriter); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	return r.print(c.App.Writer, asJSON)
}

// maxSeeds bounds the runs of one call.
const maxSeeds = 10_000

// parseSeeds reads 42-51 or 1,5,7-9.
func parseSeeds(text string) ([]uint64, error) {
	wrong := &berth.FieldError{Field: "seeds", Value: text, Problem: "is no list of seeds", Bound: fmt.Sprintf("42-51, or 1,5,7-9; at most %d", maxSeeds)}
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.ParseUint(first, 10, 63)
		to := from
		if ranged && err == nil {
			to, err = strconv.ParseUint(last, 10, 63)
		}
		if err != nil || to < from || to-from >= maxSeeds || len(out)+int(to-from) >= maxSeeds {
			return nil, wrong
		}
		for s := from; s <= to; s++ {
			if slices.Contains(out, s) { // a mean would count it twice
				return nil, givenTwice("seeds", strconv.FormatUint(s, 10))
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// packingReport is what -o json writes.
type packingReport struct {
	Policy   sim.PolicyName       `json:"policy"`
	Machines int                  `json:"machines"`
	GPUs     int64                `json:"gpus"`
	Pods     int                  `json:"pods"`
	Shapes   int                  `json:"shapes"`
	Seeds    []*sim.PackingResult `json:"seeds"`
	Mean     sim.PackingMeans     `json:"mean"`
}

func (r *packingReport) run(ctx context.Context, p *sim.Packing, seeds []uint64, say io.Writer) error {
	for _, seed := range seeds {
		one, err := followed(say, seed, func(done func(int, int)) (*sim.PackingResult, error) { return p.Run(ctx, r.Policy, seed, done) })
		if err != nil {
			return err
		}
		fmt.Fprintf(say, "seed %d: %.2f %% allocated at 130 %%, %.0f decisions/s\n", seed, one.Allocated130, one.PerS)
		r.Seeds = append(r.Seeds, one)
	}
	r.Mean = sim.MeansOf(r.Seeds)
	return nil
}

// followed is a run whose progress is told on a terminal.
func followed[T any](say io.Writer, seed uint64, run func(done func(arrived, of int)) (*T, error)) (*T, error) {
	live := isTerminal(say)
	say = asIs(say) // the line is written over
	r, err := run(func(arrived, of int) {
		if live {
			fmt.Fprintf(say, "\rseed %d: %d %%  ", seed, arrived*100/of)
		}
	})
	if live {
		fmt.Fprint(say, "\r\x1b[K")
	}
	if errors.Is(err, context.Canceled) {
		return nil, &exitError{code: exitInterrupted, err: errors.New("ended by a signal")}
	}
	return r, err
}

func (r *packingReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printPlain(w, r)
	}
	fmt.Fprintf(w, "policy %s: %s, %s; %s of %s\n\n",
		r.Policy, counted(r.Machines, "machine"), counted(int(r.GPUs), "GPU"), counted(r.Pods, "request"), counted(r.Shapes, "shape"))
	t := &table{}
	t.add("SEED", "ALLOCATED AT 100 %", "AT 130 %", "IDLE", "ARRIVED", "LOST", "DECISIONS/S")
	for _, s := range r.Seeds {
		t.add(strconv.FormatUint(s.Seed, 10), fmt.Sprintf("%.2f %%", s.Allocated100), fmt.Sprintf("%.2f %%", s.Allocated130),
			fmt.Sprintf("%.2f %%", 100-s.Allocated130), comma(s.Decisions), comma(s.Lost), comma(int(s.PerS)))
	}
	m := r.Mean
	t.add("mean", fmt.Sprintf("%.2f %%", m.Allocated100), fmt.Sprintf("%.2f %%", m.Allocated130), fmt.Sprintf("%.2f %%", 100-m.Allocated130), "", "", comma(int(m.PerS)))
	return t.write(w)
}
