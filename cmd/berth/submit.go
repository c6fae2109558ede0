package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func submitCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "submit",
		Usage:     "submit a request from flags, or requests from a file",
		ArgsUsage: "[-- COMMAND [ARGUMENTS]]",
		Description: "With -f, documents of YAML or JSON are read, each a request or a list of them, with the fields of the API\n" +
			"(docs/keyspace.md). All are checked before the first is sent. Submitting the same again is harmless.",
		Flags: clientFlags(flatten([]cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` of requests; - is standard input", EnvVars: envOf("file")},
			boolFlag("wait", "wait until all have ended; exit 1 unless all succeeded"),
			outputFlag(),
		}, requestFlags())...),
		Action: submit,
	})
}

func submit(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	requests, err := requestsOf(c)
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
	results, err := submitAll(ctx, cl, requests)
	if printErr := printResults(c, results, asJSON); printErr != nil {
		err = errors.Join(err, printErr)
	}
	refused := 0
	for _, r := range results {
		if r.GetRefusal() != nil {
			refused++
			fmt.Fprintf(c.App.ErrWriter, "berth: request %s refused: %s\n", r.GetId(), r.GetRefusal().GetMessage())
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%d of %d requests were submitted; submit again, what is there stays as it is: %w", len(results)-refused, len(requests), err)
	case refused > 0:
		return &exitError{code: exitFailed}
	case c.Bool("wait"):
		return waitForAll(ctx, c, cl, requests)
	}
	return nil
}

func requestsOf(c *cli.Context) ([]*berthv1.Request, error) {
	files := c.StringSlice("file")
	if len(files) == 0 {
		r, err := requestOf(c)
		return []*berthv1.Request{r}, err
	}
	if c.NArg() > 0 {
		return nil, usage("submit: a command and -f exclude each other")
	}
	for _, f := range requestFlags() {
		if name := f.Names()[0]; c.IsSet(name) && !fromEnvironment(name) {
			return nil, usage("submit: --%s and -f exclude each other", name)
		}
	}
	var all []*berthv1.Request
	for _, name := range files {
		some, err := readManifest(name, c.App.Reader)
		if err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
		all = append(all, some...)
	}
	return all, nil
}

func fromEnvironment(flag string) bool {
	_, ok := os.LookupEnv(envOf(flag)[0])
	return ok
}

// submitAll sends calls of a bounded size, one after the other.
func submitAll(ctx context.Context, cl *client.Client, requests []*berthv1.Request) ([]*berthv1.SubmitResult, error) {
	var all []*berthv1.SubmitResult
	for batch := range slices.Chunk(requests, berth.MaxRequestsPerCall) {
		results, err := cl.Submit(ctx, batch)
		if err != nil {
			return all, err
		}
		all = append(all, results...)
	}
	return all, nil
}

func printResults(c *cli.Context, results []*berthv1.SubmitResult, asJSON bool) error {
	if asJSON {
		list := jsonList{w: c.App.Writer}
		for _, r := range results {
			if err := list.add(r); err != nil {
				return err
			}
		}
		return list.end()
	}
	t := table{paint: painter(c.App.Writer)}
	t.add("ID", "STATE", "WORKER", "NOTE")
	for _, r := range results {
		t.add(resultRow(r)...)
	}
	return t.write(c.App.Writer)
}

func resultRow(r *berthv1.SubmitResult) []string {
	if r.GetRefusal() != nil {
		return []string{r.GetId(), "REFUSED", "-", clip(r.GetRefusal().GetMessage(), 80)}
	}
	s := r.GetStatus()
	note := clip(describe(s), 80)
	if r.GetExisting() {
		note = clip("submitted before "+note, 80)
	}
	return []string{r.GetId(), stateOf(s), orDash(s.GetWorker()), note}
}

// waitForAll follows requests to their ends; where a drain replaces one, to that
// of its successor.
func waitForAll(ctx context.Context, c *cli.Context, cl *client.Client, requests []*berthv1.Request) error {
	w := waiter{c: c, cl: cl}
	for _, r := range requests {
		w.ids = append(w.ids, r.GetId())
	}
	for len(w.ids) > 0 {
		batch := w.ids[:min(len(w.ids), maxWatched)]
		w.ids = w.ids[len(batch):]
		if err := w.wait(ctx, batch); err != nil {
			return fmt.Errorf("wait for %d requests: %w", len(w.ids)+len(batch), err)
		}
	}
	if w.failed > 0 {
		return fmt.Errorf("%d of %d requests did not succeed", w.failed, len(requests))
	}
	return nil
}

// waiter counts the ends of requests.
type waiter struct {
	c      *cli.Context
	cl     *client.Client
	ids    []string // to wait for
	failed int
}

func (w *waiter) wait(ctx context.Context, batch []string) error {
	open := map[string]bool{}
	for _, id := range batch {
		open[id] = true
	}
	err := w.cl.Watch(ctx, &berthv1.Filter{Ended: true, Ids: batch}, func(s *berthv1.Status) error {
		if !berth.State(s.GetState()).Final() || !open[s.GetId()] {
			return nil
		}
		delete(open, s.GetId())
		switch {
		case s.GetReason() == string(berth.EndReplaced):
			fmt.Fprintf(w.c.App.ErrWriter, "berth: request %s goes on as %s\n", s.GetId(), s.GetReplacedBy())
			w.ids = append(w.ids, s.GetReplacedBy())
		case s.GetState() != string(berth.StateSucceeded):
			w.failed++
			fmt.Fprintf(w.c.App.ErrWriter, "berth: request %s %s: %s\n", s.GetId(), s.GetState(), describe(s))
		}
		if len(open) == 0 {
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

const maxWatched = 10_000

// errDone ends a watch that has seen enough.
var errDone = errors.New("done")

// stateOf shows a request that waits for lack of a worker as BLOCKED.
func stateOf(s *berthv1.Status) string {
	if s.GetBlocked() {
		return "BLOCKED"
	}
	return s.GetState()
}
