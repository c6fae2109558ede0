package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
berth() { echo "$@" | tr ' ' '+'; }
compopt() { echo -n "no files: "; }
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _berth; echo "${COMPREPLY[*]}"; }
try berth drain ''
try berth list --state = ''
try berth list --state =
try berth list --tls-ca ''
try berth submit -f ''
try berth submit --tenant ''
try berth run -- berth drain ''
`
	want := `no files: drain+--generate-bash-completion
no files: list+--state+--generate-bash-completion
no files: list+--state+--generate-bash-completion
list+--tls-ca+--generate-bash-completion
submit+-f+--generate-bash-completion
no files: submit+--tenant+--generate-bash-completion

`
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-s")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant:\n%s", err, out, want)
	}
}
