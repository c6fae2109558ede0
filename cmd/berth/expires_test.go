package main

import (
	"strings"
	"testing"
)

// It is told when what waits expires, and before its next attempt where that is so; who submits it is warned of that.
func TestExpires_Told(t *testing.T) {
	withLocal(t, func(s *shell) {
		s.want(exitGood, "warning: should the first attempt of late fail, no second one begins: its pending limit of 59s is over before its retry backoff of 1m0s\n",
			"submit", "--id", "late", "--pending-limit", "59s", "--retry-backoff", "60s", "--attempts", "3", "--retry-on", "failure", "--", "false")
		s.until("late waits, and expires before its next attempt, which is not before ", "explain", "late")
		s.want(exitGood, ", before its next attempt may begin\n", "explain", "late")
		s.want(exitGood, ", before its next attempt may begin\n", "get", "late")

		if r := s.want(exitGood, "big", "submit", "--id", "big", "--cpu", "64", "--pending-limit", "1h", "--", "true"); r.err != "" {
			t.Errorf("warned: %s", r.err)
		}
		s.until(", unless it is placed before\n", "explain", "big")
		s.want(exitGood, ", unless it is placed before\n", "get", "big")
		s.want(exitGood, `"expires_at"`, "get", "-o", "json", "big")
		s.want(exitGood, "big CANCELLED", "cancel", "big")
		if r := s.do("get", "big"); strings.Contains(r.out, "expires") {
			t.Errorf("of what has ended: %s", r.out)
		}
	})
}
