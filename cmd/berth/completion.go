package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Each shell asks the binary itself what may come next. Of a flag that is begun, and has no "=", it asks for all,
// by "-": behind "--" is a command, and the whole name of one may be the beginning of another's. NAMES stands for
// namesOnly, and VALUES for wordsOnly.
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
  case "$current" in
  -*=*) words+=("$current") ;;
  -*) words+=(-) ;;
  esac
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
  case "${words[1]}/${words[${#words[@]}-1]}" in
  */--tls-* | */--out) ;;
  NAMES) compopt +o default 2>/dev/null ;;
  VALUES) compopt +o default 2>/dev/null ;;
  esac
}
complete -o default -F _berth berth
`,
	"zsh": `#compdef berth
_berth() {
  local -a found before=("${words[@]:0:$((CURRENT - 1))}")
  local current="${words[CURRENT]}"
  if (( ${before[(I)--]} )); then _files; return; fi
  case "$current" in
  -*=*) found=("${(@f)$(${before[@]} "$current" --generate-bash-completion 2>/dev/null)}") ;;
  -*) found=("${(@f)$(${before[@]} - --generate-bash-completion 2>/dev/null)}") ;;
  *) found=("${(@f)$(${before[@]} --generate-bash-completion 2>/dev/null)}") ;;
  esac
  if [[ "${found[1]}" != "" ]]; then
    _describe 'values' found
    return
  fi
  [[ "$current" == -*=* ]] && compset -P '*='
  case "${words[2]}/${before[-1]}" in
  */--tls-* | */--out) _files ;;
  NAMES) ;;
  VALUES) ;;
  *) _files ;;
  esac
}
if [ "$funcstack[1]" = "_berth" ]; then _berth; else compdef _berth berth; fi
`,
	"fish": `function __berth_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  contains -- -- $words; and return
  set -l asked $words
  switch "$current"
    case '-*=*'
      set asked $words "$current"
    case '-*'
      set asked $words -
  end
  set -l found ($asked --generate-bash-completion 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\n' $found
    return
  end
  switch "$words[2]/$words[-1]"
    case '*/--tls-*' '*/--out'
    case FISHNAMES FISHVALUES
      return
  end
  set -l flag (string match -r '^-[^=]*=' -- "$current")
  for path in (__fish_complete_path (string replace -r '^-[^=]*=' '' -- "$current"))
    printf '%s%s\n' "$flag" $path
  end
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
			names, values := namesOnly(), wordsOnly()
			_, err = strings.NewReplacer(
				"FISHNAMES", "'"+strings.Join(names, "' '")+"'", "FISHVALUES", "'"+strings.Join(values, "' '")+"'",
				"NAMES", strings.Join(names, " | "), "VALUES", strings.Join(values, " | "),
			).WriteString(asIs(c.App.Writer), text)
			return err
		},
	})
}

// namesOnly are a shell's patterns of the verbs whose arguments are names, and no files: where nothing answers, or
// nothing is left to name, files are not to be offered instead.
func namesOnly() (patterns []string) {
	verbs := map[string]bool{"groups": true, "ls": true}
	for whole := range argumentsOf {
		verb, _, _ := strings.Cut(whole, " ")
		verbs[verb] = true
	}
	for _, verb := range sortedKeys(verbs) {
		patterns = append(patterns, verb+"/*")
	}
	return patterns
}

// wordsOnly are those of the flags whose values are names or words, of any verb.
func wordsOnly() (patterns []string) {
	for _, flag := range append(sortedKeys(valuesOf), "o") {
		patterns = append(patterns, "*/-"+flag, "*/--"+flag)
	}
	return patterns
}
