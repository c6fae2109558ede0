package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon"
)

func explainCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "explain",
		Usage:     "why a request does not run: the reason in words, each filter that rejects, and what would help",
		ArgsUsage: "ID",
		Flags: clientFlags(
			intFlag("at-revision", 0, "as the store was at revision `N`, as far as its history reaches back (default: now)"),
			stringFlag("at", "", "as it was at `TIME`: 15:04:05, when it last was that, 2006-01-02T15:04:05Z, or 10m for ten minutes ago"),
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
			req, err := explainRequest(c, id)
			if err != nil {
				return err
			}
			past := req.GetAtRevision() != 0 || req.GetAtTime() != nil
			e, err := cl.ExplainAt(c.Context, req)
			if err != nil && past {
				e, err = explainMember(c, cl, req, err)
			}
			switch {
			case err != nil && past:
				return notYet(c.Context, cl, req.GetId(), err)
			case err != nil:
				return notThere(c.Context, cl, id, orGroup(err, func() error { return explainGroup(c, cl, id, asJSON) }))
			}
			if asJSON {
				return printJSON(c.App.Writer, e)
			}
			if err := printExplanation(c.App.Writer, e, req.GetAtTime()); err != nil {
				return err
			}
			if text := givenOutText(c.Context, cl, e); text != "" {
				_, err = fmt.Fprintln(c.App.Writer, text)
			}
			return err
		},
	})
}

// explainMember tells of a group in the past, where it waits or is placed whole, by its first
// member: of groups the store's history is not asked.
func explainMember(c *cli.Context, cl *client.Client, req *berthv1.ExplainRequest, notThere error) (*berthv1.ExplainResponse, error) {
	group := req.GetId()
	member, err := memberOf(c.Context, cl, group, notThere)
	if err != nil {
		return nil, err
	}
	req.Id = member
	e, err := cl.ExplainAt(c.Context, req)
	if err == nil {
		fmt.Fprintf(c.App.ErrWriter, "berth: %s is a group: what follows is of its member %s; %s shows all\n", group, member, hint(c, "list", "--all", "--group", group))
	}
	return e, err
}

// notYet says of what is there now, and was not at a moment of the past, that it came later.
func notYet(ctx context.Context, cl *client.Client, id string, err error) error {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound {
		return err
	}
	s, getErr := cl.Get(ctx, id)
	if getErr != nil {
		return err
	}
	return fmt.Errorf("%w: it was not there yet, for it was submitted at %s", err, ago(s.GetSubmittedAt(), time.Now()))
}

// explainRequest is what is asked: about now, or about the past.
func explainRequest(c *cli.Context, id string) (*berthv1.ExplainRequest, error) {
	req := &berthv1.ExplainRequest{Id: id, AtRevision: int64(c.Int("at-revision"))}
	if text := c.String("at"); text != "" || given(c, "at") {
		if req.GetAtRevision() != 0 {
			return nil, usage("explain: --at and --at-revision exclude each other")
		}
		now := time.Now()
		at, err := parseTime("at", text, now)
		if err != nil {
			return nil, err
		}
		if at.After(now) {
			return nil, &berth.FieldError{Field: "at", Value: text, Problem: "is yet to come", Bound: "a time that is over"}
		}
		req.AtTime = timestamppb.New(at)
	}
	return req, nil
}

// parseTime reads a moment of the past: a time, the last time when clocks showed one, or how long ago.
func parseTime(field, text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, format := range []string{time.DateTime, "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(format, text, now.Location()); err == nil {
			return at, nil
		}
	}
	for _, format := range []string{time.TimeOnly, "15:04"} {
		if at, err := time.ParseInLocation(format, text, now.Location()); err == nil {
			y, m, d := now.Date()
			if at = at.AddDate(y, int(m)-1, d-1); at.After(now) { // just after midnight people ask about just before it
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	return time.Time{}, &berth.FieldError{Field: field, Value: text, Problem: "is no time", Bound: "15:04:05, when it last was that, 2006-01-02T15:04:05Z, or 10m for ten minutes ago"}
}

// printPast tells of when all that follows is: of the moment that was asked for, if one
// was, and not of the last change before it, by which that is answered.
func printPast(w io.Writer, p *berthv1.Past, asked *timestamppb.Timestamp) error {
	if p == nil {
		return nil
	}
	at := ""
	switch {
	case asked != nil:
		at = ", the newest at " + ago(asked, time.Now())
	case p.GetTime() != nil:
		at = ", of " + ago(p.GetTime(), time.Now())
	}
	_, err := fmt.Fprintf(w, "as of revision %d%s; the store can tell of revision %d and what came later\n", p.GetRevision(), at, p.GetOldestRevision())
	return err
}

// printExplanation tells why a request waits, or is where it is; asked is the moment of
// the past that the question was about, or nil.
func printExplanation(w io.Writer, e *berthv1.ExplainResponse, asked *timestamppb.Timestamp) error {
	if err := printPast(w, e.GetPast(), asked); err != nil {
		return err
	}
	s := e.GetStatus()
	if s.GetState() != string(berth.StatePending) {
		if _, err := fmt.Fprintf(w, "%s is %s%s%s\n", s.GetId(), stateOf(s), onWorker(s), after(": ", describeLife(s))); err != nil {
			return err
		}
		if text := endedText(s, judgedAt(e, asked)); text != "" {
			if _, err := fmt.Fprintln(w, text); err != nil {
				return err
			}
		}
		if before := formerText(s, e.GetFormer(), judgedAt(e, asked)); before != "" {
			if _, err := fmt.Fprintln(w, before); err != nil {
				return err
			}
		}
		if stop := orderedText(s, judgedAt(e, asked)); stop != "" {
			if _, err := fmt.Fprintln(w, "it is told to stop: "+stop); err != nil {
				return err
			}
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
		if m := e.GetMadeRoom(); m != nil {
			if _, err := fmt.Fprintln(w, groupMadeRoomText(m)); err != nil {
				return err
			}
		}
		if e.GetNotTold() != "" {
			_, err := fmt.Fprintln(w, whyThereText(e.GetNotTold()))
			return err
		}
		return printStandings(w, e.GetStandings(), noOther(s.GetSpec().GetGroup()))
	}
	return printWaiting(w, e, judgedAt(e, asked))
}

// whyThereText says why a request is where it is, where no worker was chosen, or that this
// cannot be told.
func whyThereText(notTold string) string {
	if strings.HasPrefix(notTold, daemon.ThereBecause) {
		return notTold
	}
	return "why there is not known: " + notTold
}

// printWaiting tells why a request waits: the one reason that counts most in words,
// then every filter that rejects, and what would help; now is the moment told of, if known.
func printWaiting(w io.Writer, e *berthv1.ExplainResponse, now time.Time) error {
	v, s := e.GetVerdict(), e.GetStatus()
	if _, err := fmt.Fprintf(w, "%s %s\n", s.GetId(), waitsFor(e, now)); err != nil {
		return err
	}
	judged := fmt.Sprintf("judged at revision %d", v.GetAt())
	if e.GetSince() != nil {
		judged = "waits since " + when(e.GetSince(), now) + "; " + judged
	}
	for _, line := range []string{
		judged, successorText(s), expiresText(s, now), quotaToo(e), workersToo(v), formerText(s, e.GetFormer(), now), victimsText(e, now), vainText(v), turnText(e), ownTurnText(e),
	} {
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if err := printReasons(w, v, s.GetSpec().GetGroup().GetId()); err != nil {
		return err
	}
	return printHelp(w, e)
}

// successorText says of a successor whose place it takes: that ends only when it runs.
func successorText(s *berthv1.Status) string {
	of := s.GetSpec().GetReplaces()
	if of == "" {
		return ""
	}
	return fmt.Sprintf("it is to take the place of %s, which is there until it runs: it needs room, quota and a place beside that", of)
}

// printHelp tells what would let a request, or a group, be placed: all of it in one line.
func printHelp(w io.Writer, e *berthv1.ExplainResponse) error {
	v, help := e.GetVerdict(), []string(nil)
	switch {
	case isQuota(v):
		help = append(help, quotaHelp(e))
		if room := groupBeyondQuota(v); room != nil {
			help = append(help, groupHelp(e.GetStatus().GetSpec(), room))
		}
	case len(v.GetReasons()) > 0 && v.GetReasons()[0].GetCode() == string(berth.ReasonGroup):
		help = append(help, groupHelp(e.GetStatus().GetSpec(), v))
	}
	if miss := e.GetNearest(); miss != nil {
		if _, err := fmt.Fprintf(w, "nearest: %s\n", missText(miss)); err != nil {
			return err
		}
		if isQuota(v) && e.GetWouldPreempt() {
			help[0] += "; others would make room for it then"
		} else {
			help = append(help, helpText(miss))
		}
	}
	if len(help) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "what would help%s: %s\n", beyondText(e), strings.Join(help, "; and beyond that, "))
	return err
}

// printReasons tells of each filter that rejects workers; of a group, what is kept for it, too.
func printReasons(w io.Writer, v *berthv1.Verdict, group string) error {
	t, kept := table{words: "SUCH AS"}, ""
	t.add("WORKERS", "REJECTED BY", "WANTS", "MOST FREE", "LARGEST", "SUCH AS")
	for _, r := range v.GetReasons() {
		switch berth.ReasonCode(r.GetCode()) {
		case berth.ReasonNoWorker, berth.ReasonRestored, berth.ReasonGroup, berth.ReasonLink, berth.ReasonClaim, berth.ReasonQuota, berth.ReasonPreemption:
			continue // no filter
		case berth.ReasonKept:
			if r.GetDetail() == group {
				kept = fmt.Sprintf("kept for it meanwhile: room on %s (%s)\n", plural(r.GetWorkers(), "worker"), someText(r))
				continue
			}
		case berth.ReasonAntiAffinity:
			if r.GetWorkers() == 0 {
				continue // what keeps the next one off is another filter
			}
		}
		t.add(strconv.FormatInt(r.GetWorkers(), 10), reasonName(r), amount(r, r.GetWant()), amount(r, r.GetBest()), amount(r, r.GetTotal()), orDash(someText(r)))
	}
	if len(t.rows) > 1 {
		if err := t.write(w); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, kept)
	return err
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
	case berth.ReasonMemory, berth.ReasonDisk, berth.ReasonDeviceMemory:
		return tenthsOf(n)
	case berth.ReasonDeviceMilli:
		return strconv.FormatInt(n, 10) + "/1000"
	}
	return strconv.FormatInt(n, 10)
}
