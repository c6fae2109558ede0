package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
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
		if _, err := fmt.Fprintf(w, "%s is %s%s%s\n", s.GetId(), stateOf(s), onWorker(s), after(": ", describe(s))); err != nil {
			return err
		}
		if s.GetLost() != nil && e.GetBrake().GetState() != client.BrakeEngaged {
			_, err := fmt.Fprintf(w, "it may still run on %s, and is placed elsewhere once it cannot: after the worker's lease, a grace%s\n", s.GetWorker(), keepText(s))
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
		if first := v.GetReasons()[0]; first.GetCode() == string(berth.ReasonRestored) {
			text = "waits: " + reasonText(first)
		}
	}
	if s.GetNotBefore() != nil && len(v.GetReasons()) == 0 {
		text = "waits for its next attempt, not before " + s.GetNotBefore().AsTime().Local().Format("15:04:05.000")
	}
	if _, err := fmt.Fprintf(w, "%s %s (judged at revision %d)\n", s.GetId(), text, v.GetAt()); err != nil {
		return err
	}
	t := table{}
	t.add("WORKERS", "REJECTED BY", "WANTS", "MOST FREE", "LARGEST", "SUCH AS")
	for _, r := range v.GetReasons() {
		if r.GetCode() == string(berth.ReasonRestored) {
			continue // no filter
		}
		t.add(strconv.FormatInt(r.GetWorkers(), 10), reasonName(r), amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()), orDash(someText(r)))
	}
	if len(t.rows) == 1 {
		return nil
	}
	return t.write(w)
}

// after is what follows, where there is anything.
func after(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

func keepText(s *berthv1.Status) string {
	if ms := s.GetSpec().GetOnDisconnectKeepMs(); ms > 0 {
		return ", and its on_disconnect_keep_ms of " + (time.Duration(ms) * time.Millisecond).String()
	}
	return ""
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
