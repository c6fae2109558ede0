package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// result is what became of one planted bug.
type result struct {
	patch    patch
	broken   string // why it could not be tried: it does not apply, or not build
	outcomes []outcome
}

func (r result) found() bool {
	for _, o := range r.outcomes {
		if o.found {
			return r.broken == ""
		}
	}
	return false
}

func unfound(results []result) int {
	n := 0
	for _, r := range results {
		if !r.found() {
			n++
		}
	}
	return n
}

// plant tries every patch, some at once, each on a copy of the tree, once the
// suite has passed without any.
func plant(ctx context.Context, root string, patches []patch, o options, progress io.Writer) ([]result, error) {
	scratch, err := os.MkdirTemp("", "berth-mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	plain, err := copyTree(ctx, root, filepath.Join(scratch, "plain"))
	if err != nil {
		return nil, err
	}
	trees := make(chan *tree, o.jobs) // filled here, taken and given back by each patch
	for i := range o.jobs {
		t, err := copyTree(ctx, root, filepath.Join(scratch, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		trees <- t
	}
	c := &control{dir: plain.dir, limit: 2 * o.limit, progress: progress, ran: map[string]error{}}
	if err := c.suite(ctx, o); err != nil {
		return nil, err
	}
	results := make([]result, len(patches))
	var g errgroup.Group
	g.SetLimit(o.jobs)
	var mu sync.Mutex // guards progress
	for i, p := range patches {
		g.Go(func() error {
			t := <-trees
			defer func() { trees <- t }()
			r, err := try(ctx, t, c, p, o)
			results[i] = r
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(progress, line(r))
			return err
		})
	}
	return results, g.Wait()
}

// try plants one bug, and sieves until it is found.
func try(ctx context.Context, t *tree, c *control, p patch, o options) (result, error) {
	r := result{patch: p}
	file, err := filepath.Abs(p.file)
	if err != nil {
		return r, err
	}
	if err := apply(ctx, t.dir, file); err != nil {
		_, why, _ := strings.Cut(err.Error(), "error: ")
		r.broken = "does not apply: " + clip(firstLine(why))
		return r, errors.Join(ctx.Err(), t.restore(ctx))
	}
	if err := build(ctx, t.dir, p); err != nil {
		r.broken = clip(err.Error())
		return r, errors.Join(ctx.Err(), t.restore(ctx))
	}
	for _, s := range suite(t.dir, p, o) {
		if r.by() != nil && (!o.every || s.name != sieveSimulation) {
			continue
		}
		got, err := sift(ctx, t.dir, s, o.limit)
		if errors.Is(err, errBuild) {
			r.broken = clip(err.Error())
			break
		}
		if err != nil {
			return r, err
		}
		if got.found && s.name != sieveRules { // those have been tried on the tree as it is
			if err := c.passes(ctx, s); err != nil {
				return r, err
			}
		}
		r.outcomes = append(r.outcomes, got)
	}
	return r, t.restore(ctx)
}
