package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// hint is a command for people to paste: this program, asking the daemon that was asked. What is
// in a variable is there then, too.
func hint(c *cli.Context, verb string, args ...string) string {
	words := []string{calledAs(c), verb}
	for _, f := range clientFlags() {
		if name := f.Names()[0]; given(c, name) {
			words = append(words, "--"+name, c.String(name))
		}
	}
	return strings.Join(append(words, args...), " ")
}
