package main

import "testing"

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
	})
}
