package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
)

func getCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "get",
		Usage:     "one request or group: where it is, what it holds, how it ended",
		ArgsUsage: "ID",
		Flags:     clientFlags(outputFlag()),
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
			s, err := cl.Get(c.Context, id)
			if err != nil {
				return notThere(c.Context, cl, id, orGroup(err, func() error { return tellGroup(c.Context, c, cl, id, asJSON) }))
			}
			if asJSON {
				return printJSON(c.App.Writer, s)
			}
			return printStatus(c.App.Writer, s)
		},
	})
}

// oneArgument is the only argument of a verb.
func oneArgument(c *cli.Context, what string) (string, error) {
	if err := noFlags(c); err != nil {
		return "", err
	}
	if c.NArg() != 1 {
		return "", usage("%s: want one %s, got %d arguments; flags stand before it", c.Command.Name, what, c.NArg())
	}
	return c.Args().First(), nil
}

// noFlags refuses a flag behind an argument, before anything is done: it would
// be taken for another argument.
func noFlags(c *cli.Context) error {
	for _, a := range c.Args().Slice() {
		if strings.HasPrefix(a, "-") {
			return usage("%s: flag %s stands behind an argument; flags go first", c.Command.Name, a)
		}
	}
	return nil
}

// flagsBehind refuses flags that stand between a verb and its word, as tenants and set: those
// are the verb's own, and would be ignored.
func flagsBehind(c *cli.Context, verb string) error {
	word, args := c.Command.Name, commandLine(c)
	from := slices.Index(args, verb) + 1
	for _, a := range args[from:max(from, slices.Index(args, word))] {
		if strings.HasPrefix(a, "-") {
			return usage("%s %s: flag %s stands before %s; flags go behind it", verb, word, a, word)
		}
	}
	return nil
}

func printStatus(w io.Writer, s *berthv1.Status) error {
	t := table{paint: painter(w)}
	spec, now := s.GetSpec(), time.Now()
	t.add("id", s.GetId())
	t.add("state", stateOf(s))
	for _, row := range [][2]string{
		{"why", describe(s)},
		{"group", spec.GetGroup().GetId()},
		{"replaces", spec.GetReplaces()},
		{"worker", s.GetWorker()},
		{"attempt", attemptText(s)},
		{"before", formerText(s, s.GetFormer(), now)},
		{"command", strings.Join(spec.GetCommand(), " ")},
		{"pool", spec.GetPool()},
		{"tenant", spec.GetTenant()},
		{"wants", wants(spec.GetResources())},
		{"holds", holds(s.GetShare(), spec.GetResources().GetPorts())},
		{"submitted", moment(s.GetSubmittedAt(), now)},
		{"placed", since(s.GetPlacedAt(), s.GetSubmittedAt())},
		{"started", since(s.GetStartedAt(), s.GetSubmittedAt())},
		{"ended", since(s.GetEndedAt(), s.GetSubmittedAt())},
		{"not before", nextRow(s, now)},
		{"expires", expiresRow(s, now)},
	} {
		if row[1] != "" {
			t.add(row[0], row[1])
		}
	}
	return t.write(w)
}

// attemptText is empty of what ended before any.
func attemptText(s *berthv1.Status) string {
	if s.GetAttempt() == 0 {
		return ""
	}
	most := s.GetSpec().GetRetry().GetMaxAttempts()
	if berth.State(s.GetState()).Final() { // how many were used is not kept
		return fmt.Sprintf("%d (max_attempts %d)", s.GetAttempt(), most)
	}
	return fmt.Sprintf("%d (%d of %d used)", s.GetAttempt(), s.GetUsedAttempts(), most)
}

// coresText is so many cores, in words.
func coresText(milli int64) string {
	if milli == 1000 {
		return "1 core"
	}
	return cores(milli) + " cores"
}

func wants(d *berthv1.Demand) string {
	out := []string{coresText(d.GetCpuMilli()), bytesOf(d.GetMemoryBytes()) + " memory"}
	if d.GetDiskBytes() > 0 {
		out = append(out, bytesOf(d.GetDiskBytes())+" disk")
	}
	for _, p := range d.GetPorts() {
		out = append(out, portText("port "+p.GetName(), p.GetNumber()))
	}
	for _, v := range d.GetDevices() {
		out = append(out, fmt.Sprintf("%d of %s%s%s%s", v.GetCount(), orAny(v.GetTypes()), partText(v), memoryText(v), linkText(v)))
	}
	return strings.Join(append(out, counts(d.GetCustom())...), ", ")
}

// partText says how much of each device a demand is for.
func partText(d *berthv1.DeviceDemand) string {
	switch {
	case d.GetMilli() != berth.WholeDevice:
		return fmt.Sprintf(", %d thousandths each", d.GetMilli())
	case d.GetCount() == 1:
		return ", a whole one"
	}
	return ", whole ones"
}

// memoryText says how much memory each of a demand's devices is to have.
func memoryText(d *berthv1.DeviceDemand) string {
	if d.GetMemoryBytes() == 0 {
		return ""
	}
	return ", with " + bytesOf(d.GetMemoryBytes()) + " of memory each"
}

// linkText says how a demand's devices are to be linked.
func linkText(d *berthv1.DeviceDemand) string {
	switch {
	case d.GetLink() != "":
		return ", of link domain " + d.GetLink()
	case d.GetLinked():
		return ", of one link domain"
	}
	return ""
}

func orAny(types []string) string {
	if len(types) == 0 {
		return "any device"
	}
	return strings.Join(types, " or ")
}

// portText is a port's name and number; 0: any free one.
func portText(name string, number int32) string {
	if number == 0 {
		return name + " (any free one)"
	}
	return fmt.Sprintf("%s=%d", name, number)
}

// holds is what is reserved, for a request that wants these ports, in their order.
func holds(s *berthv1.Share, ports []*berthv1.PortDemand) string {
	if s == nil {
		return ""
	}
	out := []string{coresText(s.GetCpuMilli()), bytesOf(s.GetMemoryBytes()) + " memory"}
	if s.GetDiskBytes() > 0 {
		out = append(out, bytesOf(s.GetDiskBytes())+" disk")
	}
	for i, p := range s.GetPorts() {
		name := "port"
		if i < len(ports) {
			name += " " + ports[i].GetName()
		}
		out = append(out, portText(name, p))
	}
	for _, d := range s.GetDevices() {
		text := d.GetName()
		if d.GetMilli() != berth.WholeDevice {
			text += fmt.Sprintf(" (%d thousandths)", d.GetMilli())
		}
		out = append(out, text)
	}
	return strings.Join(append(out, counts(s.GetCustom())...), ", ")
}

func counts(m map[string]int64) []string {
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, fmt.Sprintf("%s=%d", k, m[k]))
	}
	return out
}

func moment(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return ""
	}
	at := t.AsTime()
	if at.After(now) {
		return at.Local().Format(time.DateTime) + " (in " + short(at.Sub(now)) + ")"
	}
	return at.Local().Format(time.DateTime) + " (" + short(now.Sub(at)) + " ago)"
}

// since is a moment, and how long after another it was.
func since(t, from *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	d := t.AsTime().Sub(from.AsTime())
	return t.AsTime().Local().Format("2006-01-02 15:04:05.000") + " (+" + d.Round(10*time.Microsecond).String() + ")"
}
