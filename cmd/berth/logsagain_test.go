package main

import "testing"

// What waits again, for it was stopped, has run: its output is that of the attempt before.
func TestLogs_WaitsAgain(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitFailed, "it is PENDING, and has not run", "logs", s.submitted("never", "--cpu", "64", "--", "true"))
		s.want(exitFailed, "not found; berth list --all shows what has ended, too", "logs", "nosuch")
		s.want(exitGood, "", "submit", "-q", "--wait", "--id", "once", "--", "true")
		s.want(exitFailed, "request once has no output of attempt 9: its newest is attempt 1; berth logs --attempt 1 once has the output of that", "logs", "--attempt", "9", "once")
		s.submitted("again", "--", "sh", "-c", "echo one; exec sleep 300")
		s.until("one\n", "logs", "again")
		s.want(exitGood, "", "drain", "w-1")
		s.until("BLOCKED", "list", "again")
		s.want(exitGood, "one\n", "logs", "again")
		s.want(exitGood, "one\n", "logs", "--attempt", "1", "again")
		s.want(exitFailed, "request again has no output of attempt 2 yet: it is PENDING, and waits for that; berth logs --attempt 1 again has that of the one before", "logs", "--attempt", "2", "again")
	})
}

// submitted submits from flags, and returns the id.
func (s *shell) submitted(id string, args ...string) string {
	s.t.Helper()
	s.want(exitGood, id, append([]string{"submit", "--id", id}, args...)...)
	return id
}
