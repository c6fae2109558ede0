package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth/daemon/profile"
)

// A shell is offered what the position, or the flag before it, takes, and nothing else.
func TestCompletion_Candidates(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitGood, "", "submit", "--wait", "--id", "over", "--tenant", "red", "--", "true")
		s.want(exitGood, "", "submit", "--id", "waits", "--tenant", "blue", "--cpu", "100", "--", "true")
		file := filepath.Join(t.TempDir(), "group.yaml")
		if err := os.WriteFile(file, []byte("{id: train, command: [x], group: {size: 2}, resources: {cpu_milli: 100000}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(exitGood, "", "submit", "-f", file)
		s.want(exitGood, "", "tenants", "set", "--cpu", "4", "green")
		s.until("train.1  BLOCKED", "list")
		const (
			living = "train train.0 train.1 waits"
			states = "pending blocked placed starting running exited succeeded failed cancelled replaced expired lost"
		)
		for _, tt := range []struct{ line, want string }{
			{"drain", "w-1"},
			{"cordon", "w-1"},
			{"uncordon", "w-1"},
			{"remove", "w-1"},
			{"workers", "w-1"},
			{"workers --wide", "w-1"},
			{"drain w-1", ""},
			{"taint", "w-1"},
			{"taint w-1", ""},
			{"untaint", "w-1"},
			{"pools", "default"},
			{"pools default", "binpack spread"},
			{"pools default spread", ""},
			{"tenants set", "blue default green"},
			{"tenants unset", "blue default green"},
			{"tenants set red", ""},
			{"brake release", "default"},
			{"brake hold", "default"},
			{"groups", ""},
			{"status", ""},
			{"explain --at", ""},
			{"cancel", living},
			{"cancel waits", "train train.0 train.1"},
			{"get", "train over train.0 train.1 waits"},
			{"logs", "over train.0 train.1 waits"},
			{"list --state", states},
			{"list --state=", "--state=" + strings.ReplaceAll(states, " ", " --state=")},
			{"list --state running --pool", "default"},
			{"list --group", "train"},
			{"watch --worker", "w-1"},
			{"cancel --all --tenant", "blue default green"},
			{"submit --tenant", "blue default green"},
			{"run --pool", "default"},
			{"drain --in-pool", "default"},
			{"list -o", "json table"},
			{"submit --preemption", "never lower"},
			{"run --retry-on", "failure lost start_failed oom"},
			{"run --on-drain", "stop replace"},
			{"worker --on-stop", "stop drain keep"},
			{"worker --link-by", "nvlink numa"},
			{"daemon --log-level", "debug info warn error"},
			{"pools --shadow-strategy", "binpack spread"},
			{"debug profile", strings.Join(profile.Names(), " ")},
			{"replay -", "--attempt --output -o --address --tls-cert --tls-key --tls-ca --help -h"},
			{"replay --output=json -", "--attempt --address --tls-cert --tls-key --tls-ca --help -h"},
			{"explain --at", ""},
			{"explain --at-", "--at-revision"},
			{"list --label a=b --la", "--label"},
			{"groups --output", "json table"},
		} {
			r := s.want(exitGood, "", append(strings.Fields(tt.line), "--generate-bash-completion")...)
			if got := strings.Join(strings.Fields(r.out), " "); got != tt.want || r.err != "" {
				t.Errorf("berth %s: offered %q %s, want %q", tt.line, got, r.err, tt.want)
			}
		}
	})
	s := &shell{t: t}
	t.Setenv("BERTH_ADDRESS", "127.0.0.1:1")
	if r := s.want(exitGood, "", "drain", "--generate-bash-completion"); r.out+r.err != "" {
		t.Errorf("without a daemon: %q %q", r.out, r.err)
	}
	s.want(exitGood, "json\ntable\n", "list", "-o", "--generate-bash-completion")
}

// What does not answer is not waited for.
func TestCompletion_Bounded(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // which nobody accepts from
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := &shell{t: t}
	done := make(chan result, 1) // one is sent
	go func() { done <- s.do("drain", "--address", l.Addr().String(), "--generate-bash-completion") }()
	select {
	case r := <-done:
		if r.code != exitGood || r.out+r.err != "" {
			t.Errorf("%+v", r)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a shell waits for ever")
	}
}

// Bash asks for what stands before the word, and offers no files in the place of names.
func TestCompletion_Bash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	s := &shell{t: t}
	script := s.want(exitGood, "", "completion", "bash").out + `
berth() { if [[ "$2" == - ]]; then printf '%s\n' -o --at --output --pre; else echo "$@" | tr ' ' '+'; fi; }
compopt() { echo -n "no files: "; }
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _berth; echo "${COMPREPLY[*]}"; }
try berth drain ''
try berth list --state = ''
try berth list --state =
try berth list --tls-ca ''
try berth submit -f ''
try berth submit --tenant ''
try berth run -- berth drain ''
try berth explain --
try berth submit --pre
try berth submit --preemption ''
try berth debug profile --out ''
`
	want := `no files: drain+--generate-bash-completion
no files: list+--state+--generate-bash-completion
no files: list+--state+--generate-bash-completion
list+--tls-ca+--generate-bash-completion
submit+-f+--generate-bash-completion
no files: submit+--tenant+--generate-bash-completion

no files: --at --output --pre
--pre
no files: submit+--preemption+--generate-bash-completion
debug+profile+--out+--generate-bash-completion
`
	wantScript(t, exec.CommandContext(t.Context(), bash, "--norc", "-s"), script, want)
}

// wantScript runs a script of a shell.
func wantScript(t *testing.T, cmd *exec.Cmd, script, want string) {
	t.Helper()
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant:\n%s", err, out, want)
	}
}

// So does zsh.
func TestCompletion_Zsh(t *testing.T) {
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("no zsh")
	}
	s := &shell{t: t}
	script := "compdef() { }\n" + s.want(exitGood, "", "completion", "zsh").out + `
berth() { if [[ "$2" == - ]]; then print -l -- --at --output; elif [[ "$*" != *-f* ]]; then echo "$@" | tr ' ' '+'; fi; }
_describe() { echo "${found[@]}"; }
_files() { echo "files$prefix"; }
compset() { prefix=" behind $2"; }
try() { words=("$@"); CURRENT=$#; prefix=; _berth; }
try berth drain ''
try berth list --state=
try berth explain --
try berth explain --at
try berth submit -f ''
try berth submit -f=jo
try berth drain -f ''
try berth run -- berth drain ''
`
	wantScript(t, exec.CommandContext(t.Context(), zsh, "-f", "-s"), script, `drain+--generate-bash-completion
list+--state=+--generate-bash-completion
--at --output
--at --output
files
files behind *=
files
`)
}

// Fish is asked what it would offer.
func TestCompletion_Fish(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("no fish")
	}
	dir, s := t.TempDir(), &shell{t: t}
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	script := s.want(exitGood, "", "completion", "fish").out + `
function berth
  switch "$argv[2]"
    case -
      printf '%s\n' --at --at-revision --output
    case '--state=*'
      echo --state=running
  end
end
for line in "drain " "explain --" "explain --at" "list --state=r" "submit -f " "submit --file jo" "submit --file=jo" "submit --preemption jo" "submit -- jo"
  echo $line: (complete -C "berth $line")
end
`
	cmd := exec.CommandContext(t.Context(), fish, "--no-config")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	wantScript(t, cmd, script, `drain :
explain --: --at --at-revision --output
explain --at: --at --at-revision
list --state=r: --state=running
submit -f : job.yaml
submit --file jo: job.yaml
submit --file=jo: --file=job.yaml
submit --preemption jo:
submit -- jo:
`)
}
