package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"go.uber.org/zap"

	"github.com/berthd/berth/invariant"
)

func fsckCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "fsck",
		Usage: "check all invariants on the live store, at one revision; with --watch, at every one",
		Description: "Reads etcd itself, not the daemon, with code that knows nothing of the daemon's. Exits with 3 when something is\n" +
			"violated; docs/keyspace.md says what each clause means.",
		Flags: flatten([]cli.Flag{
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "check every revision as it happens, until Ctrl-C", EnvVars: envOf("watch")},
			durationFlag("min-retention", 0, "ended requests younger than `DURATION` must not be purged (default: not judged)"),
			outputFlag(),
		}, etcdFlags(defaultEndpoint)),
		Action: fsck,
	})
}

// fsckSummary is the end of a check.
type fsckSummary struct {
	Revision   int64 `json:"revision"`
	Keys       int   `json:"keys"`
	Revisions  int   `json:"revisions_checked"`
	Unseen     int64 `json:"revisions_unseen"`
	Violations int   `json:"violations"`
}

func fsck(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	client, err := dial(c, zap.NewNop())
	if err != nil {
		return usage("%w", err)
	}
	defer func() { _ = client.Close() }() // read only
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	opts := invariant.Options{MinRetention: c.Duration("min-retention")}
	var sum fsckSummary
	take := func(r invariant.Report) error {
		sum.Revision, sum.Keys = r.Revision, r.Keys
		sum.Revisions++
		sum.Unseen += r.Unseen
		sum.Violations += len(r.Violations)
		if c.Bool("watch") && sum.Revisions == 1 && isTerminal(c.App.ErrWriter) {
			fmt.Fprintln(c.App.ErrWriter, fsckBegins(r))
		}
		return printViolations(c.App.Writer, r.Violations, asJSON)
	}
	// A store that does not answer is told after a while, not waited for.
	first, cancel := context.WithTimeout(ctx, fsckTimeout)
	defer cancel()
	if _, err := client.Get(first, c.String("prefix")); err != nil {
		return fmt.Errorf("etcd at %s does not answer: %w", strings.Join(client.Endpoints(), ","), err)
	}
	if c.Bool("watch") {
		err = invariant.WatchStore(ctx, client, c.String("prefix"), opts, take)
		if ctx.Err() != nil && c.Context.Err() == nil && errors.Is(err, context.Canceled) {
			err = nil // Ctrl-C
		}
	} else {
		var r invariant.Report
		if r, err = invariant.CheckStore(ctx, client, c.String("prefix"), opts); err == nil {
			err = take(r)
		}
	}
	if err != nil {
		return err
	}
	return sum.tell(c, asJSON)
}

// fsckBegins is what who watches a check is told first: of a store without violations nothing would follow.
func fsckBegins(r invariant.Report) string {
	return fmt.Sprintf("berth: %s in %s at revision %d; what later ones violate is shown as it happens, until Ctrl-C",
		plural(len(r.Violations), "violation"), plural(r.Keys, "key"), r.Revision)
}

const fsckTimeout = 10 * time.Second

func printViolations(w io.Writer, list []invariant.Violation, asJSON bool) error {
	to := w
	if asJSON {
		to = asIs(w)
	}
	for _, v := range list {
		text := []byte(v.String())
		if asJSON {
			var err error
			if text, err = json.Marshal(v); err != nil {
				return fmt.Errorf("write JSON: %w", err)
			}
		}
		if _, err := fmt.Fprintf(to, "%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

func (s *fsckSummary) tell(c *cli.Context, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(map[string]*fsckSummary{"summary": s})
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		if _, err := fmt.Fprintf(asIs(c.App.Writer), "%s\n", b); err != nil {
			return err
		}
	} else {
		revisions := fmt.Sprintf("at revision %d", s.Revision)
		if s.Revisions > 1 {
			revisions = fmt.Sprintf("over %d revisions to %d", s.Revisions, s.Revision)
		}
		if s.Unseen > 0 {
			revisions += fmt.Sprintf(" (%d were compacted unseen)", s.Unseen)
		}
		if _, err := fmt.Fprintf(c.App.Writer, "%s in %s %s\n", plural(s.Violations, "violation"), plural(s.Keys, "key"), revisions); err != nil {
			return err
		}
	}
	if s.Violations > 0 {
		return &exitError{code: exitViolations}
	}
	return nil
}
