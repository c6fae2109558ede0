package robustness

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds     = flag.Int("sim.seeds", 0, "how many seeds to run; 0: as many as the ordinary tests do")
	first     = flag.Uint64("sim.seed", 1, "the first seed")
	twice     = flag.Int("sim.twice", 1000, "how many of the seeds are run a second time: they must do the same")
	whole     = flag.Bool("sim.trace", false, "print the whole history of each seed")
	processes = flag.Int("sim.processes", 1, "how many processes share the seeds")
	handOver  = flag.String("sim.report", "", "the file to write the figures to, as JSON")
)

// The ordinary tests run a few seeds, so that they end within half a minute on
// two busy cores with the race detector.
const (
	fewSeeds = 2
	fewTwice = 1
)

// seedsForAll is how many seeds meet every kind of fault at every kind of
// transaction.
const seedsForAll = 1000

// TestSim runs seeds one after the other on one processor. On several, goroutines
// of one actor that wake at the same instant reach its loop in an order that no
// seed decides: seeds 8 and 10 had two histories then. For more cores, more
// processes run, each with seeds of its own.
func TestSim(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := &runner{part: part{*first, *seeds, *twice}, report: newReport(), began: time.Now()}
	if r.seeds == 0 {
		r.seeds, r.twice = fewSeeds, fewTwice
	}
	if *processes > 1 {
		r.share(t, *processes)
	} else {
		r.run(t)
	}
	if *handOver != "" {
		if err := r.report.write(*handOver); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Log(r.report.figures(time.Since(r.began)))
	t.Log(r.report.table())
	if r.report.Seeds >= seedsForAll {
		for _, hole := range r.report.holes() {
			t.Errorf("no seed has shown it: %s", hole)
		}
	}
}

// part is some of the seeds.
type part struct {
	first uint64
	seeds int
	twice int // of them, from the first on
}

// runner runs seeds until one fails.
type runner struct {
	part
	report      *report
	began, told time.Time
}

func (r *runner) run(t *testing.T) {
	for i := range r.seeds {
		if !r.seed(t, r.first+uint64(i), i < r.twice) { //nolint:gosec // below seeds
			return
		}
		r.tell(t)
	}
}

// tellEvery is how often a long run says how far it has come.
const tellEvery = 10 * time.Second

func (r *runner) tell(t *testing.T) {
	now := time.Now()
	if done := r.report.Seeds; now.Sub(r.told) >= tellEvery && now.Sub(r.began) >= tellEvery && done > 0 {
		r.told = now
		again := min(r.twice, r.seeds) - r.report.Repeated
		left := now.Sub(r.began) / time.Duration(done+r.report.Repeated) * time.Duration(r.seeds-done+again)
		t.Logf("%d of %d seeds, no violation; %s left", done, r.seeds, left.Round(time.Second))
	}
}

// seed runs one, and says whether all was well.
func (r *runner) seed(t *testing.T, seed uint64, again bool) bool {
	p := Draw(seed)
	result := simulate(t, p, *whole)
	for _, l := range result.All {
		t.Log(l)
	}
	r.report.seed(result)
	if len(result.Violations) > 0 {
		t.Error(explain(t, p, result))
		return false
	}
	if again {
		r.report.Repeated++
	}
	return !again || sameAgain(t, p, result)
}

func simulate(t *testing.T, p *Plan, traced bool) (r Result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = Run(p, traced) })
	return r
}

// sameAgain runs a plan again, and shows where the two part.
func sameAgain(t *testing.T, p *Plan, was Result) bool {
	t.Helper()
	again := simulate(t, p, false)
	if again.Hash == was.Hash {
		return true
	}
	t.Errorf("seed %d: the history's hash is %x, and then %x\n%s", p.Seed, was.Hash, again.Hash, repeat(p.Seed))
	for range 6 {
		a, b := simulate(t, p, true), simulate(t, p, true)
		if at, ok := parts(a.All, b.All); ok {
			t.Logf("first:\n%s\nthen:\n%s", around(a.All, at), around(b.All, at))
			break
		}
	}
	return false
}

func parts(a, b []string) (at int, ok bool) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i, true
		}
	}
	return min(len(a), len(b)), len(a) != len(b)
}

func around(lines []string, at int) string {
	return strings.Join(lines[max(0, at-12):min(len(lines), at+4)], "\n")
}

// explain tells what a seed has shown, by the fewest faults that still show it,
// and how to repeat it.
func explain(t *testing.T, p *Plan, r Result) string {
	t.Helper()
	short := shorten(p, func(q *Plan) bool {
		got := simulate(t, q, false)
		return len(got.Violations) > 0 && got.Violations[0].Of == r.Violations[0].Of
	})
	last := simulate(t, short, true)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n%s\n", p.Seed, r.Violations, repeat(p.Seed))
	if len(last.Violations) > 0 {
		fmt.Fprintf(&b, "with %d of its %d faults: %v\n%s", len(short.Faults), len(p.Faults), last.Violations[0], strings.Join(last.History, "\n"))
	}
	return b.String()
}

func repeat(seed uint64) string { return fmt.Sprintf("repeat it: make sim SEEDS=1 SEED=%d", seed) }

// shortenRuns bounds how often a failing plan is tried with less.
const shortenRuns = 40

// shorten leaves faults out, halves first, as long as the rest still fails.
func shorten(p *Plan, fails func(*Plan) bool) *Plan {
	runs := 0
	for size := max(1, len(p.Faults)/2); size > 0; size /= 2 {
		for at := 0; at < len(p.Faults) && runs < shortenRuns; {
			q := *p
			q.Faults = slices.Delete(slices.Clone(p.Faults), at, min(at+size, len(p.Faults)))
			runs++
			if fails(&q) {
				p = &q
				continue
			}
			at += size
		}
	}
	return p
}
