package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func explainCommand() *cli.Command {
	return verb(&cli.Command{
		Name:         "explain",
		Usage:        "why a request does not run: each filter that rejects, with numbers",
		ArgsUsage:    "ID",
		Flags:        clientFlags(outputFlag()),
		BashComplete: completeIDs,
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
			e, err := cl.Explain(c.Context, id)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.App.Writer, e)
			}
			return printExplanation(c.App.Writer, e)
		},
	})
}

func printExplanation(w io.Writer, e *berthv1.ExplainResponse) error {
	s, v := e.GetStatus(), e.GetVerdict()
	if s.GetState() != string(berth.StatePending) {
		if _, err := fmt.Fprintf(w, "%s is %s%s. %s\n", s.GetId(), s.GetState(), onWorker(s), describe(s)); err != nil {
			return err
		}
		if b := e.GetBrake(); b != nil {
			_, err := fmt.Fprintf(w, "its worker is lost with many others, and it may still run there: it is not moved while the brake is engaged\nbrake of pool %s: %s\n",
				b.GetPool(), brakeText(b, time.Now()))
			return err
		}
		return nil
	}
	text := "could be placed now"
	switch {
	case v.GetNeverFits():
		text = "could not be placed on any registered worker, were it empty"
	case len(v.GetReasons()) > 0:
		text = "waits: no worker can take it now"
		if v.GetReasons()[0].GetCode() == string(berth.ReasonRestored) {
			text = "waits: the store was restored from a backup, and nothing is placed before " + v.GetReasons()[0].GetDetail()
		}
	}
	if s.GetNotBefore() != nil && len(v.GetReasons()) == 0 {
		text = "waits for its next attempt, not before " + s.GetNotBefore().AsTime().Local().Format("15:04:05.000")
	}
	if _, err := fmt.Fprintf(w, "%s %s (judged at revision %d)\n", s.GetId(), text, v.GetAt()); err != nil {
		return err
	}
	if len(v.GetReasons()) == 0 {
		return nil
	}
	t := table{}
	t.add("WORKERS", "REJECTED BY", "WANTS", "MOST FREE", "LARGEST")
	for _, r := range v.GetReasons() {
		name := r.GetCode()
		if r.GetDetail() != "" {
			name += " " + r.GetDetail()
		}
		if berth.ReasonCode(r.GetCode()) == berth.ReasonNoWorker {
			name = "pool " + r.GetDetail() + " has none"
		}
		t.add(strconv.FormatInt(r.GetWorkers(), 10), name, amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()))
	}
	return t.write(w)
}

func onWorker(s *berthv1.Status) string {
	if s.GetWorker() == "" {
		return ""
	}
	return " on " + s.GetWorker()
}

// amount shows a number of a reason in its unit; reasons without a want have none.
func amount(r *berthv1.Reason, n int64) string {
	if r.GetWant() == 0 {
		return "-"
	}
	switch berth.ReasonCode(r.GetCode()) {
	case berth.ReasonCPU:
		return cores(n)
	case berth.ReasonMemory, berth.ReasonDisk:
		return bytesOf(n)
	}
	return strconv.FormatInt(n, 10)
}
