package main

import (
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

func poolsCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "pools",
		Usage:     "pools, how they choose among workers, and when they brake; with POOL, set it",
		ArgsUsage: "[POOL [spread|binpack]]",
		Flags: clientFlags(
			intFlag("brake-percent", 0, "the brake engages when `N` percent of the pool's workers are lost at once, 1 to 100 (default: as it is)"),
			intFlag("brake-workers", 0, "and at least `N` of them; more than the pool has: never (default: as it is)"),
			durationFlag("brake-window", 0, "within `DURATION` of each other, 1s to 1h (default: as it is)"),
			ownListFlag("weight", "`SCORER=N`, 0 to 1000: what scorers say is added up by their weights, and these are all (avoided, rank, dislike, yields, over, load, cold, loss, free, pulls)"),
			boolFlag("no-weights", "the first scorer that tells two workers apart decides"),
			stringFlag("shadow-strategy", "", "another policy is judged on what the pool places, without effect: `STRATEGY` spread or binpack (default, where it has weights: the pool's own)"),
			ownListFlag("shadow-weight", "`SCORER=N`, 0 to 1000: that policy's weights"),
			boolFlag("no-shadow", "no other policy is judged"),
			durationFlag("brake-bound", 0, "it releases by itself after `DURATION`, 1s to 168h (default: as it is)"),
			outputFlag(),
		),
		Action: pools,
	})
}

func pools(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := noFlags(c); err != nil {
		return err
	}
	next, err := poolOf(c)
	if err != nil {
		return err
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	if next != nil {
		before, err := cl.Pools(c.Context)
		if err != nil {
			return err
		}
		if err := cl.SetPool(c.Context, next); err != nil {
			return fmt.Errorf("set pool %s: %w", next.GetId(), err)
		}
		if text := unknownPool(before, next.GetId()); text != "" { // it may be set before its workers come
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: %s; what is set is for workers that come\n", text)
		}
	}
	return listPools(c, cl, asJSON)
}

// poolOf is what a pool is to be set to; nil: nothing.
func poolOf(c *cli.Context) (*berthv1.Pool, error) {
	weights, err := weightsOf(c)
	if err != nil {
		return nil, err
	}
	shadow, err := shadowFlags(c)
	if err != nil {
		return nil, err
	}
	p := &berthv1.Pool{Id: c.Args().Get(0), Strategy: c.Args().Get(1), Weights: weights, Shadow: shadow}
	for _, f := range []struct {
		name      string
		to        *int64
		read      func(c *cli.Context, name string, low, high int64) (int64, error)
		low, high int64
	}{
		{"brake-percent", &p.BrakePercent, countFlag, 1, 100},
		{"brake-workers", &p.BrakeWorkers, countFlag, 1, berth.MaxBrakeWorkers},
		{"brake-window", &p.BrakeWindowMs, millisFlag, berth.MinBrakeMS, berth.MaxBrakeWindowMS},
		{"brake-bound", &p.BrakeBoundMs, millisFlag, berth.MinBrakeMS, berth.MaxBrakeBoundMS},
	} {
		var err error
		if *f.to, err = f.read(c, f.name, f.low, f.high); err != nil {
			return nil, usage("%w", err)
		}
	}
	set := p.GetStrategy() != "" || p.GetBrakePercent() != 0 || p.GetBrakeWorkers() != 0 || p.GetBrakeWindowMs() != 0 || p.GetBrakeBoundMs() != 0 || weights != nil || shadow != nil
	switch {
	case c.NArg() > 2, set && p.GetId() == "", !set && p.GetId() != "":
		return nil, usage("pools: want no argument, or POOL with STRATEGY (spread, binpack) or a --brake, --weight or --shadow flag before it")
	case !set:
		return nil, nil
	}
	return p, nil
}

// weightsOf are the weights that a pool is to have; nil: as they are.
func weightsOf(c *cli.Context) (*berthv1.Weights, error) {
	counts, err := parseCounts("weight", splitCommas(c.StringSlice("weight")), berth.MaxPoolWeight)
	switch {
	case err != nil:
		return nil, usage("%w", err)
	case len(counts) > 0 && c.Bool("no-weights"):
		return nil, usage("pools: --weight and --no-weights exclude each other")
	case len(counts) == 0 && !c.Bool("no-weights"):
		return nil, nil
	}
	m := &berthv1.Weights{Scorers: counts}
	if err := wire.ToWeights(m).Validate(); err != nil {
		return nil, usage("%w", err)
	}
	return m, nil
}

// shadowFlags are the shadow that a pool is to have; nil: as it is.
func shadowFlags(c *cli.Context) (*berthv1.Shadow, error) {
	counts, err := parseCounts("shadow-weight", splitCommas(c.StringSlice("shadow-weight")), berth.MaxPoolWeight)
	m := &berthv1.Shadow{Strategy: c.String("shadow-strategy")}
	if len(counts) > 0 {
		m.Weights = &berthv1.Weights{Scorers: counts}
	}
	shadow := wire.ToShadow(m)
	switch {
	case err != nil:
		return nil, usage("%w", err)
	case !shadow.IsZero() && c.Bool("no-shadow"):
		return nil, usage("pools: --no-shadow excludes --shadow-strategy and --shadow-weight")
	case shadow.IsZero() && !c.Bool("no-shadow"):
		return nil, nil
	}
	if err := shadow.Validate(); err != nil {
		return nil, usage("%w", err)
	}
	return m, nil
}

func listPools(c *cli.Context, cl *client.Client, asJSON bool) error {
	all, err := cl.Pools(c.Context)
	if err != nil {
		return err
	}
	if !asJSON {
		if len(all) == 0 {
			tellNone(c, "no pools: none has workers or settings yet")
		}
		return printPools(c.App.Writer, all)
	}
	out := jsonList{w: c.App.Writer}
	for _, p := range all {
		if err := out.add(p); err != nil {
			return err
		}
	}
	return out.end()
}

func printPools(w io.Writer, all []*berthv1.Pool) error {
	t := table{words: "WEIGHTS"}
	head := []string{"POOL", "STRATEGY", "WEIGHTS", "BRAKE AT", "AND AT LEAST", "WITHIN", "HOLDS"}
	shadows := slices.ContainsFunc(all, func(p *berthv1.Pool) bool { return p.GetShadow() != nil })
	if shadows {
		head = append(head, "SHADOW", "JUDGED", "ELSEWHERE", "LOAD", "ITS LOAD", "LOSS", "ITS LOSS")
	}
	t.add(head...)
	for _, p := range all {
		row := []string{
			p.GetId(), p.GetStrategy(), orDash(wire.ToWeights(p.GetWeights()).String()), strconv.FormatInt(p.GetBrakePercent(), 10) + "%", strconv.FormatInt(p.GetBrakeWorkers(), 10) + " workers",
			short(time.Duration(p.GetBrakeWindowMs()) * time.Millisecond), short(time.Duration(p.GetBrakeBoundMs()) * time.Millisecond),
		}
		if shadows {
			row = append(row, shadowRow(p)...)
		}
		t.add(row...)
	}
	return t.write(w)
}

// shadowRow tells of a pool's shadow: its policy, how much was judged of how much, and
// what a placement came to on average.
func shadowRow(p *berthv1.Pool) []string {
	if p.GetShadow() == nil {
		return []string{"-", "-", "-", "-", "-", "-", "-"}
	}
	policy := strings.TrimSpace(p.GetShadow().GetStrategy() + " " + wire.ToWeights(p.GetShadow().GetWeights()).String())
	c := p.GetShadowCounts()
	judged := c.GetSame() + c.GetOther()
	average := func(milli int64, format string, parts float64) string {
		if judged == 0 {
			return "-"
		}
		return fmt.Sprintf(format, float64(milli)/float64(judged)/parts)
	}
	return []string{
		policy, fmt.Sprintf("%d of %d", judged, judged+c.GetSkipped()), average(1000*c.GetOther(), "%.1f%%", 10),
		average(c.GetLoadMilli(), "%.1f%%", 10), average(c.GetShadowLoadMilli(), "%.1f%%", 10),
		average(c.GetLossMilli(), "%.3f", 1000), average(c.GetShadowLossMilli(), "%.3f", 1000),
	}
}
