package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func watchCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "watch",
		Usage:     "requests as they are, then each change, until Ctrl-C",
		ArgsUsage: "[ID...]",
		Flags:     clientFlags(append(filterFlags(), boolFlag("wait", "also for what is not there yet"), outputFlag())...),
		Action:    watch,
	})
}

// watch prints a line for each change; with -o json, one message a line.
func watch(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	f, err := filterOf(c)
	if err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	if !c.Bool("wait") {
		if err := selected(ctx, cl, f, nil); err != nil {
			return err
		}
	}
	lines := watchLines{paint: painter(c.App.Writer)}
	err = cl.Watch(ctx, f, func(s *berthv1.Status) error {
		if asJSON {
			return printLine(c.App.Writer, s)
		}
		_, err := fmt.Fprintln(asIs(c.App.Writer), lines.line(s, time.Now(), columnsOf(c.App.Writer)))
		return err
	})
	if ctx.Err() != nil && c.Context.Err() == nil || errors.Is(err, context.Canceled) {
		return nil // Ctrl-C
	}
	return filterError(err)
}

// narrowWatch is how many columns have no room for the parts of a second.
const narrowWatch = 80

// watchLines are lines that come one by one: a column is as wide as the longest cell so far, for nobody knows of
// a longer one yet.
type watchLines struct {
	paint      func(int, string) string // may be nil
	id, worker int                      // widths
}

// line is for a terminal of so many columns, or 0 for none: it may be made wider meanwhile.
func (l *watchLines) line(s *berthv1.Status, now time.Time, columns int) string {
	id, state, worker := shown(s.GetId(), false), stateOf(s), shown(orDash(s.GetWorker()), false)
	l.id, l.worker = max(l.id, len(id)), max(l.worker, len(worker))
	clock := now.Format("15:04:05.000")
	if columns > 0 && columns < narrowWatch {
		clock = now.Format(time.TimeOnly)
	}
	lead := fmt.Sprintf("%s  %-*s  ", clock, l.id, id)
	behind := fmt.Sprintf("%-*s  %-*s  ", max(0, len("CANCELLED")-len(state)), "", l.worker, worker)
	note := shown(oneLine(describe(s)), false)
	if columns > 0 {
		note = clip(note, wordsIn(columns, len(lead)+len(state)+len(behind)))
	}
	if l.paint != nil {
		state = l.paint(1, state)
	}
	return strings.TrimRight(lead+state+behind+note, " ")
}
