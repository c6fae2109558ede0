package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// Exit codes of run where its command has none, as of docker run and of shells.
const (
	exitNotRun      = 125
	exitInterrupted = 130
)

// sayWaiting is after how long run tells why nothing runs yet.
const sayWaiting = 500 * time.Millisecond

func runCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "run",
		Usage:     "submit, show the output, exit with the exit code; Ctrl-C cancels",
		ArgsUsage: "-- COMMAND [ARGUMENTS]",
		Description: "Exits with the command's exit code; 128 + N when signal N ended it; 125 when it could not be run at all;\n" +
			"130 when it was cancelled. A second Ctrl-C leaves without waiting for the end.",
		Flags:  clientFlags(flatten([]cli.Flag{&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but the output", EnvVars: envOf("quiet")}}, requestFlags())...),
		Action: runRequest,
	})
}

// runner shows one request on a terminal.
type runner struct {
	c  *cli.Context
	cl *client.Client
	id string
}

func runRequest(c *cli.Context) error {
	r, err := requestOf(c)
	if err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, again, stop := untilSignal(c.Context)
	defer stop()
	results, err := cl.Submit(ctx, []*berthv1.Request{r})
	if err != nil {
		return fmt.Errorf("submit %s: %w", r.GetId(), err)
	}
	if refusal := results[0].GetRefusal(); refusal != nil {
		return fmt.Errorf("request %s refused: %s", r.GetId(), refusal.GetMessage())
	}
	run := &runner{c: c, cl: cl, id: r.GetId()}
	if results[0].GetExisting() {
		run.say("%s was submitted before: this is its output, and nothing runs again", r.GetId())
	}
	for _, text := range submitWarnings(ctx, cl, results) {
		run.say("warning: %s", text)
	}
	return run.show(ctx, again)
}

// show follows the output, and that of the successor where a drain replaces the
// request, and returns the end as an exit code.
func (r *runner) show(ctx context.Context, again <-chan struct{}) error {
	for {
		last, err := r.follow(ctx, again)
		if err != nil {
			return err
		}
		if last.GetReason() != string(berth.EndReplaced) {
			return r.exit(last)
		}
		r.say("%s goes on as %s: its worker was drained", r.id, last.GetReplacedBy())
		r.id = last.GetReplacedBy()
	}
}

// follow shows one request until its end.
func (r *runner) follow(ctx context.Context, again <-chan struct{}) (*berthv1.Status, error) {
	end, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		r.cancelOnSignal(ctx, end, again, stop)
	}()
	said := make(chan struct{})
	go func() {
		defer close(said)
		r.sayWhy(end)
	}()
	err := r.cl.Logs(end, &berthv1.LogsRequest{Id: r.id, Follow: true}, r.write)
	var last *berthv1.Status
	if err == nil || end.Err() == nil {
		if err != nil {
			r.warnOutput(err)
		}
		last, err = r.final(end)
	}
	left := end.Err() != nil
	stop()
	<-said
	<-cancelled
	if left {
		return nil, &exitError{exitInterrupted, fmt.Errorf("request %s may run on: %s", r.id, hint(r.c, "cancel", r.id))}
	}
	return last, err
}

func (r *runner) say(format string, args ...any) {
	if !r.c.Bool("quiet") {
		fmt.Fprintf(r.c.App.ErrWriter, "berth: "+format+"\n", args...)
	}
}

// warnOutput says that output is missing, also to who wants to hear nothing else. The
// exit code stays the container's: it ran, whoever could not read what it wrote.
func (r *runner) warnOutput(err error) {
	fmt.Fprintf(r.c.App.ErrWriter, "berth: warning: the output of %s could not be read to its end: %v\n"+
		"  what is shown is incomplete, and the exit code is the container's; %s tries again\n", r.id, err, hint(r.c, "logs", r.id))
}

func (r *runner) write(m *berthv1.LogsResponse) error {
	w := r.c.App.Writer
	if m.GetStream() == "stderr" {
		w = r.c.App.ErrWriter
	}
	if m.GetGap() > 0 {
		r.say("%d bytes of %s are no longer kept", m.GetGap(), m.GetStream())
	}
	_, err := asIs(w).Write(m.GetData())
	return err
}

// cancelOnSignal cancels the request at the first signal, and leaves at the second.
func (r *runner) cancelOnSignal(ctx, end context.Context, again <-chan struct{}, leave func()) {
	select {
	case <-ctx.Done():
	case <-end.Done():
		return
	}
	if end.Err() != nil {
		return
	}
	r.say("cancelling %s; Ctrl-C again leaves it", r.id)
	if _, err := r.cl.Cancel(end, r.id, "interrupted"); err != nil && end.Err() == nil {
		r.say("cancel %s: %v", r.id, err)
	}
	select {
	case <-again:
		leave()
	case <-end.Done():
	}
}

// sayWhy tells why the request waits, if it does for long.
func (r *runner) sayWhy(ctx context.Context) {
	told := ""
	for {
		select {
		case <-time.After(sayWaiting):
		case <-ctx.Done():
			return
		}
		s, err := r.cl.Get(ctx, r.id)
		if err != nil || s.GetState() != string(berth.StatePending) {
			if err == nil && s.GetState() == string(berth.StateRunning) {
				return
			}
			continue
		}
		if why := describe(s); why != "" && why != told {
			told = why
			r.say("%s: %s", r.id, why)
		}
	}
}

// final waits for the end of the request.
func (r *runner) final(ctx context.Context) (*berthv1.Status, error) {
	var last *berthv1.Status
	err := r.cl.Watch(ctx, &berthv1.Filter{Ids: []string{r.id}}, func(s *berthv1.Status) error {
		if berth.State(s.GetState()).Final() {
			last = s
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return last, nil
	}
	return nil, fmt.Errorf("watch %s: %w", r.id, err)
}

func (r *runner) exit(s *berthv1.Status) error {
	exit := s.GetExit()
	ran := exit.GetKind() == string(berth.ExitExited) || exit.GetKind() == string(berth.ExitSignaled)
	switch {
	case s.GetState() == string(berth.StateSucceeded):
		return nil
	case s.GetState() == string(berth.StateCancelled):
		r.say("%s was cancelled", r.id)
		return &exitError{code: exitInterrupted}
	case s.GetState() == string(berth.StateFailed) && ran:
		if exit.GetKind() == string(berth.ExitSignaled) || exit.GetOutOfMemory() || s.GetReason() != string(berth.EndExited) {
			r.say("%s: %s", r.id, describe(s))
		}
		return &exitError{code: int(exit.GetCode())}
	}
	return &exitError{exitNotRun, fmt.Errorf("request %s %s: %s", r.id, s.GetState(), describe(s))}
}
