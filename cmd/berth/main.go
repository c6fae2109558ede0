// Command berth is the whole of Berth in one binary: the daemon, the agent of a
// worker, and the tools of those who use and operate them. Each verb has a file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
)

// Set by the build: newestLayout, of a binary for tests of upgrades only, is the
// newest layout of the store that it knows.
var (
	version      = "unknown"
	newestLayout = ""
)

// knownLayout is 0, for the program's own, in every other binary.
func knownLayout() int64 {
	n, err := strconv.ParseInt(newestLayout, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func main() {
	cli.HelpPrinter = printUsage
	os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is main without its process.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	if askedAfterDashes(args) {
		return exitGood
	}
	out, errOut = forPeople{out}, forPeople{errOut}
	if err := forgetContainer(); err != nil {
		tell(errOut, err, "")
		return exitCode(err)
	}
	app := newApp()
	app.Metadata = map[string]any{argsKey: args}
	app.Reader, app.Writer, app.ErrWriter = in, out, errOut
	err := checkRepeated(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	tell(errOut, err, diagnosis(ctx, app, err))
	return exitCode(err)
}

// argsKey is where verbs find the whole command line.
const argsKey = "args"

func commandLine(c *cli.Context) []string {
	args, ok := c.App.Metadata[argsKey].([]string)
	if !ok || len(args) == 0 {
		return []string{"berth"}
	}
	return args
}

// calledAs is how this program was called, for people to do it again.
func calledAs(c *cli.Context) string {
	if name := commandLine(c)[0]; strings.Contains(name, "/") {
		return name
	}
	return "berth"
}

// given says whether a flag stands on the command line; one that is set otherwise is
// from its variable.
func given(c *cli.Context, flag string) bool {
	for _, arg := range commandLine(c)[1:] {
		if arg == "--" {
			return false
		}
		if name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "="); strings.HasPrefix(arg, "-") && name == flag {
			return true
		}
	}
	return false
}

// overruled says whether one of two flags that contradict each other, from a variable,
// is to be left aside for the other, on the command line. A warning tells.
func overruled(c *cli.Context, flag string, by ...string) bool {
	if c.String(flag) == "" || given(c, flag) {
		return false
	}
	for _, other := range by {
		if given(c, other) {
			fmt.Fprintf(c.App.ErrWriter, "berth: warning: --%s is given: the variable %s, which contradicts it, is not used\n", other, envOf(flag)[0])
			return true
		}
	}
	return false
}

// askedAfterDashes says whether a shell asks for completion behind "--", where
// the flag would be taken for a part of the command, and the command be run.
func askedAfterDashes(args []string) bool {
	return slices.Contains(args, "--") && args[len(args)-1] == "--generate-bash-completion"
}

func newApp() *cli.App {
	return &cli.App{
		Name:    "berth",
		Usage:   "place containers on workers, durably and exactly",
		Version: version,
		Suggest: true,
		Commands: []*cli.Command{
			devCommand(), demoCommand(),
			runCommand(), submitCommand(), listCommand(), getCommand(), watchCommand(), logsCommand(), cancelCommand(), explainCommand(), planCommand(), replayCommand(), groupsCommand(),
			workersCommand(), devicesCommand(), cordonCommand(), uncordonCommand(), taintCommand(), untaintCommand(), drainCommand(), removeCommand(), poolsCommand(), tenantsCommand(),
			statusCommand(), brakeCommand(),
			daemonCommand(), workerCommand(), fsckCommand(), snapshotCommand(), backupCommand(), restoreCommand(), benchCommand(), simulateCommand(), debugCommand(),
			versionCommand(), completionCommand(),
		},
		EnableBashCompletion: true,
		// A value may hold a comma: more values are given by more flags.
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // run tells
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return usage("%v; flags stand behind the verb: berth VERB --FLAG ...", err)
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("unknown verb %q; berth --help lists them", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// verb is a command with what all have in common.
func verb(c *cli.Command) *cli.Command {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return usage("%s: %s%s; berth %s --help lists its flags", c.Name, plainly(c.Flags, err), formOf(c.Flags, err), c.Name)
	}
	c.HideHelpCommand = true
	if c.BashComplete == nil {
		c.BashComplete = func(ctx *cli.Context) { complete(ctx, wholeName(ctx)) }
	}
	refuseArguments(c, c.Name)
	c.Before = func(ctx *cli.Context) error {
		warnBytes(ctx)
		return nil
	}
	return c
}

// wholeName is that of a verb, with the one that it stands behind: tenants set.
func wholeName(c *cli.Context) string {
	for _, before := range c.Lineage()[1:] {
		if before.Command != nil && len(before.Command.Subcommands) > 0 && before.Command.Name != c.App.Name && before.Command.Name != c.Command.Name {
			return before.Command.Name + " " + c.Command.Name
		}
	}
	return c.Command.Name
}

// refuseArguments lets a verb that takes none refuse them: what follows it is no name of what
// it would tell about.
func refuseArguments(c *cli.Command, name string) {
	if c.ArgsUsage != "" || len(c.Subcommands) > 0 {
		return
	}
	c.ArgsUsage = " " // the parser's help would promise some
	do := c.Action
	c.Action = func(ctx *cli.Context) error {
		if ctx.NArg() > 0 {
			return usage("%s: takes no arguments, got %q%s", name, ctx.Args().First(), after("; ", insteadOf[name]))
		}
		return do(ctx)
	}
}

// insteadOf is what is meant by an argument of a verb that takes none.
var insteadOf = map[string]string{
	"groups": "berth get GROUP tells of one",
	"plan":   "requests come from -f FILE",
	"status": "berth get ID tells of one request, berth workers WORKER of one worker",
}

// plainly is what the parser says of a flag, without its words for a number that is none.
func plainly(flags []cli.Flag, err error) string {
	for _, f := range flags {
		if _, ok := f.(*cli.IntFlag); !ok {
			continue
		}
		for _, name := range f.Names() {
			value, problem, ok := strings.Cut(err.Error(), " for flag -"+name+": ")
			if !ok {
				continue
			}
			if problem == "parse error" {
				problem = "no whole number"
			}
			return strings.Replace(value, "invalid value", "--"+name, 1) + " is " + strings.TrimPrefix(problem, "value ")
		}
	}
	return err.Error()
}

// formOf is the form of the flag whose value cannot be read, which the parser does not tell.
func formOf(flags []cli.Flag, err error) string {
	text := err.Error() + ":"
	for _, f := range flags {
		if _, ok := f.(*cli.DurationFlag); !ok {
			continue
		}
		for _, name := range f.Names() {
			if strings.Contains(text, "flag -"+name+":") || strings.Contains(text, "flag "+name+":") {
				return "; a duration is 500ms, 30s, 10m, 2h or 1h30m"
			}
		}
	}
	return ""
}

// Exit codes of every verb but run, which exits with its command's.
const (
	exitGood       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitViolations = 3
	exitNotPlaced  = 3 // of plan: a request would have to wait
	exitDiffers    = 3 // of replay: the decision is not the same
)

// exitError ends the process with a code. A nil err has been told already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage is the error of a command line that cannot be meant so.
func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*berth.FieldError](err); ok {
		return exitUsage
	}
	if err != nil {
		return exitFailed
	}
	return exitGood
}
