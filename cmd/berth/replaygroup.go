package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
)

// replayGroup decides again where each member of a group was placed.
func replayGroup(c *cli.Context, cl *client.Client, members []string, asJSON bool) error {
	var all []*berthv1.ReplayResponse
	out := jsonList{w: c.App.Writer}
	for _, id := range members {
		r, err := cl.Replay(c.Context, id, int64(c.Int("attempt")))
		if err != nil {
			return err
		}
		all = append(all, r)
		if !asJSON {
			continue
		}
		if err := out.add(r); err != nil {
			return err
		}
	}
	err := out.end
	if !asJSON {
		err = func() error { return printReplays(c.App.Writer, all) }
	}
	if err := err(); err != nil {
		return err
	}
	return replayed(decided(all)...)
}

// decided leaves out those members that were not placed, where others were: nothing of them is to be decided again.
func decided(all []*berthv1.ReplayResponse) []*berthv1.ReplayResponse {
	placed := slices.DeleteFunc(slices.Clone(all), unplaced)
	if len(placed) == 0 {
		return all
	}
	return placed
}

// unplaced says whether there is no placement that could be decided again.
func unplaced(r *berthv1.ReplayResponse) bool { return r.GetWhy() == daemon.WhyUnplaced }

// printReplays tells of the members of a group, and of who made room for it: for all of them at once.
func printReplays(w io.Writer, all []*berthv1.ReplayResponse) error {
	t := table{words: "WHY NOT"}
	t.add("REQUEST", "ATTEMPT", "OUTCOME", "PLACED ON", "AGAIN ON", "WHY NOT")
	var victims *berthv1.ReplayedVictims
	others := len(decided(all)) < len(all)
	for _, r := range all {
		attempt, outcome, placed, again := "-", r.GetOutcome(), "-", "-"
		if others && unplaced(r) {
			outcome = "-"
		}
		if r.GetRevision() > 0 {
			attempt, placed = fmt.Sprint(r.GetAttempt()), choiceText(r.GetPlaced())
		}
		if r.GetOutcome() != string(daemon.ReplayCannot) {
			again = choiceText(r.GetAgain())
		}
		t.add(r.GetId(), attempt, outcome, placed, again, orDash(r.GetWhy()))
		if victims == nil {
			victims = r.GetVictims()
		}
	}
	if err := t.write(w); err != nil {
		return err
	}
	return printVictims(w, victims)
}
