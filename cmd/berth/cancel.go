package main

import (
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
		Usage:     "end requests: SIGTERM, and SIGKILL after their stop timeout",
		ArgsUsage: "ID...",
		Flags: clientFlags(
			stringFlag("message", "", "why, for who reads it later"),
			boolFlag("wait", "wait until they have ended"),
			outputFlag(),
		),
		BashComplete: completeIDs,
		Action:       cancelRequests,
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
	if c.NArg() == 0 {
		return usage("cancel: no ID; berth list shows them")
	}
	if err := readMessage(c); err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	var failed []error
	for _, id := range c.Args().Slice() {
		s, err := cl.Cancel(ctx, id, c.String("message"))
		if err == nil && c.Bool("wait") {
			s, err = ended(ctx, cl, s)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("cancel %s: %w", id, err))
			continue
		}
		if asJSON {
			err = printLine(c.App.Writer, s)
		} else {
			_, err = fmt.Fprintf(c.App.Writer, "%s %s\n", id, cancelText(s))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func cancelText(s *berthv1.Status) string {
	switch {
	case s.GetReason() == string(berth.EndReplaced):
		return "had been replaced by " + s.GetReplacedBy() + ": berth cancel " + s.GetReplacedBy()
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
