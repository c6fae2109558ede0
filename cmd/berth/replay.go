package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/scheduler"
)

func replayCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "replay",
		Usage:     "decide again where a request was placed, on what the store held then",
		ArgsUsage: "ID",
		Description: "Every placement names what it was planned on; deciding again on it must give the same. Where others made room for a\n" +
			"request, who does is chosen again, too, on the worker where they did; where that cannot be, as for a group, the placement\n" +
			"alone is judged, and a line says who was not chosen again (in -o json, victims with the outcome cannot). Of a group, each\n" +
			"member is told of; one that was not placed is no failure where others were. Exit 0 when all that is decided again is the same, 3 when it differs, 1 when the placement cannot be\n" +
			"decided again: the store's history does not reach back so far, or other rules placed it.",
		Flags: clientFlags(
			intFlag("attempt", 0, "`N`th attempt (default: the last one that was placed)"),
			outputFlag(),
		),
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			id, err := oneArgument(c, "ID")
			if err != nil {
				return err
			}
			cl, err := newClient(c)
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := cl.Replay(c.Context, id, int64(c.Int("attempt")))
			if err != nil {
				members := membersOf(c.Context, cl, id, err)
				if len(members) == 0 {
					return notThere(c.Context, cl, id, err)
				}
				return replayGroup(c, cl, members, asJSON)
			}
			if asJSON {
				err = printJSON(c.App.Writer, r)
			} else {
				err = tellReplay(c, cl, r)
			}
			if err != nil {
				return err
			}
			return replayed(r)
		},
	})
}

// replayed is the exit code of what came of deciding again.
func replayed(all ...*berthv1.ReplayResponse) error {
	code := exitGood
	for _, r := range all {
		switch daemon.ReplayOutcome(r.GetOutcome()) {
		case daemon.ReplayDiffers:
			return &exitError{code: exitDiffers}
		case daemon.ReplayCannot:
			code = exitFailed
		}
	}
	if code == exitGood {
		return nil
	}
	return &exitError{code: code}
}

// tellReplay prints what came of deciding again; its group says among whom was chosen.
func tellReplay(c *cli.Context, cl *client.Client, r *berthv1.ReplayResponse) error {
	s, err := cl.Get(c.Context, r.GetId())
	if err != nil {
		return err
	}
	return printReplay(c.App.Writer, r, s.GetSpec().GetGroup())
}

func printReplay(w io.Writer, r *berthv1.ReplayResponse, group *berthv1.Membership) error {
	what := r.GetId()
	if n := r.GetAttempt(); n > 0 {
		what = fmt.Sprintf("attempt %d of %s", n, what)
	}
	if r.GetRevision() > 0 {
		what += fmt.Sprintf(", placed on %s at revision %d", choiceText(r.GetPlaced()), r.GetRevision())
	}
	switch daemon.ReplayOutcome(r.GetOutcome()) {
	case daemon.ReplayCannot:
		if r.GetRevision() == 0 { // of nothing that was placed there is more to say
			_, err := fmt.Fprintf(w, "%s cannot be replayed: %s\n", r.GetId(), r.GetWhy())
			return err
		}
		_, err := fmt.Fprintf(w, "cannot be replayed: %s\n%s\n", r.GetWhy(), what)
		return err
	case daemon.ReplayDiffers:
		how := "decided again, it goes to"
		if r.GetAgain().GetWorker() == r.GetPlaced().GetWorker() && r.GetVictims().GetOutcome() == string(daemon.ReplayDiffers) {
			how = "others make room for it when that is decided again; it goes to"
		}
		_, err := fmt.Fprintf(w, "differs: %s %s\n%s\n%s\n", how, choiceText(r.GetAgain()), what, plannedText(r))
		if err != nil {
			return err
		}
	default:
		if _, err := fmt.Fprintf(w, "same: decided again, it goes to %s\n%s\n%s\n", choiceText(r.GetAgain()), what, plannedText(r)); err != nil {
			return err
		}
	}
	if err := printVictims(w, r.GetVictims()); err != nil {
		return err
	}
	return printStandings(w, r.GetStandings(), noOther(group))
}

// printVictims tells whether the same make room for a request when they are chosen again.
func printVictims(w io.Writer, v *berthv1.ReplayedVictims) (err error) {
	were := fmt.Sprintf("%s made room for it at revision %d", strings.Join(v.GetWere(), ", "), v.GetRevision())
	if len(v.GetWere()) == 0 {
		were = "others made room for it"
	}
	switch daemon.ReplayOutcome(v.GetOutcome()) {
	case daemon.ReplaySame:
		_, err = fmt.Fprintf(w, "%s: chosen again, the same do\n", were)
	case daemon.ReplayDiffers:
		_, err = fmt.Fprintf(w, "%s: chosen again, %s: %s\n", were, orNobody(v.GetAgain()), v.GetWhy())
	case daemon.ReplayCannot:
		_, err = fmt.Fprintf(w, "%s: that is not chosen again: %s\n", were, v.GetWhy())
	}
	return err
}

func orNobody(ids []string) string {
	if len(ids) == 0 {
		return "nobody does"
	}
	return strings.Join(ids, ", ") + " would"
}

func plannedText(r *berthv1.ReplayResponse) string {
	return fmt.Sprintf("planned by daemon %s at %s, on revision %d, by policy %s", r.GetDaemon(), r.GetClock().AsTime().Local().Format(time.DateTime), r.GetPlannedRevision(), r.GetPolicy())
}

// choiceText is a worker, with the ports and devices that are taken there.
func choiceText(c *berthv1.Choice) string {
	if c.GetWorker() == "" {
		return "no worker (" + reasonsOf(c.GetVerdict()) + ")"
	}
	text := c.GetWorker()
	for _, p := range c.GetShare().GetPorts() {
		text += " port " + strconv.FormatInt(int64(p), 10)
	}
	for _, d := range c.GetShare().GetDevices() {
		text += " " + d.GetName()
		if d.GetMilli() != 1000 {
			text += fmt.Sprintf(":%d", d.GetMilli())
		}
	}
	return text
}

// printStandings tells why a worker was chosen: what it and the runner-up were judged
// by, and what decided; alone is said of one that was not compared.
func printStandings(w io.Writer, all []*berthv1.Standing, alone string) error {
	if len(all) == 0 {
		return nil
	}
	t := table{}
	head := []string{"WORKER", "WAS"}
	for _, term := range all[0].GetTerms() {
		head = append(head, termName(term))
	}
	t.add(head...)
	for i, s := range all {
		row := []string{s.GetWorker(), []string{"chosen", "runner-up"}[min(i, 1)]}
		for _, term := range s.GetTerms() {
			row = append(row, termText(term))
		}
		t.add(row...)
	}
	if err := t.write(w); err != nil {
		return err
	}
	decided := alone
	if len(all) > 1 {
		decided = decidedBy(all)
	}
	_, err := fmt.Fprintln(w, decided)
	return err
}

// termNames are what a worker is judged by, as the heads of columns.
var termNames = map[string]string{
	"avoided": "AVOIDED", "device_type": "DEVICE TYPE", "devices": "HAS DEVICES", "other_daemons": "YIELDS", "above_bound": "ABOVE AVERAGE", "load": "LOAD",
}

func termName(t *berthv1.Term) string {
	if name := termNames[t.GetName()]; name != "" {
		return name
	}
	return strings.ToUpper(inWords(t.GetName()))
}

// termText is a term's value as people read it: a part of a thousandth of a device says nothing to them.
func termText(t *berthv1.Term) string {
	if !strings.Contains(t.GetValue(), ".") {
		return t.GetValue()
	}
	if x, err := strconv.ParseFloat(t.GetValue(), 64); err == nil {
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	}
	return t.GetValue()
}

// noOther says of a placement that no other worker was compared with: a group is kept together, so its members had
// others there alone.
func noOther(group *berthv1.Membership) string {
	switch {
	case group.GetLinked():
		return "no other worker of its group's link domain could take it"
	case group.GetTopology() != "":
		return "no other worker of its group's " + group.GetTopology() + " could take it"
	}
	return "no other worker could take it"
}

// decidedBy is what the choice was better in than the other one.
func decidedBy(all []*berthv1.Standing) string {
	first, second := all[0].GetTerms(), all[1].GetTerms()
	for i := range min(len(first), len(second)) {
		a, b := first[i], second[i]
		if a.GetName() == b.GetName() && a.GetValue() != b.GetValue() && (a.GetDecides() || b.GetDecides()) {
			if b.GetValue() == scheduler.TooFull {
				return "decided by load: the other one is fuller than the bound"
			}
			first, second := termText(a), termText(b)
			if first == second { // but for what is not shown
				first, second = a.GetValue(), b.GetValue()
			}
			return fmt.Sprintf("decided by %s: %s against %s", inWords(a.GetName()), first, second)
		}
	}
	return "the two were equally good; it comes first in the pool's order for this request"
}
