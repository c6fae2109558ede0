package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGroups(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(0, "group of 4; berth get train", "submit", "--id", "train", "--cpu", "0.5", "--group-size", "4", "--", "sleep", "60")
		s.want(0, "submitted before", "submit", "--id", "train", "--cpu", "0.5", "--group-size", "4", "--", "sleep", "60")
		s.want(exitFailed, "taken by other content", "submit", "--id", "train", "--group-size", "5", "--", "sleep", "60")
		s.want(0, "train  PLACED  4     4         1", "groups")
		s.want(0, "4, at least 4 together", "get", "train")
		s.want(0, "train.3", "list", "--group", "train")
		s.want(0, "group      train", "get", "train.0")

		jobs := filepath.Join(t.TempDir(), "jobs.yaml")
		if err := os.WriteFile(jobs, []byte("{id: wide, command: [sleep, \"60\"], resources: {cpu_milli: 1000}, group: {size: 3}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(0, "group of 3", "submit", "-f", jobs)
		s.want(0, "waits: 2 of its 3 members fit, of at least 3", "explain", "wide")
		s.want(0, "wide.1 waits: 2 of its 3 members fit, of at least 3", "explain", "wide.1")
		s.shows("state      RUNNING", "get", "train.2")
		s.want(0, "is ending: ", "cancel", "--message", "make room", "--wait", "train")
		s.want(0, "cancelled: make room: killed by SIGTERM", "get", "train.2")
		s.want(0, "wide   PLACED", "groups")
		var got []struct{ ID, State string }
		r := s.do("groups", "-o", "json")
		if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) == 0 { // train's record goes after its last member
			t.Errorf("%v: %+v", err, r)
		} else if last := got[len(got)-1]; last.ID != "wide" || last.State != "PLACED" {
			t.Errorf("%+v", r)
		}
		s.shows("state      RUNNING", "get", "wide.1")
		s.want(0, "wide.0 CANCELLED", "cancel", "--wait", "wide.0")
		s.shows("ended  ", "get", "wide.1")
		s.want(0, "too few of its group are left: wide.0 ended CANCELLED: cancelled: killed by SIGTERM", "get", "wide.1")
	})
}

// shows waits until a command tells so.
func (s *shell) shows(want string, args ...string) {
	s.t.Helper()
	for range 500 {
		if strings.Contains(s.do(args...).out, want) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	s.want(0, want, args...)
}

func TestGroups_Usage(t *testing.T) {
	s := &shell{t: t}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{`group.min_count "5" is too large; allowed: 1 to 3`, []string{"--group-size", "3", "--group-min", "5"}},
		{`group.size "-1" is negative; allowed: 1 to 1000`, []string{"--group-size", "-1"}},
		{"--group-min and --group-topology go with --group-size", []string{"--group-min", "2"}},
	} {
		s.want(exitUsage, tt.says, append(append([]string{"submit"}, tt.args...), "--", "true")...)
	}
	s.want(exitUsage, "no argument is taken; berth get GROUP tells of one", "groups", "train")
}
