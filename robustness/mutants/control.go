package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// errControl: the suite fails on the tree as it is, so it proves nothing.
var errControl = errors.New("the suite fails without any planted bug")

// control runs sieves on the tree as it is: each must pass, or what it finds is
// no find.
type control struct {
	dir      string
	limit    time.Duration
	progress io.Writer

	mu  sync.Mutex // guards ran; held while one runs, so that none runs twice
	ran map[string]error
}

// suite runs rules and simulation as they will be tried. The packages' own tests, and
// other numbers of seeds, take long, and wait until they have found something.
func (c *control) suite(ctx context.Context, o options) error {
	all := patch{name: "control", seeds: o.seeds}
	for _, s := range suite(c.dir, all, o) {
		if s.name == sieveOwn {
			continue
		}
		if err := c.passes(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// passes runs a sieve, once.
func (c *control) passes(ctx context.Context, s sieve) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(s.args, " ")
	if err, ran := c.ran[key]; ran {
		return err
	}
	got, err := sift(ctx, c.dir, s, c.limit)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errControl, err)
	case got.found:
		err = fmt.Errorf("%w: %s", errControl, got.line)
	default:
		fmt.Fprintf(c.progress, "without a bug: %s pass in %s\n", s.name, seconds(got.took))
	}
	c.ran[key] = err
	return err
}
