package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/bench"
)

// measureAlone runs a measurement that no floor is measured by turns with, and prints its
// report; what there is by then, too, where it failed or was interrupted. verdict says what
// is wrong with a report that is whole.
func measureAlone[R any](c *cli.Context, opts *bench.Options, name string, measure func(context.Context) (*R, error), show func(io.Writer, *R) error, verdict func(*R) error) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	live := newLiveLine(c.App.ErrWriter, &bench.Progress{})
	opts.Progress, opts.Say = live.progress, live.say
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	leaveRoomForGarbage(ctx)
	warnOfMemory(c, live)
	live.start()
	r, err := measure(ctx)
	live.end()
	if r == nil {
		return afterCtrlC(ctx, c, benchError(name, err))
	}
	if asJSON {
		show = func(w io.Writer, r *R) error { return printPlain(w, r) }
	}
	if err := show(c.App.Writer, r); err != nil {
		return err
	}
	if err != nil {
		return afterCtrlC(ctx, c, benchError(name, err))
	}
	return afterCtrlC(ctx, c, verdict(r))
}

// verdictAlone of a measurement; measured says how much of it there is.
func verdictAlone(violations []string, interrupted bool, measured string) error {
	switch {
	case len(violations) > 0:
		return &exitError{code: exitViolations, err: fmt.Errorf("the store violates its invariants: %s", strings.Join(violations, "; "))}
	case interrupted:
		return fmt.Errorf("interrupted: %s are measured", measured)
	}
	return nil
}
