package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A quota that is set to less than is asked for, while others end for that, is why it waits, and not
// their end; and who would make room is not told to be lacking room.
func TestQuota_LoweredUnderClaim(t *testing.T) {
	withLocal(t, func(s *shell) {
		ends := filepath.Join(t.TempDir(), "ends")
		s.want(exitGood, "v", "submit", "--id", "v", "--cpu", "3", "--stop-timeout", "1h", "--", "sh", "-c",
			"[ -e "+ends+" ] && exec sleep 300; trap '' TERM; while [ ! -e "+ends+" ]; do sleep 0.05; done")
		s.until("RUNNING", "get", "v")
		s.want(exitGood, "2", "tenants", "set", "--cpu", "2", "tk")
		s.want(exitGood, "k2", "submit", "--id", "k2", "--tenant", "tk", "--cpu", "1.5", "--priority", "5", "--preemption", "lower", "--", "sleep", "300")
		s.until("k2 waits for 1 request to end", "explain", "k2")
		s.want(exitGood, "1", "tenants", "set", "--cpu", "1", "tk")
		const (
			beyond = "k2 waits, and could never be placed, for it asks for more than the quota of tenant tk in pool default: it wants 1.5 cores, and 1 is left of 1\n"
			larger = "what would help: a larger quota: berth tenants set --pool default --cpu 1.5 tk; others would make room for it then\n"
			listed = "could never be placed: quota: it wants 1.5 cores, and 1 is left of 1\n"
		)
		s.until(beyond, "explain", "k2")
		s.want(exitGood, larger, "explain", "k2")
		s.want(exitGood, listed, "list", "k2")
		s.want(exitGood, "waited for: v", "explain", "k2")
		if err := os.WriteFile(ends, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.until("2 (0 of 3 used)", "get", "v")
		s.until("RUNNING", "get", "v")
		s.until(beyond, "explain", "k2")
		s.want(exitGood, larger, "explain", "k2")
		s.want(exitGood, listed, "list", "k2")
	})
}
