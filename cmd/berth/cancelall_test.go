package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What is listed by id can be given to other verbs; what is selected is cancelled, and nothing else.
func TestCancel_All(t *testing.T) {
	withLocal(t, func(s *shell) {
		submit := func(id, tenant string) {
			t.Helper()
			s.want(exitGood, "", "submit", "-q", "--id", id, "--tenant", tenant, "--label", "app="+id[:1], "--cpu", "0.1", "--memory", "1MiB", "--", "sleep", "60")
		}
		ids := func(want string, flags ...string) {
			t.Helper()
			if r := s.do(append([]string{"list", "-q"}, flags...)...); r.code != exitGood || strings.Join(strings.Fields(r.out), " ") != want || r.err != "" {
				t.Errorf("list -q %s: %+v, want %q", flags, r, want)
			}
		}
		for _, id := range []string{"a-1", "a-2", "b-1"} {
			submit(id, "red")
		}
		submit("a-3", "blue")
		ids("a-1 a-2 a-3 b-1")
		ids("a-1 a-2 b-1", "--tenant", "red")
		ids("", "--tenant", "green")
		s.want(exitFailed, "nobody: not found", "list", "-q", "nobody")

		s.want(exitUsage, "cancel 3 requests: a-1, a-2, b-1: nobody can be asked here; give --yes", "cancel", "--all", "--tenant", "red")
		ids("a-1 a-2 a-3 b-1")
		if r := s.want(exitGood, "", "cancel", "--all", "--yes", "--wait", "--message", "enough", "--tenant", "red", "--label", "app=a"); r.out != "a-1 CANCELLED\na-2 CANCELLED\n" {
			t.Errorf("two of three of red's: %+v", r)
		}
		ids("a-3 b-1")
		s.want(exitGood, "cancelled: enough", "get", "a-1")
		s.want(exitGood, "no such request that has not ended: nothing is cancelled", "cancel", "--all", "-y", "--tenant", "green")
		s.want(exitFailed, "worker nobody: not found", "cancel", "--all", "-y", "--worker", "nobody")
		s.want(exitUsage, "state", "cancel", "--all", "-y", "--state", "sleepy")
		ids("a-3 b-1")

		t.Setenv("BERTH_TENANT", "red") // for submit: it narrows what is cancelled, and hinders nothing else
		ids("b-1")
		s.want(exitGood, "a-3 is stopping on w-1", "cancel", "a-3")
		if r := s.want(exitGood, `"id":"b-1"`, "cancel", "--all", "-y", "--wait", "-o", "json"); strings.Count(r.out, "\n") != 1 {
			t.Errorf("the last one: %+v", r)
		}
		ids("")
	})
}

// More than are sent at a time, all are told of, in their order.
func TestCancel_AllOfMany(t *testing.T) {
	withLocal(t, func(s *shell) {
		var file, want strings.Builder
		for i := range 3 * cancelAtOnce {
			fmt.Fprintf(&file, "{\"id\": \"r-%03d\", \"command\": [\"true\"], \"resources\": {\"cpu_milli\": 100000}}\n", i)
			fmt.Fprintf(&want, "r-%03d CANCELLED\n", i)
		}
		if r := s.with(file.String(), "submit", "-q", "-f", "-"); r.code != exitGood {
			t.Fatalf("%+v", r)
		}
		if r := s.do("cancel", "--all", "--yes"); r.code != exitGood || r.out != want.String() {
			t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
		}
	})
}

func TestCancel_Selection(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("BERTH_ADDRESS", "unix:///no/such/socket")
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"--all and a exclude each other", []string{"cancel", "--all", "a"}},
		{"--yes goes with --all", []string{"cancel", "--yes", "a"}},
		{"--tenant selects with --all only: berth cancel --all --tenant", []string{"cancel", "--tenant", "red"}},
		{"no ID; berth list shows them, and --all cancels all of them", []string{"cancel"}},
		{"list: --quiet excludes --watch and -o json", []string{"list", "-q", "-w"}},
		{"list: --quiet excludes --watch and -o json", []string{"list", "--quiet", "-o", "json"}},
	} {
		s.want(exitUsage, tt.says, tt.args...)
	}
}

// All but a yes is a no, also nothing at all.
func TestAgreed(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "yes": true, "y \n": true, "n\n": false, "\n": false, "": false, "yellow\n": false} {
		var out bytes.Buffer
		if got := agreed(strings.NewReader(answer), &out, "cancel 1 request: a"); got != want || out.String() != "berth: cancel 1 request: a? [y/N] " {
			t.Errorf("%q: %t, asked %q", answer, got, &out)
		}
	}
}
