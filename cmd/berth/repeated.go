package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// checkRepeated refuses a flag of one value that is given twice, of whatever verb: the parser
// would take the last, and drop the other without a word. Lists may be repeated, and take all.
func checkRepeated(app *cli.App, args []string) error {
	if len(args) == 0 {
		return nil
	}
	name, flags, commands := "", app.Flags, app.Commands
	for rest := args[1:]; ; {
		twice, left := repeatedOf(flags, rest)
		if twice != "" {
			return usage("%s: flag %s is given twice, and takes one value", cmp.Or(name, app.Name), twice)
		}
		if len(left) == 0 {
			return nil
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(left[0]) })
		if i < 0 {
			return nil
		}
		name = strings.TrimSpace(name + " " + commands[i].Name)
		flags, commands, rest = commands[i].Flags, commands[i].Subcommands, left[1:]
	}
}

// repeatedOf reads args as the parser does, up to the first that is no flag. It returns the flag
// of one value that is given a second time, as it was written, or what follows the flags. What
// the parser refuses is left to it.
func repeatedOf(flags []cli.Flag, args []string) (twice string, left []string) {
	seen := map[string]bool{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return "", nil // what follows are arguments, and no verb
		case len(arg) < 2 || arg[0] != '-':
			return "", args[i:]
		}
		written, _, hasValue := strings.Cut(arg, "=")
		f := flagNamed(flags, strings.TrimPrefix(strings.TrimPrefix(written, "-"), "-"))
		if f == nil {
			return "", nil
		}
		if _, isBool := f.(*cli.BoolFlag); !isBool && !hasValue {
			i++ // its value
		}
		if takesList(f) {
			continue
		}
		if seen[f.Names()[0]] {
			return written, nil
		}
		seen[f.Names()[0]] = true
	}
	return "", nil
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesList(f cli.Flag) bool {
	_, ok := f.(*cli.StringSliceFlag)
	return ok
}
