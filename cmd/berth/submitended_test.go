package main

import (
	"strings"
	"testing"
)

// To submit again what has ended is no error, and starts nothing; that is told. With --wait its end
// counts as if it were waited for.
func TestSubmit_EndedBefore(t *testing.T) {
	withLocal(t, func(s *shell) {
		bad := []string{"--id", "bad", "--attempts", "1", "--", "sh", "-c", "exit 7"}
		good := []string{"--id", "good", "--", "true"}
		submit := func(flag string, of []string) result { return s.do(append([]string{"submit", flag}, of...)...) }
		submit("--wait", bad)
		submit("--wait", good)
		for _, tt := range []struct {
			flag string
			of   []string
			code int
			says string
		}{
			{"--wait=false", bad, exitGood, "berth: submitted before, and ended already: bad FAILED (exit code 7); nothing runs again, for that takes another id\n"},
			{"--wait", bad, exitFailed, "berth: submitted before, and ended already: bad FAILED (exit code 7); nothing runs again"},
			{"--wait=false", good, exitGood, "berth: submitted before, and ended already: good SUCCEEDED (exit code 0); nothing runs again"},
			{"--wait", good, exitGood, "ended already: good SUCCEEDED (exit code 0)"},
			{"--quiet", bad, exitGood, ""},
		} {
			if r := submit(tt.flag, tt.of); r.code != tt.code || !strings.HasPrefix(r.err, strings.Split(tt.says, "ended")[0]) || !strings.Contains(r.err, tt.says) || tt.says == "" && r.err != "" {
				t.Errorf("submit %s %s: %+v, want %d and %q", tt.flag, tt.of, r, tt.code, tt.says)
			}
		}
		s.want(exitGood, "submitted before; exit code 7", append([]string{"submit"}, bad...)...)
		stream := "{\"id\": \"a\", \"command\": [\"true\"]}\n{\"id\": \"b\", \"command\": [\"true\"]}\n{\"id\": \"c\", \"command\": [\"true\"]}\n{\"id\": \"d\", \"command\": [\"true\"]}\n"
		if r := s.with(stream, "submit", "--wait", "-f", "-"); r.code != exitGood || strings.Contains(r.err, "before") {
			t.Errorf("four for the first time: %+v", r)
		}
		if r := s.with(stream, "submit", "-f", "-"); !strings.Contains(r.err, "c SUCCEEDED (exit code 0) and 1 more; nothing runs again") {
			t.Errorf("four again: %+v", r)
		}
	})
}
