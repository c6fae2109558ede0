package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

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
			"(docs/requests.md); also JSON Lines. All are checked before the first is sent. Submitting the same again is harmless, and\n" +
			"starts nothing; of what has ended already, a line tells so, and with --wait its end counts.",
		Flags: clientFlags(flatten([]cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` of requests; - is standard input", EnvVars: envOf("file")},
			boolFlag("wait", "wait until all have ended; exit 1 unless all succeeded"),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no warnings of what would wait for ever, could not be tried again, or has ended before", EnvVars: envOf("quiet")},
			outputFlag(),
		}, requestFlags(), groupFlags())...),
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
	if !c.Bool("quiet") {
		if text := endedBefore(results); text != "" {
			fmt.Fprintf(c.App.ErrWriter, "berth: %s\n", text)
		}
		for _, text := range submitWarnings(ctx, cl, results) {
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: %s\n", text)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%d of %s submitted; submit again, what is there stays as it is: %w", len(results)-refused, plural(len(requests), "request"), err)
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
		if err := fileAsCommand(c); err != nil {
			return nil, err
		}
		r, err := requestOf(c)
		if err == nil {
			err = readGroup(c, r)
		}
		return []*berthv1.Request{r}, err
	}
	if c.NArg() > 0 {
		return nil, usage("submit: a command and -f exclude each other")
	}
	for _, f := range flatten(requestFlags(), groupFlags()) {
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

// fileAsCommand refuses a file of requests in the place of a command, before it becomes one
// that no worker can start.
func fileAsCommand(c *cli.Context) error {
	name := c.Args().First()
	if c.NArg() != 1 || !slices.Contains([]string{".yaml", ".yml", ".json", ".jsonl", ".ndjson"}, strings.ToLower(filepath.Ext(name))) {
		return nil
	}
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 != 0 {
		return nil
	}
	return usage("submit: %s is a file that is not executable, and no command; to submit the requests in it: berth submit -f %s", name, name)
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
	return tellResults(c.App.Writer, results)
}

func tellResults(w io.Writer, results []*berthv1.SubmitResult) error {
	t := table{paint: painter(w), words: "NOTE"}
	t.add("ID", "STATE", "WORKER", "NOTE")
	for _, r := range results {
		t.add(resultRow(r)...)
	}
	return t.write(w)
}

func resultRow(r *berthv1.SubmitResult) []string {
	if r.GetRefusal() != nil {
		return []string{r.GetId(), "REFUSED", "-", oneLine(r.GetRefusal().GetMessage())}
	}
	s := r.GetStatus()
	if g := s.GetSpec().GetGroup(); g.GetId() == r.GetId() && g != nil {
		note := fmt.Sprintf("group of %d; berth get %s", g.GetSize(), g.GetId())
		if r.GetExisting() {
			note = "submitted before; " + note
		}
		return []string{r.GetId(), stateOf(s), "-", note}
	}
	note := describe(s)
	if r.GetExisting() {
		note = "submitted before" + after("; ", note)
	}
	return []string{r.GetId(), stateOf(s), orDash(s.GetWorker()), oneLine(note)}
}

// waitForAll follows requests to their ends; where a drain replaces one, to that
// of its successor.
func waitForAll(ctx context.Context, c *cli.Context, cl *client.Client, requests []*berthv1.Request) error {
	w := waiter{c: c, cl: cl}
	for _, r := range requests {
		w.ids = append(w.ids, idsOf(r)...)
	}
	for len(w.ids) > 0 {
		batch := w.ids[:min(len(w.ids), maxWatched)]
		w.ids = w.ids[len(batch):]
		if err := w.wait(ctx, batch); err != nil {
			return w.broken(ctx, len(batch), err)
		}
	}
	switch {
	case w.failed > 0 && len(requests) == 1:
		return errors.New("the request did not succeed")
	case w.failed > 0:
		return fmt.Errorf("%d of %s did not succeed", w.failed, plural(len(requests), "request"))
	}
	return nil
}

// broken is the error of a wait that did not come to its end.
func (w *waiter) broken(ctx context.Context, batch int, err error) error {
	left := len(w.ids) + max(len(w.open), min(batch, 1))
	if byCtrlC(ctx, w.c) {
		return &exitError{exitInterrupted, fmt.Errorf("not waited for %s: what was submitted goes on; %s shows it, %s ends it", plural(left, "request"), hint(w.c, "list"), hint(w.c, "cancel", "ID"))}
	}
	return fmt.Errorf("wait for %s: %w", plural(left, "request"), err)
}

// waiter counts the ends of requests.
type waiter struct {
	c      *cli.Context
	cl     *client.Client
	ids    []string // to wait for
	failed int

	mu   sync.Mutex          // guards open
	open map[string]struct{} // of the batch that is watched
}

func (w *waiter) wait(ctx context.Context, batch []string) error {
	w.open = make(map[string]struct{}, len(batch))
	for _, id := range batch {
		w.open[id] = struct{}{}
	}
	talk, hush := context.WithCancel(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		w.sayWhy(talk)
	}()
	defer func() {
		hush()
		<-said
	}()
	err := w.cl.Watch(ctx, &berthv1.Filter{Ended: true, Ids: batch}, func(s *berthv1.Status) error {
		left, ended := w.ended(s)
		if !ended {
			return nil
		}
		switch {
		case s.GetReason() == string(berth.EndReplaced):
			fmt.Fprintf(w.c.App.ErrWriter, "berth: request %s goes on as %s\n", s.GetId(), s.GetReplacedBy())
			w.ids = append(w.ids, s.GetReplacedBy())
		case s.GetState() != string(berth.StateSucceeded):
			w.failed++
			fmt.Fprintf(w.c.App.ErrWriter, "berth: request %s %s: %s\n", s.GetId(), s.GetState(), describe(s))
		}
		if left == 0 {
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// ended takes a request that has ended out of those that are open.
func (w *waiter) ended(s *berthv1.Status) (left int, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ended = w.open[s.GetId()]; !ended || !berth.State(s.GetState()).Final() {
		return len(w.open), false
	}
	delete(w.open, s.GetId())
	return len(w.open), true
}

func (w *waiter) isOpen(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.open[id]
	return ok
}

// sayMost bounds the requests of whose waiting is told: of more, berth list tells.
const (
	sayMost      = 1000
	sayPauseMost = 10 * time.Second
)

// sayWhy tells why requests wait or are waited for, where they do for long, and when
// that changes; equal reasons in one line.
func (w *waiter) sayWhy(ctx context.Context) {
	told := map[string]string{}
	for pause := sayWaiting; ; pause = min(2*pause, sayPauseMost) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		whys, err := w.whys(ctx)
		if err != nil {
			continue // the watch tells, if it lasts
		}
		for _, line := range newReasons(told, whys) {
			fmt.Fprintf(w.c.App.ErrWriter, "berth: %s\n", line)
		}
	}
}

// whys is why each open request waits.
func (w *waiter) whys(ctx context.Context) (map[string]string, error) {
	w.mu.Lock()
	ids := sortedKeys(w.open)
	w.mu.Unlock()
	out := map[string]string{}
	if len(ids) == 0 {
		return out, nil
	}
	f := &berthv1.Filter{Ids: ids[:min(len(ids), sayMost)]}
	return out, w.cl.List(ctx, f, func(s *berthv1.Status) error {
		if why := describe(s); (s.GetBlocked() || s.GetLost() != nil) && w.isOpen(s.GetId()) {
			out[s.GetId()] = why
		}
		return nil
	})
}

// newReasons are the lines for what told does not have yet, and notes them there.
func newReasons(told, now map[string]string) []string {
	same := map[string][]string{}
	for _, id := range sortedKeys(now) {
		if why := now[id]; told[id] != why {
			told[id] = why
			same[why] = append(same[why], id)
		}
	}
	var lines []string
	for _, why := range sortedKeys(same) {
		who := same[why][0]
		if more := len(same[why]) - 1; more > 0 {
			who += " and " + strconv.Itoa(more) + " more"
		}
		lines = append(lines, who+": "+why)
	}
	return lines
}

const maxWatched = 10_000

// errDone ends a watch that has seen enough.
var errDone = errors.New("done")
