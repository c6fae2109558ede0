package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func cancelCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "cancel",
		Usage:     "end requests and groups: SIGTERM, and SIGKILL after their stop timeout",
		ArgsUsage: "ID... | --all",
		Description: "With --all, all that have not ended, and with flags that select, as berth list has them, all of these:\n" +
			"berth cancel --all --tenant red --state blocked. It asks before, or with --yes does not.",
		Flags: clientFlags(append([]cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "all that have not ended, of those that the flags below select"}, // of no variable, as the next one
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "with --all: do not ask"},
			stringFlag("message", "", "`TEXT` that says why, for who reads it later"),
			boolFlag("wait", "wait until they have ended"),
			outputFlag(),
		}, selectFlags()...)...),
		Action: cancelRequests,
	})
}

func cancelRequests(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := noFlags(c); err != nil {
		return err
	}
	if err := cmp.Or(checkSelection(c), readMessage(c)); err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	if c.Bool("all") {
		return cancelAll(c, cl, asJSON)
	}
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	var failed []error
	for _, id := range c.Args().Slice() {
		s, err := cancelLiving(ctx, c, cl, id)
		if err != nil {
			err = notThere(ctx, cl, id, orGroup(err, func() error { return cancelGroup(ctx, c, cl, id, asJSON) }))
			if err == nil {
				continue
			}
		}
		if err == nil && c.Bool("wait") {
			s, err = ended(ctx, cl, s)
		}
		if err != nil && byCtrlC(ctx, c) {
			return &exitError{exitInterrupted, errors.Join(errors.Join(failed...), fmt.Errorf("cancel %s: not waited for", id))}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("cancel %s: %w", id, err))
			continue
		}
		if err := tellCancelled(c, s, asJSON); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func tellCancelled(c *cli.Context, s *berthv1.Status, asJSON bool) error {
	if asJSON {
		return printLine(c.App.Writer, s)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s %s\n", s.GetId(), cancelText(s))
	return err
}

// cancelGroup cancels all of a group.
func cancelGroup(ctx context.Context, c *cli.Context, cl *client.Client, id string, asJSON bool) error {
	g, err := cl.CancelGroup(ctx, id, c.String("message"))
	if err != nil {
		return err
	}
	does := "is ending"
	if c.Bool("wait") {
		if err := groupEnded(ctx, cl, g); err != nil {
			return err
		}
		does = "has ended"
	}
	if asJSON {
		return printLine(c.App.Writer, g)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s %s: %s\n", g.GetId(), does, membersText(g))
	return err
}

// groupEnded waits for the end of all members of a group, and tells of them as they ended: of the group
// itself nobody tells any more.
func groupEnded(ctx context.Context, cl *client.Client, g *berthv1.Group) error {
	states := make(map[string]int64)
	for _, m := range g.GetMembers() {
		s, err := ended(ctx, cl, &berthv1.Status{Id: m})
		if err != nil {
			return err
		}
		states[s.GetState()]++
		g.Revision = max(g.GetRevision(), s.GetRevision())
	}
	g.States = states
	return nil
}

// cancelLiving cancels a request or, where it was replaced, the successor that goes on
// in its place: who cancels web wants web to end, whatever it is called by now.
func cancelLiving(ctx context.Context, c *cli.Context, cl *client.Client, id string) (*berthv1.Status, error) {
	for {
		s, err := cl.Cancel(ctx, id, c.String("message"))
		if err != nil || s.GetReason() != string(berth.EndReplaced) {
			return s, err
		}
		fmt.Fprintf(c.App.ErrWriter, "berth: %s goes on as %s\n", id, s.GetReplacedBy())
		id = s.GetReplacedBy()
	}
}

func cancelText(s *berthv1.Status) string {
	switch {
	case s.GetState() == string(berth.StateCancelled):
		return s.GetState()
	case berth.State(s.GetState()).Final():
		return "had ended already: " + s.GetState()
	case s.GetStop() != nil:
		return "is stopping on " + s.GetWorker()
	}
	return s.GetState()
}

// ended waits for the end of a request.
func ended(ctx context.Context, cl *client.Client, s *berthv1.Status) (*berthv1.Status, error) {
	err := cl.Watch(ctx, &berthv1.Filter{Ids: []string{s.GetId()}}, func(now *berthv1.Status) error {
		s = now
		if berth.State(s.GetState()).Final() {
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return s, nil
	}
	return nil, err
}
