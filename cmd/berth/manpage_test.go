package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// The manual names the flags that have no variable, each with its verb, and no others.
func TestManual_NoVariables(t *testing.T) {
	page, err := os.ReadFile("../../docs/berth.1")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "Those that have none")
	text, _, _ = strings.Cut(text, `\fBNO_COLOR\fR`)
	var named, flags []string // flags stand before their verb
	for _, part := range strings.Split(text, `\fB`)[1:] {
		word, _, _ := strings.Cut(part, `\fR`)
		word = strings.ReplaceAll(word, `\-`, "-")
		if strings.HasPrefix(word, "--") {
			flags = append(flags, word)
			continue
		}
		for _, f := range flags {
			named = append(named, word+" "+f)
		}
		flags = nil
	}
	none := slices.DeleteFunc(withoutVariable("", newApp().Commands), func(name string) bool {
		return strings.HasPrefix(name, "bench ") && strings.Contains(name, " --etcd-") // told of together
	})
	slices.Sort(named)
	slices.Sort(none)
	if !slices.Equal(named, none) {
		t.Errorf("docs/berth.1 names %q, and without a variable are %q", named, none)
	}
}

// withoutVariable are the flags of verbs that no variable gives.
func withoutVariable(before string, commands []*cli.Command) (out []string) {
	for _, c := range commands {
		name := strings.TrimSpace(before + " " + c.Name)
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); ok && len(d.GetEnvVars()) == 0 {
				out = append(out, name+" --"+f.Names()[0])
			}
		}
		out = append(out, withoutVariable(name, c.Subcommands)...)
	}
	return out
}
