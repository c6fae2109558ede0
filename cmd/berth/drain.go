package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func drainCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "drain", Usage: "empty workers: cordon them, and stop what runs there, to run elsewhere", ArgsUsage: "[WORKER...]",
		Description: "Without --parallel, --rate and --deadline all that runs is stopped at once. With --deadline alone nothing is\n" +
			"stopped before it. What has not started yet moves at once in any case. berth uncordon ends it.",
		Flags: clientFlags(append(emptyFlags(), outputFlag())...),
		Action: func(c *cli.Context) error {
			return emptyWorkers(c, &berthv1.SetIntentRequest{Cordon: true, Drain: true})
		},
	})
}

func removeCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "remove", Usage: "empty workers for good: drain them, and forget them once their agents are gone", ArgsUsage: "[WORKER...]",
		Description: "Stop and disable the agent when its worker is empty: an agent that starts under the name later is a new worker.\n" +
			"--dead says, by your word, that nothing of the worker runs any more: what may run there is placed elsewhere at once.",
		Flags: clientFlags(append(emptyFlags(), boolFlag("dead", "the machine is known to be dead; nothing of it runs"), outputFlag())...),
		Action: func(c *cli.Context) error {
			if c.Bool("dead") {
				fmt.Fprintln(c.App.ErrWriter, "berth: --dead: should a container still run there, it will run twice")
			}
			return emptyWorkers(c, &berthv1.SetIntentRequest{Cordon: true, Drain: true, Remove: true, Dead: c.Bool("dead")})
		},
	})
}

func emptyFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("in-pool", "", "the workers of a `POOL`, instead of names"),
		listFlag("with-label", "`KEY=VALUE` that they have, instead of names"),
		intFlag("parallel", 0, "`N` containers of a worker stop at once, at most (default: any number)"),
		stringFlag("rate", "", "so many stops of a worker are begun, at most: `N/min` or N/s (default: any number)"),
		durationFlag("deadline", 0, "what still runs after `DURATION` is stopped in any case"),
		stringFlag("message", "", "`TEXT` that says why, for who reads it later"),
		boolFlag("no-wait", "return at once, not when it is done"),
	}
}

// emptyWorkers orders it of all workers, then waits for all.
func emptyWorkers(c *cli.Context, wish *berthv1.SetIntentRequest) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := readPace(c, wish); err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	names, err := chosenWorkers(ctx, c, cl)
	if err != nil {
		return err
	}
	e := emptying{c: c, cl: cl, asJSON: asJSON, remove: wish.GetRemove(), said: map[string]string{}}
	ordered := e.order(ctx, names, wish)
	if !c.Bool("no-wait") {
		e.wait(ctx, ordered)
	}
	return errors.Join(e.failed...)
}

func readPace(c *cli.Context, wish *berthv1.SetIntentRequest) error {
	if err := noFlags(c); err != nil {
		return err
	}
	d := c.Duration("deadline")
	if _, err := millisFlag(c, "deadline", 0, berth.MaxDurationMS); err != nil {
		return err
	}
	var err error
	wish.Message, wish.Parallel, wish.DeadlineMs = c.String("message"), int64(c.Int("parallel")), d.Milliseconds()
	if wish.PerMinute, err = parseRate(c.String("rate")); err != nil {
		return err
	}
	return berth.Intent{
		Cordon: true, Drain: true, Remove: wish.GetRemove(), Dead: wish.GetDead(), Message: wish.GetMessage(),
		Parallel: wish.GetParallel(), PerMinute: wish.GetPerMinute(),
	}.Validate(d)
}

// parseRate reads N/min or N/s, as so many a minute.
func parseRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, per, _ := strings.Cut(text, "/")
	n, err := strconv.ParseInt(number, 10, 64)
	minutes := map[string]int64{"m": 1, "min": 1, "s": 60}[per]
	if err != nil || minutes == 0 || n < 1 || n > berth.MaxDrainPerMinute/minutes {
		return 0, &berth.FieldError{Field: "rate", Value: text, Problem: "is no rate", Bound: fmt.Sprintf("N/min or N/s, up to %d/min", berth.MaxDrainPerMinute)}
	}
	return n * minutes, nil
}

// chosenWorkers are those named, or those of a pool and with labels.
func chosenWorkers(ctx context.Context, c *cli.Context, cl *client.Client) ([]string, error) {
	labels, err := parsePairs("with-label", c.StringSlice("with-label"))
	if err != nil {
		return nil, err
	}
	pool, names := c.String("in-pool"), c.Args().Slice()
	switch selects := pool != "" || len(labels) > 0; {
	case selects && len(names) > 0:
		return nil, usage("%s: WORKER and --in-pool or --with-label exclude each other", c.Command.Name)
	case !selects && len(names) == 0:
		return nil, usage("%s: no WORKER; berth workers lists them", c.Command.Name)
	case !selects:
		return names, nil
	}
	all, err := cl.Workers(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if (pool == "" || w.GetPool() == pool) && hasLabels(w, labels) {
			names = append(names, w.GetId())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no worker%s; berth workers --wide shows their pools and labels", c.Command.Name, selection(pool, labels))
	}
	return names, nil
}

// selection tells which workers were wanted.
func selection(pool string, labels map[string]string) string {
	text := ""
	if pool != "" {
		text = " in pool " + pool
	}
	if len(labels) > 0 {
		text += " with " + labelsText(labels)
	}
	return text
}

func hasLabels(w *berthv1.Worker, want map[string]string) bool {
	for k, v := range want {
		if have, ok := w.GetLabels()[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// emptying shows how far workers are.
type emptying struct {
	c      *cli.Context
	cl     *client.Client
	asJSON bool
	remove bool
	said   map[string]string
	failed []error
}

func (e *emptying) fail(name string, err error) {
	e.failed = append(e.failed, fmt.Errorf("%s %s: %w", e.c.Command.Name, name, err))
}

// order returns the workers that are left to wait for.
func (e *emptying) order(ctx context.Context, names []string, wish *berthv1.SetIntentRequest) []string {
	var ordered []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		wish.Worker = name
		w, err := e.cl.SetIntent(ctx, wish)
		switch {
		case err != nil:
			e.fail(name, noWorker(err))
		case e.c.Bool("no-wait"):
			e.print(w)
		default:
			ordered = append(ordered, name)
		}
	}
	return ordered
}

func (e *emptying) print(w *berthv1.Worker) {
	var err error
	if e.asJSON {
		err = printLine(e.c.App.Writer, w)
	} else {
		_, err = fmt.Fprintln(e.c.App.Writer, standing(w))
	}
	if err != nil {
		e.failed = append(e.failed, err)
	}
}

// standing is how a worker stands, with what is on it, where that is known.
func standing(w *berthv1.Worker) string {
	text := w.GetId() + " is " + w.GetState()
	switch {
	case w.GetEpoch() == 0: // gone
	case w.GetCount() == 0:
		text += ", empty"
	default:
		text += ", " + plural(w.GetCount(), "container")
	}
	return text
}

// lookAgain is how often a drain looks at its workers: people wait for it.
const lookAgain = 200 * time.Millisecond

// wait returns when all workers are empty, or gone where they are removed.
func (e *emptying) wait(ctx context.Context, names []string) {
	for {
		all, err := e.cl.Workers(ctx)
		if err != nil {
			e.stopWaiting(ctx, err)
			return
		}
		now := make(map[string]*berthv1.Worker, len(all))
		for _, w := range all {
			now[w.GetId()] = w
		}
		names = slices.DeleteFunc(names, func(name string) bool { return e.done(name, now[name]) })
		if len(names) == 0 {
			return
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			e.stopWaiting(ctx, ctx.Err())
			return
		}
	}
}

func (e *emptying) stopWaiting(ctx context.Context, err error) {
	if byCtrlC(ctx, e.c) {
		err = &exitError{exitInterrupted, fmt.Errorf("%s: not waited for; it goes on, and %s ends it", e.c.Command.Name, hint(e.c, "uncordon"))}
	} else {
		err = fmt.Errorf("%s: not waited for; it goes on: %w", e.c.Command.Name, err)
	}
	e.failed = append(e.failed, err)
}

// done says whether a worker needs no more waiting; nil: it is not listed any more.
func (e *emptying) done(name string, w *berthv1.Worker) bool {
	gone := "lost"
	if e.remove {
		gone = "removed"
	}
	switch {
	case w == nil:
		e.print(&berthv1.Worker{Id: name, State: gone})
		return true
	case !w.GetDrain():
		e.fail(name, errors.New("it was uncordoned meanwhile"))
		return true
	case w.GetCount() == 0 && !e.remove:
		e.print(w)
		return true
	}
	if text := progressOf(w, time.Now()); text != e.said[name] {
		e.said[name] = text
		fmt.Fprintf(e.c.App.ErrWriter, "berth: %s: %s\n", name, text)
	}
	return false
}

// progressOf tells how far the emptying of a worker is.
func progressOf(w *berthv1.Worker, now time.Time) string {
	if w.GetCount() == 0 && w.GetRemove() {
		return "empty; stop its agent" + onHost(w)
	}
	text := fmt.Sprintf("%d of %d left", w.GetCount(), max(w.GetBegunWith(), w.GetCount()))
	if n := w.GetStopping(); n > 0 {
		text += fmt.Sprintf(", %d stopping", n)
	}
	if n := w.GetReplacing(); n > 0 {
		text += ", " + replacingText(n, w.GetUnplaced())
	}
	if d := w.GetDeadline(); d != nil && d.AsTime().After(now) {
		text += ", all stopped at " + d.AsTime().Local().Format(time.TimeOnly)
	}
	return text
}

// replacingText says how many go on until others run in their place, and which of these have none.
func replacingText(n int64, unplaced []string) string {
	text := fmt.Sprintf("%d being replaced", n)
	if len(unplaced) > 0 {
		text += ": no place for " + strings.Join(unplaced, ", ")
	}
	return text
}

func onHost(w *berthv1.Worker) string {
	if w.GetHostname() == "" {
		return ""
	}
	return " on " + w.GetHostname()
}
