package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
	"github.com/berthd/berth/daemon/profile"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/worker"
)

// completeIn bounds how long a shell waits for names.
const completeIn = 500 * time.Millisecond

// candidates tells what may stand somewhere, as far as it comes to know that in time.
type candidates func(ctx context.Context, cl *client.Client, tell func(string))

func listed[T any](list func(*client.Client, context.Context) ([]T, error), name func(T) string) candidates {
	return func(ctx context.Context, cl *client.Client, tell func(string)) {
		all, err := list(cl, ctx)
		if err != nil {
			return // there is nobody to tell
		}
		for _, one := range all {
			tell(name(one))
		}
	}
}

var (
	workerNames = listed((*client.Client).Workers, (*berthv1.Worker).GetId)
	poolNames   = listed((*client.Client).Pools, (*berthv1.Pool).GetId)
	groupNames  = listed((*client.Client).Groups, (*berthv1.Group).GetId)
	tenantNames = listed((*client.Client).Quotas, (*berthv1.Quota).GetTenant) // with a quota, or with requests
)

func requestIDs(ctx context.Context, cl *client.Client, tell func(string)) {
	tellIDs(ctx, cl, true, tell)
}

func livingIDs(ctx context.Context, cl *client.Client, tell func(string)) {
	tellIDs(ctx, cl, false, tell)
}

func tellIDs(ctx context.Context, cl *client.Client, ended bool, tell func(string)) {
	_ = cl.List(ctx, &berthv1.Filter{Ended: ended}, func(s *berthv1.Status) error {
		tell(s.GetId())
		return nil
	})
}

// orGroups tells groups first: they are few, and time may run out on requests.
func orGroups(ids candidates) candidates {
	return func(ctx context.Context, cl *client.Client, tell func(string)) {
		groupNames(ctx, cl, tell)
		ids(ctx, cl, tell)
	}
}

func words(all ...string) candidates {
	return func(_ context.Context, _ *client.Client, tell func(string)) {
		for _, w := range all {
			tell(w)
		}
	}
}

var strategies = words(string(berth.StrategyBinpack), string(berth.StrategySpread))

// argumentsOf are the arguments of verbs, by their whole names; the last is that of all that follow,
// where more may follow.
var argumentsOf = map[string][]candidates{
	"workers": {workerNames}, "cordon": {workerNames}, "uncordon": {workerNames}, "drain": {workerNames}, "remove": {workerNames},
	"taint": {workerNames, nil}, "untaint": {workerNames, nil},
	"pools": {poolNames, strategies, nil}, "brake release": {poolNames, nil}, "brake hold": {poolNames, nil},
	"tenants set": {tenantNames, nil}, "tenants unset": {tenantNames, nil},
	"get": {orGroups(requestIDs), nil}, "explain": {orGroups(requestIDs), nil}, "cancel": {orGroups(livingIDs)},
	"debug profile": {words(profile.Names()...), nil},
	"logs":          {requestIDs, nil}, "replay": {requestIDs, nil}, "list": {requestIDs}, "watch": {requestIDs},
}

// valuesOf are the values of flags.
var valuesOf = map[string]candidates{
	"worker": workerNames, "pool": poolNames, "in-pool": poolNames, "group": groupNames, "tenant": tenantNames,
	"state":  words("pending", "blocked", "placed", "starting", "running", "exited", "succeeded", "failed", "cancelled", "replaced", "expired", "lost"),
	"output": words("json", "table"),
	"policy": words(sim.PolicyNames()...),
	// of requests, workers, daemons and pools
	"preemption": words(string(berth.PreemptionNever), string(berth.PreemptionLower)),
	"retry-on":   words(string(berth.RetryFailure), string(berth.RetryLost), string(berth.RetryStartFailed), string(berth.RetryOOM)),
	"on-drain":   words(string(berth.OnDrainStop), string(berth.OnDrainReplace)),
	"on-stop":    words(string(worker.OnStopStop), string(worker.OnStopDrain), string(worker.OnStopKeep)),
	"link-by":    words(byNVLink, byNUMA),
	"log-level":  words("debug", "info", "warn", "error"), "log-format": words("json", "console"),
	"strategy": strategies, "shadow-strategy": strategies,
}

// complete offers what a verb may take next: values behind a flag that takes one, else flags where one is
// begun, and arguments.
func complete(c *cli.Context, whole string) {
	given := c.Args().Slice()
	line := commandLine(c)
	last := line[max(len(line)-2, 0)] // behind it is what asks for completion
	flag, _, isHalf := strings.Cut(last, "=")
	switch name := valueFlag(c.Command.Flags, flag); {
	case name != "" && isHalf:
		offer(c, valuesOf[name], func(text string) string { return flag + "=" + text })
	case name != "":
		offer(c, valuesOf[name], nil)
	case strings.HasPrefix(last, "-"):
		offerFlags(c, last)
	}
	if strings.HasPrefix(last, "-") && !switchFlag(c.Command.Flags, last) {
		return
	}
	if len(c.Command.Subcommands) > 0 && len(given) == 0 {
		cli.DefaultCompleteWithFlags(c.Command)(c)
		return
	}
	of := argumentsOf[whole]
	if len(of) == 0 {
		return
	}
	offer(c, of[min(len(given), len(of)-1)], func(text string) string {
		if slices.Contains(given, text) {
			return ""
		}
		return text
	})
}

// offerFlags writes the flags of a verb that begin so, but those that take one value and are given.
func offerFlags(c *cli.Context, begun string) {
	given := map[string]bool{}
	for _, word := range commandLine(c) {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		given[name] = given[name] || strings.HasPrefix(word, "-")
	}
	for _, f := range c.Command.Flags {
		if !takesList(f) && slices.ContainsFunc(f.Names(), func(name string) bool { return given[name] }) {
			continue
		}
		for _, name := range f.Names() {
			if word := dashed(name); strings.HasPrefix(word, begun) {
				fmt.Fprintln(c.App.Writer, word)
			}
		}
	}
}

// dashed is a flag as people write it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// offer writes each candidate once, as the shell needs it; "" is none.
func offer(c *cli.Context, some candidates, as func(string) string) {
	if some == nil {
		return
	}
	cl, err := client.New(client.Options{Address: c.String("address"), TLS: tlsFiles(c), RetryFor: -1})
	if err != nil {
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.Context, completeIn)
	defer cancel()
	told := map[string]bool{"": true}
	some(ctx, cl, func(text string) {
		if as != nil {
			text = as(text)
		}
		if !told[text] {
			told[text] = true
			fmt.Fprintln(c.App.Writer, text)
		}
	})
}

// valueFlag is the name of the flag that a word is, if that takes a value; or "".
func valueFlag(flags []cli.Flag, word string) string { return flagOf(flags, word, true) }

// switchFlag says whether a word is a flag that takes no value.
func switchFlag(flags []cli.Flag, word string) bool { return flagOf(flags, word, false) != "" }

func flagOf(flags []cli.Flag, word string, takes bool) string {
	name := strings.TrimLeft(word, "-")
	for _, f := range flags {
		if _, isSwitch := f.(*cli.BoolFlag); strings.HasPrefix(word, "-") && isSwitch != takes && slices.Contains(f.Names(), name) {
			return f.Names()[0]
		}
	}
	return ""
}
