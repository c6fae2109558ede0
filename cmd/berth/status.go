package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

func statusCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "status",
		Usage: "daemons, store, pools and brakes at a glance; exit 1 where a person should look",
		Flags: clientFlags(
			boolFlag("watch", "again and again, until Ctrl-C"),
			durationFlag("interval", 2*time.Second, "`DURATION` between two looks with --watch, at least 100ms"),
			outputFlag(),
		),
		Action: lookAtStatus,
	})
}

func lookAtStatus(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if every := c.Duration("interval"); every < 100*time.Millisecond {
		return usage("status: interval %s is too short; allowed: at least 100ms", every)
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	for {
		o, err := cl.Overview(ctx)
		if err != nil {
			if ctx.Err() != nil && c.Context.Err() == nil {
				return nil // Ctrl-C
			}
			return err
		}
		if err := showStatus(c, o, asJSON); err != nil {
			return err
		}
		if !c.Bool("watch") {
			return unhealthy(o)
		}
		select {
		case <-time.After(c.Duration("interval")):
		case <-ctx.Done():
			return nil
		}
	}
}

func showStatus(c *cli.Context, o *berthv1.OverviewResponse, asJSON bool) error {
	switch {
	case asJSON && c.Bool("watch"):
		return printLine(c.App.Writer, o)
	case asJSON:
		return printJSON(c.App.Writer, o)
	}
	if c.Bool("watch") && terminal(c.App.Writer) {
		if _, err := io.WriteString(asIs(c.App.Writer), "\x1b[H\x1b[2J"); err != nil {
			return err
		}
	}
	return printOverview(c.App.Writer, o, time.Now())
}

// unhealthy is the error of what a person should look at: all of it.
func unhealthy(o *berthv1.OverviewResponse) error {
	var found []error
	in := o.GetInfo()
	switch {
	case in.GetStoreAlarm():
		found = append(found, errors.New("the store is full and refuses every write: raise its quota, or purge it"))
	case in.GetStoreRefusesSubmissions():
		found = append(found, errors.New("the store is near its quota and refuses submissions: raise it, or shorten the retention"))
	}
	for _, endpoint := range in.GetStoreUnreached() {
		found = append(found, fmt.Errorf("etcd at %s does not answer", endpoint))
	}
	if n := in.GetUnreadable(); n > 0 {
		found = append(found, fmt.Errorf("%s in the store cannot be read: berth fsck", plural(n, "record")))
	}
	for _, b := range o.GetBrakes() {
		if b.GetState() == client.BrakeEngaged {
			found = append(found, fmt.Errorf("pool %s has lost %d of %d workers: berth brake", b.GetPool(), b.GetLost(), b.GetSize()))
		}
	}
	if until := in.GetHoldUntil(); until != nil {
		found = append(found, fmt.Errorf("the store was restored from a backup: nothing is placed before %s", until.AsTime().Local().Format(time.RFC3339)))
	}
	return errors.Join(found...)
}

func printOverview(w io.Writer, o *berthv1.OverviewResponse, now time.Time) error {
	in := o.GetInfo()
	if _, err := fmt.Fprintf(w, "store: revision %d, layout %d, %s of %s in use (file %s)%s; %d archived\n\n",
		in.GetRevision(), in.GetStoreLayout(), bytesOf(in.GetStoreInUseBytes()), bytesOf(in.GetStoreQuotaBytes()),
		bytesOf(in.GetStoreSizeBytes()), alarmText(in), in.GetArchived()); err != nil {
		return err
	}
	if down := in.GetStoreUnreached(); len(down) > 0 {
		if _, err := fmt.Fprintf(w, "etcd does not answer at %s\n\n", strings.Join(down, ", ")); err != nil {
			return err
		}
	}
	if until := in.GetHoldUntil(); until != nil {
		if _, err := fmt.Fprintf(w, "restored from a backup: nothing is placed for %s\n\n", short(until.AsTime().Sub(now))); err != nil {
			return err
		}
	}
	if n := in.GetUnreadable(); n > 0 {
		if _, err := fmt.Fprintf(w, "%s cannot be read, and what %s is left alone: berth fsck\n\n", plural(n, "record"), concerns(n)); err != nil {
			return err
		}
	}
	t := table{}
	t.add("DAEMON", "VERSION", "AGE", "ADDRESS", "OWNS WORKERS")
	for _, d := range o.GetDaemons() {
		t.add(d.GetId(), orDash(d.GetVersion()), age(d.GetStartedAt(), now), orDash(d.GetAddress()), strconv.FormatInt(d.GetOwnsWorkers(), 10))
	}
	if err := t.write(w); err != nil {
		return err
	}
	p := table{words: "REQUESTS"}
	p.add("POOL", "STRATEGY", "WORKERS", "REQUESTS")
	for _, s := range o.GetPools() {
		p.add(s.GetPool().GetId(), s.GetPool().GetStrategy(), countsText(s.GetWorkers()), countsText(s.GetRequests()))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := p.write(w); err != nil {
		return err
	}
	if n := in.GetPending(); n > 0 {
		if _, err := fmt.Fprintf(w, "\n%s waiting, %d of them BLOCKED%s\n", plural(n, "request"), in.GetBlocked(), blockedHint(in)); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return printBrakes(w, o.GetBrakes(), now)
}

func blockedHint(in *berthv1.InfoResponse) string {
	if in.GetBlocked() == 0 {
		return ""
	}
	return ": berth list --state blocked"
}

func alarmText(in *berthv1.InfoResponse) string {
	switch {
	case in.GetStoreAlarm():
		return ", FULL: every write is refused"
	case in.GetStoreRefusesSubmissions():
		return ", submissions are refused"
	}
	return ""
}

// countsText is "190 ready, 10 lost".
func countsText(counts map[string]int64) string {
	var out []string
	for _, k := range sortedKeys(counts) {
		out = append(out, strconv.FormatInt(counts[k], 10)+" "+k)
	}
	return orDash(strings.Join(out, ", "))
}

func concerns(n int64) string {
	if n == 1 {
		return "it concerns"
	}
	return "they concern"
}
