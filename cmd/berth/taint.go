package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/api/wire"
	"github.com/berthd/berth/client"
)

func taintCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "taint", Usage: "keep requests off a worker that do not tolerate it", ArgsUsage: "WORKER KEY[=VALUE]:EFFECT...",
		Description: "Effects: no_place (nothing new), prefer_no_place (only where nothing else fits), no_run (nothing new, and what runs\n" +
			"is stopped, to run elsewhere). A taint replaces the one of its key and effect. It stays when the worker registers anew, until\n" +
			"berth untaint takes it back; taints that a worker registers with (berth worker --taint) are its own.",
		Flags: clientFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			return changeTaints(c, func(req *berthv1.SetTaintsRequest, text string) error {
				t, err := berth.ParseTaint(text)
				if err == nil && slices.ContainsFunc(req.GetAdd(), func(o *berthv1.Taint) bool { return o.GetKey() == t.Key && o.GetEffect() == string(t.Effect) }) {
					err = givenTwice("taint", t.Key+":"+string(t.Effect))
				}
				req.Add = append(req.Add, wire.Taints([]berth.Taint{t})...)
				return err
			})
		},
	})
}

func untaintCommand() *cli.Command {
	return verb(&cli.Command{
		Name: "untaint", Usage: "take taints of an operator back", ArgsUsage: "WORKER KEY[:EFFECT]...",
		Flags: clientFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			return changeTaints(c, func(req *berthv1.SetTaintsRequest, text string) error {
				key, effect, _ := strings.Cut(text, ":")
				key, _, _ = strings.Cut(key, "=")
				req.Remove = append(req.Remove, &berthv1.Taint{Key: key, Effect: effect})
				return nil
			})
		},
	})
}

// changeTaints reads a worker and taints.
func changeTaints(c *cli.Context, read func(*berthv1.SetTaintsRequest, string) error) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if err := noFlags(c); err != nil {
		return err
	}
	if c.NArg() < 2 {
		return usage("%s: takes %s", c.Command.Name, c.Command.ArgsUsage)
	}
	req := &berthv1.SetTaintsRequest{Worker: c.Args().First()}
	for _, text := range c.Args().Tail() {
		if err := read(req, text); err != nil {
			return usage("%w", err)
		}
	}
	return withClient(c, func(ctx context.Context, cl *client.Client) error {
		if err := checkUntaint(ctx, cl, req); err != nil {
			return fmt.Errorf("%s %s: %w", c.Command.Name, req.GetWorker(), err)
		}
		w, err := cl.SetTaints(ctx, req)
		switch {
		case err != nil:
			return fmt.Errorf("%s %s: %w", c.Command.Name, req.GetWorker(), noWorker(err))
		case asJSON:
			return printLine(c.App.Writer, w)
		}
		_, err = fmt.Fprintf(c.App.Writer, "%s: taints %s\n", w.GetId(), taintsText(w))
		return err
	})
}

// checkUntaint refuses to take back what nobody has put there, before anything is taken back: it may be
// misspelt, and who meant another taint would believe it gone.
func checkUntaint(ctx context.Context, cl *client.Client, req *berthv1.SetTaintsRequest) error {
	if len(req.GetRemove()) == 0 {
		return nil
	}
	all, err := cl.Workers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(w *berthv1.Worker) bool { return w.GetId() == req.GetWorker() })
	if i < 0 {
		return nil // the daemon says so
	}
	return untaints(all[i], req.GetRemove())
}

// untaints says which of some taints an operator cannot take back from a worker.
func untaints(w *berthv1.Worker, remove []*berthv1.Taint) error {
	for _, t := range remove {
		is := func(o *berthv1.Taint) bool {
			effect := string(wire.ToTaint(t).Normalize().Effect)
			return o.GetKey() == t.GetKey() && (effect == "" || o.GetEffect() == effect)
		}
		text := strings.TrimSuffix(t.GetKey()+":"+t.GetEffect(), ":")
		switch own := slices.ContainsFunc(w.GetTaints(), is); {
		case slices.ContainsFunc(w.GetOperatorTaints(), is):
		case own:
			return fmt.Errorf("taint %s is the worker's own, of berth worker --taint, and is there until it registers without", text)
		default:
			return fmt.Errorf("no such taint: %s; its taints: %s", text, taintsText(w))
		}
	}
	return nil
}

func withClient(c *cli.Context, do func(context.Context, *client.Client) error) error {
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	return do(ctx, cl)
}

// taintsText is the taints of a worker: its own, then an operator's.
func taintsText(w *berthv1.Worker) string {
	var out []string
	for _, taints := range [2][]*berthv1.Taint{w.GetTaints(), w.GetOperatorTaints()} {
		for _, t := range taints {
			out = append(out, wire.ToTaint(t).String())
		}
	}
	return orDash(strings.Join(out, ","))
}

// parseTaints reads the taints of a worker's own.
func parseTaints(texts []string) ([]berth.Taint, error) {
	var out []berth.Taint
	for _, text := range texts {
		t, err := berth.ParseTaint(text)
		if err != nil {
			return nil, err
		}
		if len(berth.SetTaints(out, []berth.Taint{t})) == len(out) {
			return nil, givenTwice("taint", t.Key+":"+string(t.Effect))
		}
		out = berth.SetTaints(out, []berth.Taint{t})
	}
	return out, nil
}

// tolerationOf reads KEY[=VALUE][:EFFECT], or * for all taints. What has no key is refused:
// by that it would tolerate all.
func tolerationOf(text string) (*berthv1.Toleration, error) {
	wrong := &berth.FieldError{
		Field: "toleration", Value: berth.Clip(text, 64), Problem: "cannot be read",
		Bound: "KEY=VALUE, KEY for every value, * for all; with :EFFECT behind, of that effect only (no_place, prefer_no_place, no_run)",
	}
	t := &berthv1.Toleration{Operator: string(berth.TolerateExists)}
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		if text, t.Effect = text[:i], text[i+1:]; new(berth.Effect).UnmarshalText([]byte(berth.Taint{Effect: berth.Effect(t.GetEffect())}.Normalize().Effect)) != nil {
			return nil, wrong
		}
	}
	key, value, given := strings.Cut(text, "=")
	if key == "" || key == "*" && given || strings.ContainsAny(key, operatorMarks+" \t") || strings.HasPrefix(value, "=") {
		return nil, wrong
	}
	if given {
		t.Operator, t.Value = string(berth.TolerateEqual), value
	}
	if t.Key = key; key == "*" {
		t.Key = ""
	}
	return t, nil
}
