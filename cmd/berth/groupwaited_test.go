package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Of a group for which others end it is told who they are, and until when, as of a request by itself.
func TestGroups_WhoIsWaitedFor(t *testing.T) {
	withLocal(t, func(s *shell) {
		ends := filepath.Join(t.TempDir(), "ends")
		s.want(exitGood, "v", "submit", "--id", "v", "--cpu", "3", "--stop-timeout", "1h", "--", "sh", "-c", "trap '' TERM; while [ ! -e "+ends+" ]; do sleep 0.05; done")
		s.until("RUNNING", "get", "v")
		s.want(exitGood, "group of 2", "submit", "--id", "g", "--cpu", "1", "--group-size", "2", "--priority", "5", "--preemption", "lower", "--", "sleep", "300")
		s.until("waited for: v, told to stop (preempt), killed ", "explain", "g")
		if err := os.WriteFile(ends, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.until("PLACED", "get", "g")
	})
}
