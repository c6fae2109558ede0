package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth/daemon/profile"
)

func debugCommand() *cli.Command {
	return verb(&cli.Command{
		Name:      "debug",
		Usage:     "look into a daemon while it runs",
		ArgsUsage: "profile",
		Subcommands: []*cli.Command{verb(&cli.Command{
			Name: "profile", Usage: "what its time and its memory go to, for go tool pprof", ArgsUsage: strings.Join(profile.Names(), "|"),
			Description: "The daemon serves profiles on its unix socket alone: who may use that may take them. berth dev has none:\n" +
				"berth daemon --socket PATH has, and --address unix://PATH asks there. " + kindsText() + "\n" +
				"The same by hand: curl --unix-socket SOCKET 'http://berth" + profile.Path + "profile?seconds=10' -o cpu.pprof",
			Flags: clientFlags(
				intFlag("seconds", int(profile.DefaultTime.Seconds()), fmt.Sprintf("that it is taken over, at most %d; Ctrl-C gives it up", int(profile.MaxTime.Seconds()))),
				stringFlag("out", "", "`FILE` to write, over what it was when the profile is whole (default: the profile's name, .pprof or .trace)"),
			),
			Action: takeProfile,
		})},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("debug: %q is unknown; allowed: profile", c.Args().First())
			}
			return usage("debug: want profile; berth debug --help tells more")
		},
	})
}

// kindsText tells the kinds in a line each.
func kindsText() string {
	var text strings.Builder
	for _, k := range profile.Kinds {
		fmt.Fprintf(&text, "\n  %-10s %s", k.Name, k.Tells)
		if k.Timed {
			text.WriteString(", over --seconds")
		}
	}
	return text.String()
}

func takeProfile(c *cli.Context) error {
	name, err := oneArgument(c, "PROFILE")
	if err != nil {
		return err
	}
	kind, err := profile.Find(name)
	if err != nil {
		return usage("debug profile: %w", err)
	}
	path, err := profilePath(c, kind)
	if err != nil {
		return usage("debug profile: %w", err)
	}
	cl, err := newClient(c)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, _, stop := untilSignal(c.Context)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, profile.MaxTime+profileBeyond)
	defer cancel()
	out := c.String("out")
	if out == "" {
		out = profileFile(kind)
	}
	return writeProfile(c, out, kind, func(f *os.File) error { return cl.Profile(ctx, path, f) })
}

// profileBeyond is what an answer may take beyond the time that it is of.
const profileBeyond = 30 * time.Second

// profilePath asks for a time only where the kind has one.
func profilePath(c *cli.Context, kind profile.Kind) (string, error) {
	if !kind.Timed {
		if given(c, "seconds") {
			return "", fmt.Errorf("%s is of a moment: it takes no --seconds", kind.Name)
		}
		return profile.Path + kind.Path, nil
	}
	n := c.Int("seconds")
	if err := profile.CheckTime(time.Duration(n) * time.Second); err != nil {
		return "", err
	}
	return profile.Path + kind.Path + "?" + url.Values{"seconds": {strconv.Itoa(n)}}.Encode(), nil
}

func profileFile(kind profile.Kind) string {
	if kind.Name == "trace" {
		return "berth.trace"
	}
	return kind.Name + ".pprof"
}

// writeProfile leaves no file of a profile that was not taken to its end, and one that
// was there as it was.
func writeProfile(c *cli.Context, out string, kind profile.Kind, take func(*os.File) error) error {
	part := out + ".part"
	f, err := os.Create(part)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if err := errors.Join(take(f), f.Close()); err != nil {
		if errors.Is(err, context.Canceled) {
			err = &exitError{code: exitInterrupted, err: errors.New("interrupted: no profile was written")}
		}
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, out); err != nil {
		return errors.Join(fmt.Errorf("profile: %w", err), os.Remove(part))
	}
	tool := "go tool pprof"
	if kind.Name == "trace" {
		tool = "go tool trace"
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s; look at it with: %s %s\n", out, tool, out)
	return err
}
