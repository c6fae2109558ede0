package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
)

// fieldFlags are the flags by which fields of a request are given, the longer field before one that
// it begins with. Of others the flag is the field, with - for _.
var fieldFlags = []struct{ field, flag string }{
	{"resources.devices", "device"},
	{"resources.ports", "port"},
	{"resources.custom", "custom"},
	{"resources.cpu_milli", "cpu"},
	{"resources.memory_bytes", "memory"},
	{"resources.disk_bytes", "disk"},
	{"labels", "label"},
	{"constraints", "constraint"},
	{"tolerations", "toleration"},
	{"retry.max_attempts", "attempts"},
	{"retry.backoff_ms", "retry-backoff"},
	{"retry.on_failure", "retry-on-failure"},
	{"retry.on", "retry-on"},
	{"stop_timeout_ms", "stop-timeout"},
	{"start_timeout_ms", "start-timeout"},
	{"run_limit_ms", "run-limit"},
	{"pending_limit_ms", "pending-limit"},
	{"on_disconnect_keep_ms", "on-disconnect-keep"},
	{"group.min_count", "group-min"},
	{"group.size", "group-size"},
	{"group.topology", "group-topology"},
	{"group.linked", "group-linked"},
	{"anti_affinity.workers", "anti-affinity-workers"},
	{"affinity.workers", "affinity-workers"},
	{"anti_affinity", "anti-affinity"},
	{"affinity_key", "affinity-key"},
	{"on_drain", "on-drain"},
}

// otherFields are those that are told beside the one that is refused.
var otherFields = strings.NewReplacer("resources.devices", "--device", "group.linked", "--group-linked", "group.size", "--group-size")

var entryIndex = regexp.MustCompile(`\[\d+\]`)

// flagError names what was refused of a request by the flag that said it: its fields are not what
// the user wrote. Beyond a flag that takes several things it says which.
func flagError(err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return err
	}
	field := fieldOf(fe.Field)
	for _, f := range fieldFlags {
		rest, is := strings.CutPrefix(field, f.field)
		if !is || rest != "" && rest[0] != '.' {
			continue
		}
		named := *fe
		named.Field = "--" + f.flag + after(": ", strings.TrimPrefix(rest, "."))
		named.Problem, named.Bound = otherFields.Replace(fe.Problem), otherFields.Replace(fe.Bound)
		return &named
	}
	return err
}

// quotaError names the flags of what the daemon refused of a quota, with amounts as they take them.
func quotaError(err error) error {
	fe, ok := errors.AsType[*berth.FieldError](err)
	if !ok {
		return err
	}
	if fe.Field == "unset" {
		d := berth.Dimension(fe.Value)
		flag, value := limitWords(d, noLimit)
		return &berth.FieldError{Field: flag, Value: value, Problem: "takes back the limit of which some is guaranteed", Bound: "with --guaranteed " + guaranteedWord(d) + "=" + noLimit + " beside it"}
	}
	of, guaranteed := strings.CutPrefix(fe.Field, "guaranteed.")
	amount, err := strconv.ParseInt(fe.Value, 10, 64)
	if !guaranteed || err != nil {
		return fe
	}
	d, named := berth.Dimension(of), *fe
	named.Field, named.Value = "--guaranteed", guaranteedWord(d)+"="+limitNumber(d, amount)
	if most, isMost := strings.CutPrefix(fe.Bound, "at most "); isMost {
		if n, err := strconv.ParseInt(most, 10, 64); err == nil {
			named.Bound = "at most " + limitNumber(d, n) + ", or a larger limit: " + limitFlag(d, amount)
		}
	} else {
		named.Bound = "what has a limit, which is the most that may be used with what is borrowed: " + limitFlag(d, amount)
	}
	return &named
}

// leastMeant is the least number of bytes that is taken to be meant without a unit.
const leastMeant = 1 << 20

// warnBytes tells what a small number without a unit means: 64 is 64 bytes, as for Docker, where
// somebody may have meant MiB.
func warnBytes(c *cli.Context) {
	if c.Bool("quiet") {
		return
	}
	warn := func(flag, before, text string) {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < leastMeant {
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: %s %s%s is %s; with a unit it is %s%sMiB\n", setBy(c, flag), before, text, plural(n, "byte"), before, text)
		}
	}
	for _, f := range c.Command.Flags {
		switch name := f.Names()[0]; name {
		case "memory", "disk", "reserve-memory":
			warn(name, "", c.String(name))
		case "device":
			for _, text := range c.StringSlice(name) {
				before, size, _ := strings.Cut(text, "@")
				size, _, _ = strings.Cut(size, "+")
				warn(name, before+"@", size)
			}
		case "guaranteed":
			for _, text := range c.StringSlice(name) {
				if of, amount, _ := strings.Cut(text, "="); of == "memory" || of == "disk" {
					warn(name, of+"=", amount)
				}
			}
		}
	}
}
