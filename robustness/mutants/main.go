// Command mutants tests the tests. It plants known bugs in the protocol, one at a
// time, each a patch file of this folder or of one given, and runs the suite on
// the tree that results: a bug that no test finds is a hole in the suite. It
// never touches the tree that it is started in: patches are applied to copies.
//
// It owns the patches and what is said of them in docs/robustness.md. It finds
// nothing itself: the simulation (robustness), the rules (robustness/rules) and
// each package's own tests do.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// Exit codes.
const (
	exitFound    = 0 // every patch was found, and the suite passes without one
	exitSurvived = 1
	exitUsage    = 2
)

// options of one run.
type options struct {
	patches string        // folder, or one file
	only    string        // name of one patch
	seeds   int           // of the simulation, per patch
	jobs    int           // patches at once
	limit   time.Duration // of one sieve on one patch
	sieve   string        // only sieves whose name begins so
	every   bool          // the simulation too, though a rule has found it
	doc     string        // file whose table is rewritten
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("mutants", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&o.patches, "patches", "", "folder of patches, or one (default: those of robustness/mutants)")
	f.StringVar(&o.only, "only", "", "only the patches whose name contains this")
	f.IntVar(&o.seeds, "seeds", defaultSeeds, "seeds of the simulation per patch that names no number")
	f.IntVar(&o.jobs, "jobs", 2, "patches at once")
	f.DurationVar(&o.limit, "limit", 3*time.Minute, "time that a sieve has for a patch; the simulation has 4 s more for each seed")
	f.StringVar(&o.sieve, "sieve", "", "only these: rules, simulation or own")
	f.BoolVar(&o.every, "every", false, "go on to the simulation where the rules have found it already")
	f.StringVar(&o.doc, "doc", "", "rewrite the table of planted bugs in this file")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.jobs < 1 || o.jobs > 64 || o.seeds < 1 || o.limit < time.Second {
		f.Usage()
		return o, fmt.Errorf("allowed: no arguments, jobs 1 to 64, seeds at least 1, limit at least 1s")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parse(args, errOut)
	if err != nil {
		return exitUsage
	}
	root, err := moduleRoot(ctx)
	if err == nil && o.patches == "" {
		o.patches = root + "/robustness/mutants"
	}
	var patches []patch
	if err == nil {
		patches, err = loadPatches(o.patches, o.only)
	}
	if err != nil {
		fmt.Fprintln(errOut, "mutants:", err)
		return exitUsage
	}
	began := time.Now()
	results, err := plant(ctx, root, patches, o, errOut)
	if err != nil {
		fmt.Fprintln(errOut, "mutants:", err)
		return exitSurvived
	}
	fmt.Fprint(out, table(results))
	left := unfound(results)
	fmt.Fprintf(out, "\n%d of %d found in %s\n", len(results)-left, len(results), time.Since(began).Round(time.Second))
	if o.doc != "" {
		if err := rewriteDoc(o.doc, results); err != nil {
			fmt.Fprintln(errOut, "mutants:", err)
			return exitSurvived
		}
	}
	if left > 0 {
		return exitSurvived
	}
	return exitFound
}
