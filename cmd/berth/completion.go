package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	berthv1 "github.com/berthd/berth/api/berth/v1"
	"github.com/berthd/berth/client"
)

// Each shell asks the binary itself what may come next.
var completions = map[string]string{
	"bash": `_berth() {
  local current="${COMP_WORDS[COMP_CWORD]}" word
  local -a words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  # What stands behind -- is a command of the user's, and never ours to run.
  for word in "${words[@]}"; do [[ "$word" == -- ]] && return; done
  [[ "$current" == -* && "$current" != -- ]] && words+=("$current")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
}
complete -o default -F _berth berth
`,
	"zsh": `#compdef berth
_berth() {
  local -a found
  local current="${words[-1]}"
  if (( ${words[(I)--]} )); then _files; return; fi
  if [[ "$current" == -* ]]; then
    found=("${(@f)$(${words[@]:0:#words[@]-1} ${current} --generate-bash-completion 2>/dev/null)}")
  else
    found=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  fi
  if [[ "${found[1]}" != "" ]]; then
    _describe 'values' found
  else
    _files
  fi
}
if [ "$funcstack[1]" = "_berth" ]; then _berth; else compdef _berth berth; fi
`,
	"fish": `function __berth_complete
  set -l words (commandline -opc)
  contains -- -- $words; and return
  $words --generate-bash-completion 2>/dev/null
end
complete -c berth -f -a '(__berth_complete)'
`,
}

func completionCommand() *cli.Command {
	return verb(&cli.Command{
		Name:        "completion",
		Usage:       "completion for a shell: bash, zsh, fish",
		ArgsUsage:   "SHELL",
		Description: "For this shell:  source <(berth completion bash)",
		BashComplete: func(c *cli.Context) {
			for _, s := range sortedKeys(completions) {
				fmt.Fprintln(c.App.Writer, s)
			}
		},
		Action: func(c *cli.Context) error {
			shell, err := oneArgument(c, "SHELL (bash, zsh, fish)")
			if err != nil {
				return err
			}
			text, ok := completions[shell]
			if !ok {
				return usage("completion: shell %q is unknown; allowed: %s", shell, strings.Join(sortedKeys(completions), ", "))
			}
			_, err = fmt.Fprint(asIs(c.App.Writer), text)
			return err
		},
	})
}

// completeIn bounds how long a shell waits for ids.
const completeIn = 500 * time.Millisecond

// completeIDs offers flags, and the ids of requests.
func completeIDs(c *cli.Context) {
	cli.DefaultCompleteWithFlags(c.Command)(c)
	cl, err := client.New(client.Options{Address: c.String("address"), TLS: tlsFiles(c), RetryFor: -1})
	if err != nil {
		return // there is nobody to tell
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.Context, completeIn)
	defer cancel()
	_ = cl.List(ctx, &berthv1.Filter{Ended: true}, func(s *berthv1.Status) error {
		_, err := fmt.Fprintln(c.App.Writer, s.GetId())
		return err
	})
}

// completeFlag offers the values of a flag behind it, and flags elsewhere.
func completeFlag(name string, values []string) cli.BashCompleteFunc {
	return func(c *cli.Context) {
		args := commandLine(c)
		if len(args) < 2 || strings.TrimLeft(args[len(args)-2], "-") != name { // the last one asks for completion
			cli.DefaultCompleteWithFlags(c.Command)(c)
			return
		}
		for _, value := range values {
			fmt.Fprintln(c.App.Writer, value)
		}
	}
}
