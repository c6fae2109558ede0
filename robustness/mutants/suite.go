package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// defaultSeeds of the simulation for a patch that names no number.
const defaultSeeds = 40

// perSeed is what a seed of the simulation has beyond the limit: it takes a second or two where nothing else runs.
const perSeed = 4 * time.Second

// The sieves, in the order in which they are tried.
const (
	sieveRules      = "rules"      // each rule by a test of its own
	sieveSimulation = "simulation" // the whole protocol, by seeds
	sieveOwn        = "own tests"  // of the packages
)

const (
	rulesPackage      = "./robustness/rules"
	simulationPackage = "./robustness"
)

// protocol is the packages that carry the protocol: their own tests are the last sieve.
var protocol = []string{"./etcdstore", "./daemon", "./worker", "./worker/process", "./worker/shim", "./invariant"}

// sieve is a command that fails on a tree with a bug.
type sieve struct {
	name  string
	args  []string // of go test
	seeds int      // of the simulation
}

// outcome is how one sieve ended on one tree.
type outcome struct {
	sieve string
	found bool
	line  string // the first that says what is wrong
	took  time.Duration
}

// suite is the sieves for a patch: those that it names first, then the others.
func suite(dir string, p patch, o options) []sieve {
	has := func(pkg string) bool {
		tests, err := filepath.Glob(filepath.Join(dir, pkg, "*_test.go"))
		return err == nil && len(tests) > 0
	}
	var out []sieve
	for _, c := range p.checks {
		name := sieveOwn
		switch c.pkg {
		case rulesPackage:
			name = sieveRules
		case simulationPackage:
			name = sieveSimulation
		}
		s := sieve{name: name, args: []string{c.pkg}}
		if c.run != "" {
			s.args = []string{"-run", c.run, c.pkg}
		}
		if name == sieveSimulation {
			s = simulation(p, o)
		}
		if has(c.pkg) {
			out = append(out, s)
		}
	}
	if has(rulesPackage) {
		out = append(out, sieve{name: sieveRules, args: []string{rulesPackage}})
	}
	if has(simulationPackage) && !names(out, sieveSimulation) {
		out = append(out, simulation(p, o))
	}
	var packages []string
	for _, pkg := range slices.Concat(protocol, dirsOf(p)) {
		if has(pkg) && !strings.HasPrefix(pkg, simulationPackage) && !slices.Contains(packages, pkg) {
			packages = append(packages, pkg)
		}
	}
	if len(packages) > 0 {
		out = append(out, sieve{name: sieveOwn, args: packages})
	}
	return slices.DeleteFunc(out, func(s sieve) bool { return !strings.HasPrefix(s.name, o.sieve) })
}

func simulation(p patch, o options) sieve {
	seeds := o.seeds
	if p.seeds > 0 {
		seeds = p.seeds
	}
	return sieve{
		name:  sieveSimulation,
		seeds: seeds,
		args:  []string{"-run", "^TestSim$", simulationPackage, "-args", fmt.Sprintf("-sim.seeds=%d", seeds), "-sim.twice=0"},
	}
}

func names(list []sieve, name string) bool {
	return slices.ContainsFunc(list, func(s sieve) bool { return s.name == name })
}

// errBuild: the tree does not compile.
var errBuild = errors.New("does not build")

// build compiles the protocol, so that what does not compile is not taken for a find.
func build(ctx context.Context, dir string, p patch) error {
	args := []string{"build", "-trimpath"}
	for _, pkg := range slices.Concat(protocol, dirsOf(p)) {
		if sources, err := filepath.Glob(filepath.Join(dir, pkg, "*.go")); err == nil && len(sources) > 0 {
			args = append(args, pkg)
		}
	}
	if _, err := command(ctx, dir, "go", args...); err != nil {
		return fmt.Errorf("%w: %s", errBuild, firstError(err.Error()))
	}
	return nil
}

func dirsOf(p patch) []string {
	var out []string
	for _, d := range p.dirs {
		out = append(out, "./"+d)
	}
	return out
}

// sift runs one sieve on a tree. One that has no end within the limit finds, too.
func sift(ctx context.Context, dir string, s sieve, limit time.Duration) (outcome, error) {
	began := time.Now()
	if s.name == sieveRules {
		limit /= 3 // they take seconds: what is caught in a circle is not to take minutes
	}
	limit += time.Duration(s.seeds) * perSeed
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-trimpath", "-ldflags=-s -w", "-timeout", limit.String()}
	// Linking waits for its turn on a busy machine: the limit is that of the tests.
	hard, cancel := context.WithTimeout(ctx, 2*limit+5*time.Minute)
	defer cancel()
	line := slices.Concat(apart(ctx), []string{"go"}, args, s.args)
	cmd := exec.CommandContext(hard, line[0], line[1:]...) //nolint:gosec // the suite
	cmd.Dir = dir
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	o := outcome{sieve: s.name, found: err != nil, took: time.Since(began)}
	if ctx.Err() != nil {
		return o, ctx.Err()
	}
	if err == nil {
		return o, nil
	}
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		return o, fmt.Errorf("run the suite: %w", err)
	}
	if strings.Contains(out.String(), "[build failed]") || strings.Contains(out.String(), "[setup failed]") {
		return o, fmt.Errorf("%w: %s", errBuild, firstError(out.String()))
	}
	o.line = firstFailure(out.String())
	return o, nil
}

var (
	failedTest = regexp.MustCompile(`^\s*--- FAIL: (\S+)`)
	message    = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)
	place      = regexp.MustCompile(`^\S+\.go:\d+`)
	panicked   = regexp.MustCompile(`^(panic: .*|fatal error: .*)`)
)

// firstFailure is the name of the innermost test that failed first, and the
// first line that it said; or how the program broke.
func firstFailure(output string) string {
	test, said := "", ""
	for line := range strings.SplitSeq(output, "\n") {
		if m := panicked.FindStringSubmatch(line); m != nil && said == "" {
			return strings.TrimSpace(test + " " + clip(m[1]))
		}
		if m := failedTest.FindStringSubmatch(line); m != nil && said == "" {
			test = m[1]
		}
		if m := message.FindStringSubmatch(line); m != nil && said == "" {
			said = m[1]
		}
	}
	if test == "" && said == "" {
		return clip(firstLine(output))
	}
	return strings.TrimSpace(test + ": " + clip(said))
}

// firstError is the first line that names a place in a file, or the first at all.
func firstError(output string) string {
	for line := range strings.SplitSeq(output, "\n") {
		if place.MatchString(line) {
			return line
		}
	}
	return firstLine(output)
}

func firstLine(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// clip keeps a row of a table readable.
func clip(s string) string {
	const most = 160
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
