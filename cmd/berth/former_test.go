package main

import (
	"path/filepath"
	"testing"
)

// Of what waits for its next attempt get and explain tell how the last one ended, and where.
func TestFormer_Told(t *testing.T) {
	withLocal(t, func(s *shell) {
		flaky := "id: flaky\ncommand: [sh, -c, exit 3]\nretry: {on_failure: true, max_attempts: 5, backoff_ms: 60000}\n"
		if r := s.with(flaky, "submit", "-f", "-"); r.code != exitGood {
			t.Fatalf("%+v", r)
		}
		s.until("before      attempt 1, on w-1, ended ", "get", "flaky")
		s.want(exitGood, " ago): exit code 3\n", "get", "flaky")
		s.want(exitGood, "why         waits for attempt 2: the last one ended: exit code 3\n", "get", "flaky")
		s.want(exitGood, " ago): exit code 3\n", "explain", "flaky")
		s.want(exitGood, `"former":`, "get", "-o", "json", "flaky")

		was := filepath.Join(t.TempDir(), "was")
		again := "id: again\ncommand: [sh, -c, \"test -f " + was + " && sleep 60; touch " + was + "; exit 4\"]\nretry: {on_failure: true, max_attempts: 2, backoff_ms: 1}\n"
		if r := s.with(again, "submit", "-f", "-"); r.code != exitGood {
			t.Fatalf("%+v", r)
		}
		s.until("attempt    2 (1 of 2 used)\nbefore     attempt 1, on w-1, ended ", "get", "again") // once it runs again, too
		s.until("again is RUNNING on w-1\nattempt 1, on w-1, ended ", "explain", "again")
		s.want(exitGood, `"reason": "exited"`, "get", "-o", "json", "again")

		late := "id: late\ncommand: [sh, -c, echo here; exit 5]\nretry: {on_failure: true, max_attempts: 5, backoff_ms: 60000}\npending_limit_ms: 3000\n"
		if r := s.with(late, "submit", "-f", "-"); r.code != exitGood {
			t.Fatalf("%+v", r)
		}
		s.until("before     attempt 1, on w-1, ended ", "get", "late")
		s.until("state      EXPIRED", "get", "late")
		s.want(exitGood, " ago): exit code 5\n", "get", "late")
		s.want(exitGood, "attempt 1, on w-1, ended ", "explain", "late")
		s.want(exitGood, "here\n", "logs", "late")
	})
}
