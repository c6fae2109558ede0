package main

import "testing"

// Of a flag of one value that is given twice, one would be dropped without a word.
func TestVerbs_FlagTwice(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("BERTH_ADDRESS", "unix:///no/such/socket")
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"submit: flag --cpu is given twice, and takes one value\n", []string{"submit", "--cpu", "1", "--memory", "64MiB", "--cpu=2", "--", "true"}},
		{"list: flag --all is given twice", []string{"list", "-a", "--all"}},
		{"list: flag -o is given twice", []string{"list", "--output=json", "-o", "json"}},
		{"tenants set: flag --reclaim-after is given twice", []string{"tenants", "set", "--reclaim-after", "1s", "--reclaim-after", "2s", "red"}},
		{"bench place: flag --workers is given twice", []string{"bench", "place", "--workers", "1", "--workers", "2"}},
		{"debug profile: flag --address is given twice, and takes one value\n", []string{"debug", "profile", "--address", "a", "--address", "b", "cpu"}},
		{"worker: flag --name is given twice", []string{"worker", "--name", "a", "--labels", "x=1", "--labels", "y=1", "--name", "b"}},
	} {
		s.want(exitUsage, tt.says, tt.args...)
	}
	for _, args := range [][]string{
		{"submit", "--constraint", "a", "--constraint", "b", "--", "true", "--cpu", "--cpu"},
		{"run", "--id", "--id", "--", "true"}, // a value may look like a flag: that the id is none, the parser's reader tells
		{"run", "--", "--cpu", "--cpu"},
		{"list", "--all", "a", "--all"},
		{"frob", "--cpu", "--cpu"},
	} {
		if err := checkRepeated(newApp(), append([]string{"berth"}, args...)); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// An argument of a verb that takes none is no name of what it would tell about.
func TestVerbs_NoArguments(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("BERTH_ADDRESS", "unix:///no/such/socket")
	s.want(exitUsage, `status: takes no arguments, got "nope"; berth get ID tells of one request, berth workers WORKER of one worker`, "status", "nope")
	for _, args := range [][]string{{"version"}, {"plan"}, {"devices"}, {"fsck"}, {"daemon"}, {"worker"}, {"dev"}, {"demo"}, {"simulate"}} {
		s.want(exitUsage, `takes no arguments, got "nope"`, append(args, "nope")...)
	}
	for _, c := range newApp().Commands {
		if c.ArgsUsage == "" && len(c.Subcommands) == 0 {
			t.Errorf("%s does not say what arguments it takes", c.Name)
		}
	}
}
