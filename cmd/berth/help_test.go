package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// The help of every verb fits on a terminal, but for a flag with a long form, or an address, on a narrow one.
func TestHelp_Width(t *testing.T) {
	var walk func(before []string, commands []*cli.Command)
	walk = func(before []string, commands []*cli.Command) {
		for _, c := range commands {
			words := slices.Concat(before, []string{c.Name})
			write := func(w io.Writer) error {
				run(t.Context(), slices.Concat(words, []string{"--help"}), strings.NewReader(""), asIs(w), io.Discard)
				return nil
			}
			whole := onTerminal(t, 0, write)
			for _, tt := range []struct{ columns, most, options int }{{60, 84, 63}, {100, 100, 100}, {200, widestHelp, widestHelp}} {
				got := onTerminal(t, tt.columns, write)
				_, got, _ = strings.Cut(got, "\n\n") // what it is for is in the list of verbs, too
				if n := longestLine(got); n > tt.most {
					t.Errorf("%s --help of %d columns has a line of %d:\n%s", strings.Join(words, " "), tt.columns, n, got)
				}
				_, options, _ := strings.Cut(whole, "OPTIONS")
				if _, found, _ := strings.Cut(got, "OPTIONS"); longestLine(found) > tt.options || strings.Join(strings.Fields(found), " ") != strings.Join(strings.Fields(options), " ") {
					t.Errorf("%s --help of %d columns is too wide, or not what a pipe gets:\n%s", strings.Join(words, " "), tt.columns, got)
				}
			}
			walk(words, c.Subcommands)
		}
	}
	walk([]string{"berth"}, newApp().Commands)
}

// A flag that may be given again stands once, and names that are long have their line alone.
func TestFlagLines(t *testing.T) {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` of what is to run", EnvVars: []string{"X"}},
		&cli.StringFlag{Name: "a-name-of-so-many", Usage: "`CHARACTERS` that it is long"},
		&cli.BoolFlag{Name: "quiet", Usage: "no words", DisableDefaultText: true},
	}
	for name, tt := range map[string]struct {
		width int
		flags []cli.Flag
		want  string
	}{
		"a pipe": {0, flags[:2], " (one with ... may be given several times):\n   --file, -f FILE ...             FILE of what is to run [$X]\n   --a-name-of-so-many CHARACTERS  CHARACTERS that it is long"},
		"narrow": {30, flags, " (one with ... may be given several times):\n   --file, -f FILE ...\n     FILE of what is to run\n     [$X]\n   --a-name-of-so-many CHARACTERS\n     CHARACTERS that it is\n     long\n   --quiet\n     no words"},
		"once":   {80, flags[2:], ":\n   --quiet  no words"},
		"long names": {
			80,
			[]cli.Flag{flags[2], &cli.StringFlag{Name: "a-longer-name-of-so-many", Usage: "`CHARACTERS`"}},
			":\n   --quiet  no words\n   --a-longer-name-of-so-many CHARACTERS\n            CHARACTERS",
		},
	} {
		if got := flagLines(tt.flags, tt.width); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}
