package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Each shell asks the binary itself what may come next. NAMES stands for namesOnly.
var completions = map[string]string{
	"bash": `_berth() {
  local current="${COMP_WORDS[COMP_CWORD]}" word
  local -a words=()
  # What stands behind -- is a command of the user's, and never ours to run.
  for word in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
    [[ "$word" == -- ]] && return
    [[ "$word" == = ]] || words+=("$word") # of --flag=value, which bash takes apart
  done
  [[ "$current" == = ]] && current=
  [[ "$current" == -* && "$current" != -- ]] && words+=("$current")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
  case "${words[1]}/${words[${#words[@]}-1]}" in
  */--tls-*) ;;
  NAMES) compopt +o default 2>/dev/null ;;
  */-o | */--output | */--state | */--tenant | */--pool | */--in-pool | */--group | */--worker) compopt +o default 2>/dev/null ;;
  esac
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
    return
  fi
  case "${words[2]}/${words[-2]}" in
  */--tls-*) _files ;;
  NAMES) ;;
  *) _files ;;
  esac
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
			_, err = fmt.Fprint(asIs(c.App.Writer), strings.ReplaceAll(text, "NAMES", namesOnly()))
			return err
		},
	})
}

// namesOnly is a shell's pattern of the verbs whose arguments are names, and no files: where nothing answers, or
// nothing is left to name, files are not to be offered instead.
func namesOnly() string {
	verbs := map[string]bool{"groups": true, "ls": true}
	for whole := range argumentsOf {
		verb, _, _ := strings.Cut(whole, " ")
		verbs[verb] = true
	}
	return strings.Join(sortedKeys(verbs), "/* | ") + "/*"
}
