// Command quality runs the packing experiment on the five traces of openb that FGD was
// published with, under all policies, and prints them side by side with what was
// published. It measures no speed: it uses all cores.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth/sim"
)

// trace is one of openb's, with what FGD's authors published of it: percents of GPU
// capacity allocated when 100 % and 130 % has been asked for, means of ten seeds.
type trace struct {
	name           string
	fgd100, fgd130 float64
}

var traces = []trace{
	{"default", 95.23, 95.39},
	{"gpuspec33", 87.84, 94.55},
	{"multigpu20", 95.53, 95.65},
	{"gpushare40", 93.96, 94.15},
	{"cpu100", 95.21, 95.35},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quality:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("quality", flag.ContinueOnError)
	dir := flags.String("openb", "../shared/data/openb", "the `folder` of the openb trace")
	first := flags.Uint64("seed", 42, "the first seed")
	seeds := flags.Int("seeds", 10, "how many")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *seeds < 1 {
		return fmt.Errorf("-seeds %d: at least 1", *seeds)
	}
	results := make([][][]*sim.PackingResult, len(traces)) // by trace, policy, seed
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for t, tr := range traces {
		p, err := read(*dir, tr.name)
		if err != nil {
			return err
		}
		results[t] = make([][]*sim.PackingResult, len(sim.Policies))
		for i, policy := range sim.Policies {
			results[t][i] = make([]*sim.PackingResult, *seeds)
			for s := range *seeds {
				g.Go(func() (err error) {
					results[t][i][s], err = p.Run(ctx, policy, *first+uint64(s), nil)
					return err
				})
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return printTable(out, results)
}

func read(dir, name string) (*sim.Packing, error) {
	nodes, err := os.Open(filepath.Join(dir, "openb_node_list_gpu_node.csv"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = nodes.Close() }() // read only
	machines, err := sim.ReadOpenbNodes(nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nodes.Name(), err)
	}
	list, err := os.Open(filepath.Join(dir, "openb_pod_list_"+name+".csv"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = list.Close() }() // read only
	pods, err := sim.ReadOpenbPods(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list.Name(), err)
	}
	return sim.NewPacking(machines, pods)
}

// printTable tells allocation at 100 % / 130 %, and then what is idle at 130 %.
func printTable(out io.Writer, results [][][]*sim.PackingResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "allocated at 100 / 130 %%\t")
	for _, policy := range sim.Policies {
		fmt.Fprintf(w, "%s\t", policy)
	}
	fmt.Fprintf(w, "FGD published\t\n")
	for t, tr := range traces {
		fmt.Fprintf(w, "%s\t", tr.name)
		for i := range sim.Policies {
			m := sim.MeansOf(results[t][i])
			fmt.Fprintf(w, "%.2f / %.2f\t", m.Allocated100, m.Allocated130)
		}
		fmt.Fprintf(w, "%.2f / %.2f\t\n", tr.fgd100, tr.fgd130)
	}
	idle, published := make([]float64, len(sim.Policies)), 0.0
	fmt.Fprintf(w, "\nidle at 130 %%\t")
	for _, policy := range sim.Policies {
		fmt.Fprintf(w, "%s\t", policy)
	}
	fmt.Fprintf(w, "FGD published\tberth / FGD published\t\n")
	for t, tr := range traces {
		fmt.Fprintf(w, "%s\t", tr.name)
		for i := range sim.Policies {
			v := 100 - sim.MeansOf(results[t][i]).Allocated130
			idle[i] += v / float64(len(traces))
			fmt.Fprintf(w, "%.2f\t", v)
		}
		published += (100 - tr.fgd130) / float64(len(traces))
		fmt.Fprintf(w, "%.2f\t%.3f\t\n", 100-tr.fgd130, (100-sim.MeansOf(results[t][0]).Allocated130)/(100-tr.fgd130))
	}
	fmt.Fprintf(w, "mean\t")
	for _, v := range idle {
		fmt.Fprintf(w, "%.2f\t", v)
	}
	fmt.Fprintf(w, "%.2f\t%.3f\t\n", published, idle[0]/published)
	return w.Flush()
}
