// Command groupquality runs made traces, of single jobs beside groups, under policies of the
// simulator, and prints how long groups and single jobs waited. It measures no speed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/berthd/berth/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "groupquality:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("groupquality", flag.ContinueOnError)
	only := flags.String("only", "", "`KINDS` of traces, with commas between; all")
	policies := flags.String("policies", "berth,bestfit", "the `POLICIES`")
	first := flags.Uint64("seed", 1, "the first seed")
	seeds := flags.Int("seeds", 4, "how many")
	draws := flags.Int("drawn", 0, "how many kinds that are drawn, beside the others")
	hours := flags.Float64("hours", 48, "of arrivals")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *seeds < 1 || *hours <= 0 || *draws < 0 {
		return fmt.Errorf("-seeds %d, -hours %g, -drawn %d: at least 1, more than 0, and none or more", *seeds, *hours, *draws)
	}
	kinds := slices.Clone(kinds)
	for i := range *draws {
		kinds = append(kinds, drawn(i+1))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "trace\tload\tseed\t")
	for name := range strings.SplitSeq(*policies, ",") {
		fmt.Fprintf(w, "%s: allocated %%\tgroups s\tp95\tsingle s\t", name)
	}
	fmt.Fprintln(w)
	for i := range kinds {
		k := &kinds[i]
		if *only != "" && !slices.Contains(strings.Split(*only, ","), k.name) {
			continue
		}
		for _, load := range k.loads {
			for seed := *first; seed < *first+uint64(*seeds); seed++ {
				t := sim.NewTrace(k.machines(), k.jobs(load, *hours, seed))
				fmt.Fprintf(w, "%s\t%.2f\t%d\t", k.name, load, seed)
				for name := range strings.SplitSeq(*policies, ",") {
					r, err := t.Run(ctx, sim.PolicyName(name), seed, nil)
					if err != nil {
						return err
					}
					tell(w, r)
				}
				fmt.Fprintln(w)
			}
		}
	}
	return w.Flush()
}

// tell tells means in seconds: of groups, with what one in twenty waited longer than, and of
// single jobs.
func tell(w io.Writer, r *sim.TraceResult) {
	var groups []int64
	group, single, jobs := 0.0, 0.0, 0
	for i := range r.GroupRuns {
		groups = append(groups, r.GroupRuns[i].WaitedMS)
		group += float64(r.GroupRuns[i].WaitedMS) / 1000
	}
	slices.Sort(groups)
	for i := range r.Classes {
		single += r.Classes[i].MeanMS * float64(r.Classes[i].Jobs) / 1000
		jobs += r.Classes[i].Jobs
	}
	fmt.Fprintf(w, "%.1f\t%.0f\t%.0f\t%.1f\t", r.Allocated, group/float64(max(len(groups), 1)),
		float64(groups[len(groups)*95/100])/1000, single/float64(max(jobs, 1)))
}
