package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/berthd/berth/bench"
)

// printBenchTable is a report for people: what was measured, beside the floor, and
// how the times are spread.
func printBenchTable(w io.Writer, r *bench.Report) error {
	what := "requests a round"
	if r.Bench == "seed" {
		what = "requests a burst"
	}
	rounds := fmt.Sprintf("rounds: %d, of which these are medians", r.Rounds)
	if r.Rounds == 0 {
		rounds = "no round is complete, these are of a part of the first"
	}
	fmt.Fprintf(w, "bench %s: %s workers, %s %s; %s; CPUs: %d\n\n", r.Bench, comma(r.Workers), comma(r.Requests), what, rounds, r.CPUs)
	t := &table{}
	benchHead(t, r)
	benchRates(t, r)
	benchCosts(t, r)
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if r.Stages != nil {
		if err := printStages(w, r.Stages); err != nil {
			return err
		}
	}
	if err := printHistogram(w, histogramTitle(r), r.Histogram); err != nil {
		return err
	}
	if other := second(r); other != nil {
		fmt.Fprintln(w)
		title := "bursts, over the socket"
		if r.Socket == nil {
			title = histogramTitle(r) + ", " + secondName(r)
		}
		return printHistogram(w, title, other.Histogram)
	}
	return nil
}

// second are the figures beside the scheduler's, of the same or of another way; nil:
// there are none.
func second(r *bench.Report) *bench.Figures {
	if r.Socket != nil {
		return r.Socket
	}
	return r.Against
}

func secondName(r *bench.Report) string {
	switch {
	case r.Socket != nil:
		return "socket"
	case r.Setup.Against == bench.AgainstOneDaemon:
		return "one daemon"
	case r.Setup.Against == bench.AgainstNoQuota:
		return "no quota"
	}
	return "no maintenance"
}

// alone says whether there is nothing beside it.
func alone(r *bench.Report) bool { return r.Bench == "floor" || r.Bench == "decide" }

func histogramTitle(r *bench.Report) string {
	switch r.Bench {
	case "seed":
		return "bursts, until all are placed"
	case "life":
		return "submit -> archived"
	case "floor":
		return "transactions"
	case "decide":
		return "decisions (one in 16)"
	}
	return "submit -> placed"
}

// sides of a report: the scheduler's, in one way or two, and the floor's.
func benchHead(t *table, r *bench.Report) {
	switch {
	case r.Bench == "floor":
		t.add("", "floor", "bare loop")
	case r.Bench == "decide":
		t.add("", "scheduler")
	case r.Socket != nil:
		t.add("", "process", "socket", "floor")
	case r.Against != nil:
		t.add("", "scheduler", secondName(r), "floor")
	default:
		t.add("", "scheduler", "floor")
	}
}

func benchRates(t *table, r *bench.Report) {
	unit := "placements/s"
	if r.Bench == "life" {
		unit = "lives/s"
	}
	switch r.Bench {
	case "decide":
		t.add("decisions/s", rate(r.PlacementsPerS))
	case "floor":
		t.add(unit, rate(r.PlacementsPerS), rate(r.BarePerS))
		t.add("share of the bare loop", ratio(r.FloorOfBare))
	default:
		t.add(row(unit, r, func(f *bench.Figures) string { return rate(f.PlacementsPerS) }, rate(r.FloorPerS))...)
		t.add(row("ratio to the floor", r, func(f *bench.Figures) string {
			if f.Ratio == nil {
				return "-"
			}
			return fmt.Sprintf("%s (%s to %s)", ratio(f.Ratio), ratio(f.RatioMin), ratio(f.RatioMax))
		}, "")...)
		if r.OfAgainst != nil {
			t.add("share of "+secondName(r), fmt.Sprintf("%s (%s to %s)", ratio(r.OfAgainst), ratio(r.OfAgainstMin), ratio(r.OfAgainstMax)))
		}
	}
	t.add(row("p50", r, func(f *bench.Figures) string { return ms(f.P50MS) }, "")...)
	t.add(row("p99", r, func(f *bench.Figures) string { return ms(f.P99MS) }, "")...)
	t.add(row("p999", r, func(f *bench.Figures) string { return ms(f.P999MS) }, "")...)
	if r.Bench == "decide" {
		return
	}
	if r.Maintained > 0 {
		t.add(row("maintained", r, func(f *bench.Figures) string {
			if f.Maintained == 0 {
				return "-"
			}
			return fmt.Sprintf("%d times, %s at most", f.Maintained, ms(f.MaintainedMostMS))
		}, "")...)
	}
	t.add(row("conflicts, retries", r, func(f *bench.Figures) string { return fmt.Sprintf("%d, %d", f.Conflicts, f.Retries) }, "")...)
	if r.WorkersUsed > 0 {
		t.add(row("placed on", r, func(f *bench.Figures) string {
			return fmt.Sprintf("%s workers, %d to %d each", comma(f.WorkersUsed), f.LeastPerWorker, f.MostPerWorker)
		}, "")...)
	}
}

func benchCosts(t *table, r *bench.Report) {
	floor := r.Floor
	if floor == nil {
		floor = &bench.Floored{}
	}
	add := func(name string, of func(*bench.Figures) string, floor string) { t.add(row(name, r, of, floor)...) }
	add("CPU s/1000", func(f *bench.Figures) string { return number(f.CPUSPer1000) }, number(floor.CPUSPer1000))
	if r.OwnCPUSPer1000 != nil {
		add("CPU s/1000 less the floor's", func(f *bench.Figures) string { return number(f.OwnCPUSPer1000) }, "")
	}
	add("allocs, bytes each", func(f *bench.Figures) string {
		return number(f.AllocsPerPlacement) + ", " + size(f.BytesPerPlacement)
	}, "")
	if r.Bench == "decide" {
		return
	}
	add("keys each", func(f *bench.Figures) string { return number(f.KeysPerPlacement) }, number(floor.KeysPerPlacement))
	add("key, value bytes each", func(f *bench.Figures) string {
		return number(f.KeyBytesPer) + ", " + number(f.ValueBytesPer)
	}, number(floor.KeyBytesPer)+", "+number(floor.ValueBytesPer))
	add("compares each", func(f *bench.Figures) string { return number(f.ComparesPer) }, number(floor.ComparesPer))
	add("placements/transaction", func(f *bench.Figures) string { return number(f.PlacementsPerTxn) }, number(floor.PlacementsPerTxn))
	add("fsyncs each", func(f *bench.Figures) string { return number(f.FsyncsPerPlacement) }, number(floor.FsyncsPerPlacement))
	add("fsyncs", func(f *bench.Figures) string { return number(f.Fsyncs) }, number(floor.Fsyncs))
	add("resident memory", func(f *bench.Figures) string { return size(f.RSSBytes) }, "")
	add("database", func(f *bench.Figures) string { return size(f.DBBytes) }, size(floor.DBBytes))
	if r.Floor != nil {
		add("floor's best", func(*bench.Figures) string { return "" }, fmt.Sprintf("batches of %d, %d in flight", floor.Batch, floor.Concurrency))
	}
}

// row is one figure of each side. The floor's own report has one side.
func row(name string, r *bench.Report, of func(*bench.Figures) string, floor string) []string {
	cells := []string{name, of(&r.Figures)}
	if alone(r) {
		if name == "floor's best" {
			cells[1] = floor
		}
		return cells
	}
	if other := second(r); other != nil {
		cells = append(cells, of(other))
	}
	return append(cells, floor)
}

func printStages(w io.Writer, s *bench.Stages) error {
	t := &table{}
	t.add("from the submission to", "p50", "p99", "p999")
	for _, stage := range []struct {
		name string
		q    bench.Quantiles
	}{{"placed", s.Placed}, {"started", s.Started}, {"exited", s.Exited}, {"archived", s.Archived}} {
		t.add(stage.name, ms(stage.q.P50MS), ms(stage.q.P99MS), ms(stage.q.P999MS))
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

const barWidth = 40

// printHistogram draws a bar for each range of times.
func printHistogram(w io.Writer, title string, bars []bench.Bar) error {
	var most int64
	for _, b := range bars {
		most = max(most, b.Count)
	}
	if most == 0 {
		return nil
	}
	t := &table{}
	t.add("up to", "count", title)
	for _, b := range bars {
		n := int((b.Count*barWidth + most - 1) / most)
		t.add(ms(&b.UpToMS), comma(int(b.Count)), strings.Repeat("#", n))
	}
	return t.write(w)
}

func comma(n int) string { return humanize.Comma(int64(n)) }

// counted is how many of a thing, as 1 machine or 1,200 machines.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return comma(n) + " " + thing
}

func rate(v *float64) string {
	if v == nil {
		return "-"
	}
	return comma(int(*v + 0.5))
}

func ratio(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *v)
}

func ms(v *float64) string {
	if v == nil {
		return "-"
	}
	switch {
	case *v < 0.1:
		return fmt.Sprintf("%.3g µs", *v*1000)
	case *v >= 999.5:
		return fmt.Sprintf("%.2f s", *v/1000)
	}
	return fmt.Sprintf("%.3g ms", *v)
}

func number(v *float64) string {
	if v == nil {
		return "-"
	}
	if *v >= 1000 {
		return comma(int(*v + 0.5))
	}
	return fmt.Sprintf("%.3g", *v)
}

func size(v *float64) string {
	if v == nil {
		return "-"
	}
	return bytesOf(int64(*v))
}

// progressText is how far a measurement is, on one line.
func progressText(s bench.State) string {
	if s.What == "" {
		return ""
	}
	text := fmt.Sprintf("%s: %s of %s", s.What, comma(s.Done), comma(s.Of))
	if s.Done > 0 && s.Since > time.Second {
		text += fmt.Sprintf(", %s/s", comma(int(float64(s.Done)/s.Since.Seconds())))
	}
	return text
}
