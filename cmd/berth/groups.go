package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/client"
)

func groupsCommand() *cli.Command {
	return verb(&cli.Command{
		Name:  "groups",
		Usage: "groups that have not ended; get, explain and cancel take their names, too",
		Flags: clientFlags(stringFlag("pool", "", "only of this `POOL`"), outputFlag()),
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			cl, err := newClient(c)
			if err != nil {
				return err
			}
			defer cl.Close()
			all, err := cl.Groups(c.Context)
			if err != nil {
				return err
			}
			pool := c.String("pool")
			all = slices.DeleteFunc(all, func(g *berthv1.Group) bool { return pool != "" && g.GetSpec().GetPool() != pool })
			if asJSON {
				out := jsonList{w: c.App.Writer}
				for _, g := range all {
					if err := out.add(g); err != nil {
						return err
					}
				}
				return out.end()
			}
			if len(all) == 0 {
				tellNoGroups(c, cl)
			}
			t := table{paint: painter(c.App.Writer), words: "MEMBERS"}
			t.add("GROUP", "STATE", "SIZE", "AT LEAST", "ATTEMPT", "SINCE", "MEMBERS")
			now := time.Now()
			for _, g := range all {
				t.add(g.GetId(), g.GetState(), strconv.FormatInt(g.GetSize(), 10), strconv.FormatInt(g.GetMinCount(), 10),
					strconv.FormatInt(g.GetAttempt(), 10), age(g.GetSince(), now), membersText(g))
			}
			return t.write(c.App.Writer)
		},
	})
}

// tellNoGroups says that there are none, and, of a pool, whether there is one of that name.
func tellNoGroups(c *cli.Context, cl *client.Client) {
	such, unknown := "", ""
	if pool := c.String("pool"); pool != "" {
		such = "such "
		if all, err := cl.Pools(c.Context); err == nil {
			unknown = unknownPool(all, pool)
		}
	}
	tellNone(c, "no "+such+"group that has not ended; berth list --all --group GROUP shows the members of one that has"+after("; ", unknown))
}

// groupFlags make a group of a request.
func groupFlags() []cli.Flag {
	return []cli.Flag{
		intFlag("group-size", 0, "a group of `N`, as ID.0, ID.1 ...: all get their places together, or none"),
		intFlag("group-min", 0, "`N` are enough for it (default: all)"),
		stringFlag("group-topology", "", "`LABEL` of which all its workers must have one value, as rack"),
		boolFlag("group-linked", "all devices of all members are of one link domain (NVLink)"),
	}
}

func readGroup(c *cli.Context, r *berthv1.Request) error {
	if !c.IsSet("group-size") {
		if c.IsSet("group-min") || c.IsSet("group-topology") || c.IsSet("group-linked") {
			return usage("%s: --group-min, --group-topology and --group-linked go with --group-size", c.Command.Name)
		}
		return nil
	}
	if c.IsSet("group-min") {
		if err := berth.CheckGiven("group.min_count", int64(c.Int("group-min"))); err != nil {
			return usage("%w", flagError(err))
		}
	}
	r.Group = &berthv1.Membership{
		Size: int64(c.Int("group-size")), MinCount: int64(c.Int("group-min")), Topology: c.String("group-topology"), Linked: c.Bool("group-linked"),
	}
	asked := wire.ToRequest(r).Normalize()
	if err := asked.ValidateAsked(); err != nil {
		return usage("%w", flagError(err))
	}
	return nil
}

// idsOf are the requests that there are once r is submitted: of a group, its members.
func idsOf(r *berthv1.Request) (ids []string) {
	n := wire.ToRequest(r).Normalize()
	if !n.IsGroup() {
		return []string{r.GetId()}
	}
	for _, m := range n.Members() {
		ids = append(ids, string(m.ID))
	}
	return ids
}

// membersText counts a group's members by how they are.
func membersText(g *berthv1.Group) string {
	var out []string
	ended := g.GetSize() - g.GetSucceeded() - g.GetFailed() // without that being told of them
	for _, state := range sortedKeys(g.GetStates()) {
		out = append(out, fmt.Sprintf("%d %s", g.GetStates()[state], state))
		ended -= g.GetStates()[state]
	}
	if ended > 0 {
		out = append(out, fmt.Sprintf("%d ended", ended))
	}
	if n := g.GetSucceeded(); n > 0 {
		out = append(out, fmt.Sprintf("%d SUCCEEDED", n))
	}
	if n := g.GetFailed(); n > 0 {
		out = append(out, fmt.Sprintf("%d ended otherwise", n))
	}
	return strings.Join(out, ", ")
}

// orGroup does what a verb does with the group of a name, where no request has it.
func orGroup(err error, group func() error) error {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound {
		return err
	}
	if groupErr := group(); groupErr != nil {
		if ce, ok := errors.AsType[*client.CallError](groupErr); ok && ce.Code == client.CodeNotFound {
			return err
		}
		return groupErr
	}
	return nil
}

// notThere says of a name that no request has what it may be: a group, of which the members
// tell once it has ended; else where to look.
func notThere(ctx context.Context, cl *client.Client, id string, err error) error {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound {
		return err
	}
	if _, groupErr := cl.Group(ctx, id); groupErr == nil {
		return fmt.Errorf("%w: it is a group; berth list --all --group %s shows its members", err, id)
	}
	if endedMember(ctx, cl, id) != "" {
		return fmt.Errorf("%w: it is a group that has ended; berth list --all --group %s shows its members", err, id)
	}
	return fmt.Errorf("%w; berth list --all shows what has ended, too", err)
}

// endedMember is the first member of a group that has ended, by what is kept of it; or "".
func endedMember(ctx context.Context, cl *client.Client, id string) string {
	for size := int64(1); size <= berth.MaxGroupSize; size = 10*size + 1 { // their numbers are as wide as the size needs
		first, err := cl.Get(ctx, string(berth.GroupID(id).Members(size)[0]))
		if err == nil && first.GetSpec().GetGroup().GetId() == id {
			return first.GetId()
		}
	}
	return ""
}

// memberOf is the first member of a group, living or ended; err where there is no such group.
func memberOf(ctx context.Context, cl *client.Client, id string, err error) (string, error) {
	if ce, ok := errors.AsType[*client.CallError](err); !ok || ce.Code != client.CodeNotFound {
		return "", err
	}
	if g, groupErr := cl.Group(ctx, id); groupErr == nil {
		return string(berth.GroupID(id).Members(g.GetSize())[0]), nil
	}
	if first := endedMember(ctx, cl, id); first != "" {
		return first, nil
	}
	return "", err
}

// membersOf are all members of a group, living or ended, where no request has its name, as err says; else none.
func membersOf(ctx context.Context, cl *client.Client, id string, err error) (ids []string) {
	first, err := memberOf(ctx, cl, id, err)
	if err != nil {
		return nil
	}
	s, err := cl.Get(ctx, first)
	if err != nil {
		return nil
	}
	for _, id := range berth.GroupID(id).Members(s.GetSpec().GetGroup().GetSize()) {
		ids = append(ids, string(id))
	}
	return ids
}

// tellGroup prints a group, for get and explain.
func tellGroup(ctx context.Context, c *cli.Context, cl *client.Client, id string, asJSON bool) error {
	g, ended, err := groupOrEnded(ctx, cl, id)
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(c.App.Writer, g)
	case ended != nil:
		return printEndedGroup(c.App.Writer, g, ended)
	}
	return printGroup(c.App.Writer, g, groupBefore(ctx, cl, g), nil)
}

// printGroup prints a group; before is how its attempt before ended, if that is known, and turn who goes first while it waits, if that
// is to be told.
func printGroup(w io.Writer, g *berthv1.Group, before string, turn *berthv1.Turn) error {
	t := table{paint: painter(w)}
	t.add("group", g.GetId())
	t.add("state", g.GetState())
	spec, now := g.GetSpec(), time.Now()
	for _, row := range [][2]string{
		{"why", groupWhy(g)},
		{"size", fmt.Sprintf("%d, at least %d together", g.GetSize(), g.GetMinCount())},
		{"members", membersText(g)},
		{"where", groupWhere(g)},
		{"attempt", strconv.FormatInt(g.GetAttempt(), 10)},
		{"before", before},
		{"since", moment(g.GetSince(), now)},
		{"not before", nextRow(asGroup(g), now)},
		{"expires", expiresRow(asGroup(g), now)},
		{"command", strings.Join(spec.GetCommand(), " ")},
		{"pool", spec.GetPool()},
		{"each wants", wants(spec.GetResources())},
	} {
		if row[1] != "" {
			t.add(row[0], row[1])
		}
	}
	if err := t.write(w); err != nil || len(g.GetVerdict().GetReasons()) == 0 {
		return err
	}
	e := ofGroup(g)
	e.Turn = turn
	for _, text := range []string{workersToo(g.GetVerdict()), vainText(g.GetVerdict()), turnText(e), ownTurnText(e)} {
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	if err := printReasons(w, g.GetVerdict(), g.GetId()); err != nil {
		return err
	}
	return printHelp(w, e)
}

// ofGroup is why a group waits, as a request's would be told: it waits as one.
func ofGroup(g *berthv1.Group) *berthv1.ExplainResponse {
	return &berthv1.ExplainResponse{Status: &berthv1.Status{Spec: g.GetSpec()}, Verdict: g.GetVerdict()}
}

// groupWhere says in what a group's members must be together, and, once it is placed, are.
func groupWhere(g *berthv1.Group) string {
	var where []string
	one := func(what, which string) {
		if which != "" {
			what += ": " + which
		}
		where = append(where, "one "+what)
	}
	if g.GetTopology() != "" {
		one(g.GetTopology(), g.GetDomain())
	}
	if g.GetLinked() {
		one("link domain", g.GetLink())
	}
	if len(where) == 0 {
		return "any workers"
	}
	return strings.Join(where, ", ")
}

// groupWhy says what a group waits for, or why it ends.
func groupWhy(g *berthv1.Group) string {
	switch berth.GroupState(g.GetState()) {
	case berth.GroupEnding:
		return strings.TrimSuffix(endText(g.GetReason(), true)+": "+g.GetMessage(), ": ")
	case berth.GroupPending:
		if v := g.GetVerdict(); len(v.GetReasons()) > 0 {
			return waitsFor(ofGroup(g), time.Now())
		}
		return cmp.Or(nextText(asGroup(g), time.Now()), "is about to be placed")
	}
	return ""
}
