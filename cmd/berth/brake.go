package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func brakeCommand() *cli.Command {
	message := stringFlag("message", "", "`TEXT` that says why, for who reads it later")
	return verb(&cli.Command{
		Name:      "brake",
		Usage:     "mass losses of pools; release one, or hold it longer",
		ArgsUsage: "[release|hold POOL]",
		Description: "When many workers of a pool are lost at once, what may still run on them is not moved until enough came back,\n" +
			"the pool's bound has passed, or an operator says so. The word concerns this loss, and no later one.",
		Flags: clientFlags(outputFlag()),
		Subcommands: []*cli.Command{
			verb(&cli.Command{
				Name: "release", Usage: "move now, at a pace, what may run on the pool's lost workers", ArgsUsage: "POOL",
				Flags:  clientFlags(message, outputFlag()),
				Action: func(c *cli.Context) error { return sayBrake(c, &berthv1.SetBrakeRequest{Action: "release"}) },
			}),
			verb(&cli.Command{
				Name: "hold", Usage: "move nothing for so long from now", ArgsUsage: "POOL",
				Flags: clientFlags(durationFlag("for", 0, "`DURATION` from now, 1s to 168h (default: the pool's bound)"), message, outputFlag()),
				Action: func(c *cli.Context) error {
					ms, err := millisFlag(c, "for", berth.MinBrakeMS, berth.MaxBrakeBoundMS)
					if err != nil {
						return err
					}
					return sayBrake(c, &berthv1.SetBrakeRequest{Action: "hold", ForMs: ms})
				},
			}),
		},
		Action: listBrakes,
	})
}

// sayBrake says a word on one pool's brake.
func sayBrake(c *cli.Context, req *berthv1.SetBrakeRequest) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if req.Pool, err = oneArgument(c, "POOL"); err != nil {
		return err
	}
	if err := readMessage(c); err != nil {
		return err
	}
	req.Message = c.String("message")
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	b, err := cl.SetBrake(c.Context, req)
	if err != nil {
		return fmt.Errorf("brake %s %s: %w", req.GetAction(), req.GetPool(), err)
	}
	if asJSON {
		return printJSON(c.App.Writer, b)
	}
	_, err = fmt.Fprintf(c.App.Writer, "brake of pool %s: %s\n", b.GetPool(), brakeText(b, time.Now()))
	return err
}

func listBrakes(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if c.NArg() > 0 {
		return usage("brake: %q is no word; want release or hold, and POOL", c.Args().First())
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	o, err := cl.Overview(c.Context)
	if err != nil {
		return err
	}
	if asJSON {
		out := jsonList{w: c.App.Writer}
		for _, b := range o.GetBrakes() {
			if err := out.add(b); err != nil {
				return err
			}
		}
		return out.end()
	}
	return printBrakes(c.App.Writer, o.GetBrakes(), time.Now())
}

func printBrakes(w io.Writer, all []*berthv1.Brake, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no brake: no pool has lost many workers at once")
		return err
	}
	t := table{paint: painter(w)}
	t.add("BRAKE OF", "STATE", "LOST", "HELD", "AGE", "NEXT")
	for _, b := range all {
		t.add(b.GetPool(), b.GetState(), fmt.Sprintf("%d/%d", b.GetLost(), b.GetSize()), fmt.Sprint(b.GetHeld()), age(b.GetSince(), now), brakeNext(b, now))
	}
	return t.write(w)
}

func brakeText(b *berthv1.Brake, now time.Time) string {
	return fmt.Sprintf("%s, %d of %s lost, %s that may run; %s", b.GetState(), b.GetLost(), plural(b.GetSize(), "worker"), plural(b.GetHeld(), "container"), brakeNext(b, now))
}

// brakeNext tells what happens by itself, and what an operator can do.
func brakeNext(b *berthv1.Brake, now time.Time) string {
	text := fmt.Sprintf("released (%s): what is left is moved at a pace", b.GetWhy())
	if b.GetState() == client.BrakeEngaged {
		text = fmt.Sprintf("held until %s; if they are dead: berth brake release %s; to hold longer: berth brake hold --for 1h %s",
			clock(b.GetUntil(), now), b.GetPool(), b.GetPool())
	}
	if b.GetMessage() != "" {
		text += " (" + oneLine(b.GetMessage()) + ")"
	}
	return text
}
