// Command plot draws what berth simulate --trace -o json has written: for each run, what
// was allocated and what was idle and why, how many jobs waited, and how many made room for
// others, over time. It is a program of its own so that berth carries neither the fonts nor
// the library.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/berthd/berth/sim"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	dir := flags.String("out", ".", "the `folder` of the pictures")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("say which files berth simulate --trace -o json has written")
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	for _, file := range flags.Args() {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var runs []sim.TraceResult
		if err := json.Unmarshal(text, &runs); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for i := range runs {
			if err := draw(&runs[i], *dir, out); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

// curve is one line of a picture.
type curve struct {
	name   string
	colour color.RGBA
	value  func(*sim.Look) float64
}

// The colours are told apart by those who see red and green alike (Okabe and Ito, 2008). Green
// is of groups, and only where there are any.
var green = color.RGBA{0, 158, 115, 255}

var gpus = []curve{
	{"allocated", color.RGBA{0, 114, 178, 255}, func(l *sim.Look) float64 { return l.Allocated }},
	{"idle: fragmented", color.RGBA{213, 94, 0, 255}, func(l *sim.Look) float64 { return l.Fragmented }},
	{"idle: starved of CPU or memory", color.RGBA{230, 159, 0, 255}, func(l *sim.Look) float64 { return l.Starved }},
	{"idle: for groups", green, func(l *sim.Look) float64 { return l.ForGroups }},
	{"idle: no demand", color.RGBA{120, 120, 120, 255}, func(l *sim.Look) float64 { return l.NoDemand }},
}

var queue = []curve{
	{"jobs", color.RGBA{0, 114, 178, 255}, func(l *sim.Look) float64 { return float64(l.Waiting) }},
	{"of these, in groups", green, func(l *sim.Look) float64 { return float64(l.InGroups) }},
}

var stops = []curve{
	{"jobs", color.RGBA{213, 94, 0, 255}, func(l *sim.Look) float64 { return float64(l.Preempted) }},
	{"of these, for groups", green, func(l *sim.Look) float64 { return float64(l.ForGroup) }},
}

func draw(r *sim.TraceResult, dir string, out io.Writer) error {
	title := fmt.Sprintf("policy %s, seed %d: %d jobs on %d machines, %d GPUs", r.Policy, r.Seed, r.Jobs, r.Machines, r.GPUs)
	name := fmt.Sprintf("%s-%d", r.Policy, r.Seed)
	gpus, queue, stops := gpus, queue, stops
	if len(r.GroupRuns) == 0 {
		gpus, queue, stops = withoutGroups(gpus), withoutGroups(queue), withoutGroups(stops)
	}
	if err := picture(r, gpus, title, "% of GPUs", filepath.Join(dir, name+"-gpus.svg"), out); err != nil {
		return err
	}
	if err := picture(r, queue, title, "jobs that wait", filepath.Join(dir, name+"-waiting.svg"), out); err != nil {
		return err
	}
	if r.Preempted == 0 {
		return nil
	}
	return picture(r, stops, title, "jobs that made room, since the point before", filepath.Join(dir, name+"-preemptions.svg"), out)
}

// withoutGroups is curves but for those of groups.
func withoutGroups(curves []curve) []curve {
	return slices.DeleteFunc(slices.Clone(curves), func(c curve) bool { return c.colour == green })
}

func picture(r *sim.TraceResult, curves []curve, title, y, path string, out io.Writer) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "hours", y
	p.Y.Min, p.Legend.Top = 0, true
	top := 0.0
	for _, c := range curves {
		var points plotter.XYs
		for i := range r.Series {
			l := &r.Series[i]
			points = append(points, plotter.XY{X: float64(l.AtMS) / 3_600_000, Y: c.value(l)})
			top = max(top, c.value(l))
		}
		if len(points) == 0 {
			return errors.New("a run without a series: all of its jobs arrived at once")
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = c.colour, vg.Points(1.2)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	p.Y.Max = top*(1+0.08*float64(len(curves))) + 1e-9 // room for the legend, also where all is 0
	if err := p.Save(18*vg.Centimeter, 10*vg.Centimeter, path); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, path)
	return err
}
