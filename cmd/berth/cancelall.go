package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// cancelAtOnce bounds the calls at a time: daemons put what comes together into one transaction.
const cancelAtOnce = 32

// checkSelection refuses a command line that may be meant in two ways, before anything ends.
func checkSelection(c *cli.Context) error {
	switch {
	case c.Bool("all") && c.NArg() > 0:
		return usage("cancel: --all and %s exclude each other", c.Args().First())
	case c.Bool("all"):
		return nil
	case c.Bool("yes"):
		return usage("cancel: --yes goes with --all")
	}
	for _, f := range selectFlags() {
		if name := f.Names()[0]; given(c, name) { // from a variable it is for other verbs
			return usage("cancel: --%s selects with --all only: %s", name, hint(c, "cancel", "--all", "--"+name))
		}
	}
	if c.NArg() == 0 {
		return usage("cancel: no ID; berth list shows them, and --all cancels all of them")
	}
	return nil
}

// cancelAll cancels all that is selected and has not ended.
func cancelAll(c *cli.Context, cl *client.Client, asJSON bool) error {
	f, err := filterOf(c)
	if err != nil {
		return err
	}
	f.Ended = false
	var ids []string
	if err := cl.List(c.Context, f, func(s *berthv1.Status) error { ids = append(ids, s.GetId()); return nil }); err != nil {
		return filterError(err)
	}
	if len(ids) == 0 {
		if err := selected(c.Context, cl, f, nil); err != nil {
			return err
		}
		tellNone(c, "no such request that has not ended: nothing is cancelled")
		return nil
	}
	if err := confirm(c, ids); err != nil {
		return err
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	return cancelEach(ctx, c, cl, ids, asJSON)
}

// confirm asks whether requests are to be cancelled, where there is somebody to ask.
func confirm(c *cli.Context, ids []string) error {
	what := "cancel " + plural(len(ids), "request") + ": " + strings.Join(ids[:min(len(ids), cancelNamed)], ", ")
	if more := len(ids) - cancelNamed; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case c.Bool("yes"):
		return nil
	case !isTerminal(c.App.Reader):
		return usage("%s: nobody can be asked here; give --yes", what)
	case !agreed(c.App.Reader, c.App.ErrWriter, what):
		return &exitError{code: exitFailed, err: errors.New("nothing is cancelled")}
	}
	return nil
}

const cancelNamed = 3

// agreed asks a question; all but a yes is a no.
func agreed(in io.Reader, out io.Writer, question string) bool {
	fmt.Fprintf(out, "berth: %s? [y/N] ", question)
	answer, _ := bufio.NewReader(in).ReadString('\n') // an end without an answer is a no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// cancelEach cancels many, some at a time, and tells of them in their order.
func cancelEach(ctx context.Context, c *cli.Context, cl *client.Client, ids []string, asJSON bool) error {
	type outcome struct {
		s   *berthv1.Status
		err error
	}
	done := make([]chan outcome, len(ids))
	for i := range done {
		done[i] = make(chan outcome, 1) // so that no call waits for one before it to be told of
	}
	calls := new(errgroup.Group)
	calls.SetLimit(cancelAtOnce)
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		for i, id := range ids {
			calls.Go(func() error {
				s, err := cl.Cancel(ctx, id, c.String("message"))
				done[i] <- outcome{s, err}
				return nil
			})
		}
	}()
	defer func() {
		<-begun
		_ = calls.Wait() // each tells its own error
	}()
	var failed []error
	for i, id := range ids {
		o := <-done[i]
		if o.err == nil && o.s.GetReason() == string(berth.EndReplaced) { // meanwhile
			o.s, o.err = cancelLiving(ctx, c, cl, id)
		}
		if o.err == nil && c.Bool("wait") {
			o.s, o.err = ended(ctx, cl, o.s)
		}
		if o.err != nil && byCtrlC(ctx, c) {
			return &exitError{exitInterrupted, errors.Join(errors.Join(failed...), fmt.Errorf("cancel %s: not waited for, nor for what comes behind it", id))}
		}
		if o.err != nil {
			failed = append(failed, fmt.Errorf("cancel %s: %w", id, o.err))
			continue
		}
		if err := tellCancelled(c, o.s, asJSON); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}
