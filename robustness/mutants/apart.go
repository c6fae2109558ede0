package main

import (
	"context"
	"os/exec"
	"slices"
)

// apartWays are tried in this order: by root, and by a user who may make
// namespaces.
var apartWays = [][]string{
	{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"},
	{"unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child", "--mount-proc"},
}

// apart is what a command is put behind so that it sees no processes but its
// own, and leaves none: what is planted may make a supervisor kill others'. Where
// the machine allows no namespaces it is nothing.
func apart(ctx context.Context) []string {
	for _, way := range apartWays {
		line := slices.Concat(way, []string{"true"})
		if exec.CommandContext(ctx, line[0], line[1:]...).Run() == nil { //nolint:gosec // one of the table above
			return way
		}
	}
	return nil
}
