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

func filterFlags() []cli.Flag {
	return append([]cli.Flag{&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "ended ones too", EnvVars: envOf("all")}}, selectFlags()...)
}

// selectFlags say of which requests; together they select what all of them do.
func selectFlags() []cli.Flag {
	return []cli.Flag{
		listFlag("state", "only in these `STATES`, as they are shown: blocked, running ...; pending holds blocked"),
		listFlag("label", "only with `KEY=VALUE`"),
		stringFlag("worker", "", "only on this `WORKER`"),
		stringFlag("pool", "", "only of this `POOL`"),
		stringFlag("group", "", "only members of this `GROUP`"),
		stringFlag("tenant", "", "only of this `TENANT`"),
	}
}

func filterOf(c *cli.Context) (*berthv1.Filter, error) {
	if err := noFlags(c); err != nil {
		return nil, err
	}
	labels, err := parsePairs("label", c.StringSlice("label"))
	if err != nil {
		return nil, usage("%w", err)
	}
	f := &berthv1.Filter{
		Ids: c.Args().Slice(), Labels: labels, Worker: c.String("worker"), Pool: c.String("pool"), Group: c.String("group"), Tenant: c.String("tenant"), Ended: c.Bool("all"),
	}
	for _, s := range splitCommas(c.StringSlice("state")) {
		f.States = append(f.States, strings.ToUpper(s))
	}
	return f, nil
}

// tellNothing says of a list without a request why it may be so.
func tellNothing(c *cli.Context, cl *client.Client, f *berthv1.Filter) {
	text := "no such request"
	if len(f.GetIds())+len(f.GetStates())+len(f.GetLabels()) == 0 && f.GetWorker()+f.GetPool()+f.GetGroup()+f.GetTenant() == "" {
		text = "no request"
	}
	if !f.GetEnded() {
		text += " that has not ended; --all shows ended ones, too"
	}
	if f.GetPool() != "" {
		if all, err := cl.Pools(c.Context); err == nil && unknownPool(all, f.GetPool()) != "" {
			text += "; " + unknownPool(all, f.GetPool())
		}
	}
	tellNone(c, text)
}

// selected checks that what a filter names is there: a name that is misspelt selects
// nothing, and must not look like nothing to show.
func selected(ctx context.Context, cl *client.Client, f *berthv1.Filter, seen map[string]bool) error {
	var missing []error
	for _, id := range f.GetIds() {
		if seen[id] {
			continue
		}
		if _, err := cl.Get(ctx, id); err != nil {
			missing = append(missing, notThere(ctx, cl, id, err))
		}
	}
	if f.GetWorker() != "" && len(seen) == 0 && len(missing) == 0 {
		all, err := cl.Workers(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(w *berthv1.Worker) bool { return w.GetId() == f.GetWorker() }) {
			missing = append(missing, fmt.Errorf("worker %s: not found; berth workers lists them", f.GetWorker()))
		}
	}
	return errors.Join(missing...)
}

// filterError names the flag of what the daemon refused of a filter.
func filterError(err error) error {
	if fe, ok := errors.AsType[*berth.FieldError](err); ok {
		names := map[string]string{"filter.states": "--state", "filter.ids": "ID"}
		if name := names[fe.Field]; name != "" {
			named := *fe
			named.Field = name
			return &named
		}
	}
	return err
}

func listCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "list",
		Aliases:   []string{"ls"},
		Usage:     "requests that have not ended; with --all, ended ones too",
		ArgsUsage: "[ID...]",
		Flags: clientFlags(append(filterFlags(), outputFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "ids only, a line each"}, // of no variable: who wants submit to be quiet wants tables all the same
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "then each change, as berth watch", EnvVars: envOf("watch")})...),
		Action: func(c *cli.Context) error {
			switch {
			case c.Bool("quiet") && (given(c, "watch") || given(c, "w") || c.String("output") == "json" && (given(c, "output") || given(c, "o"))):
				return usage("list: --quiet excludes --watch and -o json")
			case c.Bool("quiet"):
				return listIDs(c)
			case c.Bool("watch"):
				return watch(c)
			}
			return list(c)
		},
	})
}

// listIDs writes ids and nothing else, for other commands.
func listIDs(c *cli.Context) error {
	if _, err := wantsJSON(c); err != nil {
		return err
	}
	f, err := filterOf(c)
	if err != nil {
		return err
	}
	return withClient(c, func(ctx context.Context, cl *client.Client) error {
		seen := map[string]bool{}
		err := cl.List(ctx, f, func(s *berthv1.Status) error {
			seen[s.GetId()] = true
			_, err := fmt.Fprintln(c.App.Writer, s.GetId())
			return err
		})
		if err != nil {
			return filterError(err)
		}
		return selected(ctx, cl, f, seen)
	})
}

func list(c *cli.Context) error {
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
	seen := map[string]bool{}
	if asJSON {
		out := jsonList{w: c.App.Writer}
		if err := cl.List(c.Context, f, func(s *berthv1.Status) error { seen[s.GetId()] = true; return out.add(s) }); err != nil {
			return filterError(err)
		}
		return errors.Join(out.end(), selected(c.Context, cl, f, seen))
	}
	t := table{paint: painter(c.App.Writer), words: "NOTE"}
	t.add(listHead...)
	now := time.Now()
	err = cl.List(c.Context, f, func(s *berthv1.Status) error {
		seen[s.GetId()] = true
		t.add(listRow(s, now)...)
		return nil
	})
	if err != nil {
		return filterError(err)
	}
	if err := errors.Join(t.write(c.App.Writer), selected(c.Context, cl, f, seen)); err != nil || len(seen) > 0 {
		return err
	}
	tellNothing(c, cl, f)
	return nil
}

var listHead = []string{"ID", "STATE", "WORKER", "ATTEMPT", "CPU", "MEMORY", "AGE", "NOTE"}

func listRow(s *berthv1.Status, now time.Time) []string {
	d := s.GetSpec().GetResources()
	return []string{
		s.GetId(), stateOf(s), orDash(s.GetWorker()), strconv.FormatInt(s.GetAttempt(), 10),
		cores(d.GetCpuMilli()), bytesOf(d.GetMemoryBytes()), age(s.GetSubmittedAt(), now), oneLine(describe(s)),
	}
}
